"""Parameters that are mistyped, out of range or contradictory."""

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.bad_input.project import Case, set_params
from tests.bad_input.records import TRAIN

CHECK = (("validate_params",),)
FILE = Path("params.yaml")


def changed(**keys: object) -> Callable[[], None]:
    return lambda: set_params({key.replace("__", "."): value for key, value in keys.items()})


def text(old: str, new: str) -> Callable[[], None]:
    def make() -> None:
        content = FILE.read_text("utf-8")
        assert old in content
        FILE.write_text(content.replace(old, new, 1), "utf-8")

    return make


def a_second_source() -> None:
    for part in ("trainval", "test"):
        shutil.copytree(f"data/shards/{part}/a", f"data/shards/{part}/b")
    changed(
        train__batch_size=1,
        mixes__a={"a": 1, "b": 1},
        domains__b="camvid",
        data__split__by__b="official",
    )()


PARAMS = (
    Case(
        "a mistyped key",
        text("brightness:", "brigthness:"),
        CHECK,
        "params.yaml: aug.brigthness: unknown key; did you mean 'brightness'?",
    ),
    Case(
        "a mistyped section",
        text("evaluate:", "evalaute:"),
        CHECK,
        "params.yaml: evaluate: missing; evalaute: unknown key; did you mean 'evaluate'?",
    ),
    Case(
        "a key removed",
        text("  hue: 0.06\n", ""),
        CHECK,
        "params.yaml: aug.hue: missing; state every key",
    ),
    Case(
        "a value out of range",
        changed(aug__brightness=1.5),
        CHECK,
        "params.yaml: aug.brightness: input should be less than or equal to 1, not 1.5",
    ),
    Case(
        "a word for a number",
        changed(train__epochs="ten"),
        CHECK,
        "params.yaml: train.epochs: input should be a valid integer, not 'ten'",
    ),
    Case(
        "a number for a word",
        changed(data__taxonomy=11),
        CHECK,
        "params.yaml: data.taxonomy: input should be a valid string, not 11",
    ),
    Case(
        "a fraction for a count",
        changed(train__batch_size=2.5),
        CHECK,
        "params.yaml: train.batch_size: input should be a valid integer, not 2.5",
    ),
    Case(
        "not a number",
        changed(reg__l1=float("nan")),
        CHECK,
        "params.yaml: reg.l1: input should be a finite number, not nan",
    ),
    Case(
        "a crop width that is not a multiple of 32",
        changed(train__crop_width=100),
        CHECK,
        "params.yaml: train.crop_width: input should be a multiple of 32, not 100",
    ),
    Case(
        "an unknown data set",
        changed(domains__a="camvit"),
        CHECK,
        "params.yaml: domains.a: 'camvit' is not a data set; did you mean 'camvid'?",
    ),
    Case(
        "a mix that holds the target",
        changed(mixes__a={"a": 1, "target": 1}),
        CHECK,
        "params.yaml: mixes.a: 'target' is not a source; sources are a",
    ),
    Case(
        "ImageNet weights for unet",
        changed(model__weights="imagenet"),
        CHECK,
        "params.yaml: model.weights is imagenet, but there are no ImageNet weights for "
        "model.encoder unet: set model.weights=none",
    ),
    Case(
        "mistyped weights",
        changed(model__weights="imagnet"),
        CHECK,
        "params.yaml: model.weights is imagnet, which is neither imagenet nor none nor a .keras or "
        ".h5 file; did you mean 'imagenet'?",
    ),
    Case(
        "first weights among the outputs",
        changed(model__weights="models/trained/a/model.keras"),
        CHECK,
        "params.yaml: model.weights is models/trained/a/model.keras, which a run of the workflow "
        "replaces; copy it to another folder, and set model.weights to the copy",
    ),
    Case(
        "fog with weather probability 0",
        changed(aug__fog=1.0, aug__weather_probability=0.0),
        CHECK,
        "params.yaml: aug.fog is 1.0, but aug.weather_probability is 0, so it is never applied; "
        "raise aug.weather_probability, or set aug.fog=0",
    ),
    Case(
        "a warm-up as long as the training",
        changed(train__warmup_epochs=1.0),
        CHECK,
        "params.yaml: train.warmup_epochs is 1.0, train.epochs 1: the warm-up must be "
        "shorter than the schedule",
    ),
    Case(
        "a key twice",
        text("seed: 0\n", "seed: 0\nseed: 1\n"),
        CHECK,
        "params.yaml: not YAML: line 2: the key 'seed' comes twice",
    ),
    Case(
        "not YAML",
        text("seed: 0\n", "seed: [0\n"),
        CHECK,
        "params.yaml: not YAML: line 2: expected ',' or ']', but got ':'",
    ),
    Case(
        "empty",
        lambda: FILE.write_bytes(b""),
        CHECK,
        "params.yaml: expected keys with values, not None",
    ),
    Case("no file", FILE.unlink, CHECK, "params.yaml: missing; run this from the project's folder"),
    Case(
        "an unknown role",
        bool,
        (("download", "b"),),
        "'b' is no key of domains in params.yaml; known: a, target",
    ),
    Case(
        "an unknown mix",
        bool,
        (("train", "ab"),),
        "'ab' is no key of mixes in params.yaml; did you mean 'a'?",
    ),
    Case(
        "a source without an image in the batch",
        a_second_source,
        TRAIN,
        "mixes.a: source 'b' gets no image of a batch of 1; raise its weight or train.batch_size",
    ),
)
