import copy
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from roadshift.errors import RoadshiftError
from roadshift.settings import Settings
from stages import paths
from stages.duration import Duration, duration_file
from stages.params import RENAMED, Params, load_params

PROJECT = Path(__file__).parents[2]
COMMITTED = PROJECT / "params.yaml"


@pytest.fixture
def load(tmp_path):
    """Loads the committed parameters with some keys, given by their dotted path, changed."""

    def with_changes(changes, without=()):
        content = copy.deepcopy(yaml.safe_load(COMMITTED.read_text("utf-8")))
        for path in [*changes, *without]:
            *sections, key = path.split(".")
            place = content
            for section in sections:
                place = place[section]
            if path in changes:
                place[key] = changes[path]
            else:
                del place[key]
        file = tmp_path / "params.yaml"
        file.write_text(yaml.safe_dump(content), "utf-8")
        return load_params(file)

    return with_changes


def refusal(function, *args, **kwargs):
    with pytest.raises(RoadshiftError) as caught:
        function(*args, **kwargs)
    message = str(caught.value)
    assert "params.yaml: " in message
    assert "\n" not in message
    return message.split("params.yaml: ", 1)[1]


def test_the_committed_parameters_load():
    params = load_params(COMMITTED)
    assert set(params.domains) == {"a", "b", "target"}
    assert params.mixes == {"a": {"a": 1}, "b": {"b": 1}, "ab": {"a": 1, "b": 1}}
    assert params.data.taxonomy == "driving11"


def test_every_key_of_the_committed_file_is_one_of_the_schema():
    content = yaml.safe_load(COMMITTED.read_text("utf-8"))
    assert set(content) == set(Params.model_fields)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"aug.brigthness": 0.3}, "aug.brigthness: unknown key; did you mean 'brightness'?"),
        ({"trian": {}}, "trian: unknown key; did you mean 'train'?"),
        ({"train.epoch": 3}, "train.epoch: unknown key; did you mean 'epochs'?"),
        (
            {"aug.brightness": 1.5},
            "aug.brightness: input should be less than or equal to 1, not 1.5",
        ),
        (
            {"aug.brightness": -0.1},
            "aug.brightness: input should be greater than or equal to 0, not -0.1",
        ),
        ({"reg.dropout": 1.0}, "reg.dropout: input should be less than 1, not 1.0"),
        ({"reg.l1": float("inf")}, "reg.l1: input should be a finite number, not inf"),
        ({"train.crop_width": 100}, "train.crop_width: input should be a multiple of 32, not 100"),
        ({"seed": "0"}, "seed: input should be a valid integer, not '0'"),
        ({"train.epochs": 2.5}, "train.epochs: input should be a valid integer, not 2.5"),
        ({"aug": 3}, "aug: expected keys with values, not 3"),
        ({"domains.b": None}, "domains.b: input should be a valid string, not None"),
        (
            {"domains.b": "kiti"},
            "domains.b: 'kiti' is not a data set; did you mean 'kitti'?",
        ),
        (
            {"data.taxonomy": "driving12"},
            "data.taxonomy: 'driving12' is not a taxonomy; did you mean 'driving11'?",
        ),
        (
            {"model.encoder": "eficientnet_lite0"},
            "model.encoder: 'eficientnet_lite0' is not known; did you mean 'efficientnet_lite0'?",
        ),
        (
            {"domains.b": "kitti", "data.split.by.b": "curse"},
            "data.split.by.b: kitti: 'curse' is not a split scheme of this set; "
            "did you mean 'course'?",
        ),
        (
            {"domains.b": "camvid", "data.split.by.b": "drive"},
            "data.split.by.b: camvid: 'drive' is not a split scheme of this set; "
            "did you mean 'drives'?",
        ),
        (
            {"data.split.by.b": "group"},
            "data.split.by.b: synthetic_overcast: the set has no groups (drives, cities) "
            "to split by; choose another data.split.by",
        ),
        (
            {"data.split.by.c": "official"},
            "domains: 'c' is missing; domains and data.split.by have the same roles",
        ),
        (
            {"domains.c": "kitti"},
            "data.split.by: 'c' is missing; domains and data.split.by have the same roles",
        ),
        (
            {"data.split.val": 0.8},
            "data.split: val 0.8 and test 0.3 leave no share for train",
        ),
        (
            {"data.stored_height": 256},
            "data.stored_height is 256, but data.max_height 384: a training would see smaller "
            "images than it asks for; set data.stored_height to 0, or to max_height or more",
        ),
        (
            {"data.split.seed": -1},
            "data.split.seed: input should be greater than or equal to 0, not -1",
        ),
        (
            {"domains.a": "idd_lite"},
            "domains.a: idd_lite: labels too coarse for the taxonomy 'driving11': 'non_drivable' "
            "straddles sidewalk and vegetation; 'living_thing' straddles person and two_wheeler; "
            "'vehicle' straddles vehicle and two_wheeler; 'roadside_object' straddles sidewalk "
            "and fence and pole and traffic_sign; 'far_object' straddles building and vegetation; "
            "choose another data.taxonomy (binary, driving7) or another set, or set "
            "data.partial_labels=true",
        ),
        ({"mixes.ab": {"a": 1, "c": 1}}, "mixes.ab: 'c' is not a source; sources are a, b"),
        (
            {"mixes.ab": {"a": 1, "target": 1}},
            "mixes.ab: 'target' is not a source; sources are a, b",
        ),
        ({"mixes.ab": {}}, "mixes.ab: names no source"),
        ({"mixes.ab.a": 0}, "mixes.ab.a: input should be greater than or equal to 1, not 0"),
        (
            {"model.encoder": "unet"},
            "model.weights is imagenet, but there are no ImageNet weights for model.encoder "
            "unet: set model.weights=none",
        ),
        (
            {"model.encoder": "unet", "model.weights": "none", "model.ibn_stages": 2},
            "model.ibn_stages is 2, but model.encoder unet has no stages to put it into: set "
            "model.ibn_stages=0, or another encoder",
        ),
        (
            {"model.encoder": "unet", "model.weights": "none", "reg.stochastic_depth": 0.1},
            "reg.stochastic_depth is 0.1, but model.encoder unet has no residual branches: set "
            "reg.stochastic_depth=0, or another encoder",
        ),
        (
            {"train.focal_gamma": 2.0, "reg.label_smoothing": 0.1},
            "train.focal_gamma is 2.0 and reg.label_smoothing 0.1: the focal loss spares "
            "confident pixels, and label smoothing makes all pixels less confident; set one of "
            "them to 0",
        ),
        (
            {"aug.fda_beta": 0.01, "aug.transfer_probability": 0.0},
            "aug.fda_beta is 0.01, but aug.transfer_probability is 0, so it is never applied; "
            "raise aug.transfer_probability, or set aug.fda_beta=0",
        ),
        (
            {"aug.rain": 0.0, "aug.dusk": 0.5, "aug.weather_probability": 0.0},
            "aug.dusk is 0.5, but aug.weather_probability is 0, so it is never applied; raise "
            "aug.weather_probability, or set aug.dusk=0",
        ),
        (
            {"model.weights": "imagnet"},
            "model.weights is imagnet, which is neither imagenet nor none nor a .keras or .h5 "
            "file; did you mean 'imagenet'?",
        ),
        (
            {"model.weights": "mine.h5"},
            "model.weights is mine.h5, but .h5 files are of mobilenet_v2: set "
            "model.encoder=mobilenet_v2, or model.weights to a .keras file",
        ),
        (
            {"evaluate.tta_scales": [1.0, 1.0]},
            "evaluate.tta_scales is [1.0, 1.0]: give each scale once",
        ),
        ({"reg.ema_decay": 1.0}, "reg.ema_decay: input should be less than 1, not 1.0"),
        ({"adapt.tent_step": 1}, "adapt.tent_step: unknown key; did you mean 'tent_steps'?"),
    ],
)
def test_what_bad_parameters_get(load, changes, expected):
    assert refusal(load, changes) == expected


@pytest.mark.parametrize("key", ["data.taxonomy", "train", "seed", "train.epochs", "reg.l2"])
def test_a_missing_key(load, key):
    assert refusal(load, {}, without=[key]) == f"{key}: missing"


@pytest.mark.parametrize(
    "key", ["aug.hue", "model.frozen_stages", "train.dice_weight", "adapt.adabn", "evaluate"]
)
def test_a_missing_key_that_the_library_has_a_default_for(load, key):
    expected = f"{key}: missing" if key == "evaluate" else f"{key}: missing; state every key"
    assert refusal(load, {}, without=[key]) == expected


@pytest.mark.parametrize("text", ["1e-06", "1E-6", "1e-6", "+1e-6", "0.000001"])
def test_a_small_number_as_dvc_writes_it(tmp_path, text):
    file = tmp_path / "params.yaml"
    content = COMMITTED.read_text("utf-8").replace("l1: 0.0", f"l1: {text}")
    file.write_text(content, "utf-8")
    assert load_params(file).reg.l1 == 1e-6


def test_a_missing_target(load):
    assert refusal(load, {}, without=["domains.target"]).startswith("domains: 'target' is missing")


def test_a_warm_up_that_never_ends(load):
    assert "warm-up" in refusal(load, {"train.epochs": 2, "train.warmup_epochs": 2.0})
    # 79.6 steps of 80.
    nearly = {"train.epochs": 2, "train.steps_per_epoch": 40, "train.warmup_epochs": 1.99}
    assert "warm-up" in refusal(load, nearly)


def test_a_self_training_that_never_begins(load):
    never = {"adapt.self_training.warmup_epochs": 2.0, "train.epochs": 2}
    assert load(never).adapt.self_training.weight == 0
    message = refusal(load, never | {"adapt.self_training.weight": 1.0})
    assert message.startswith("adapt.self_training.warmup_epochs is 2.0, train.epochs 2: no")


def test_a_family_can_be_done_without_by_its_probability(load):
    assert load({"aug.photometric_probability": 0.0}).aug.brightness > 0
    clear = {"aug.rain": 0.0, "aug.dusk": 0.0, "aug.weather_probability": 0.0}
    assert load(clear).aug.fog == 0


def fields(schema, place=()):
    """Every key of a schema, by its dotted path."""
    for name, field in schema.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Settings):
            yield from fields(inner, (*place, name))
        else:
            yield ".".join((*place, name)), field


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_a_key_of_an_earlier_version_is_refused_with_its_name_now(load, old, new):
    known = {key for key, _ in fields(Params)}
    assert new in known
    assert old not in known
    value = load({}).model_dump()
    for part in new.split("."):
        value = value[part]
    assert refusal(load, {old: value}, without=[new]) == f"{old}: renamed to {new}"


def test_all_keys_of_an_earlier_version_are_named_at_once(load):
    said = refusal(load, {"aug.cast": 0.3, "reg.ema": 0.9, "aug.brigthness": 0.1})
    assert said == "aug.cast: renamed to aug.colour_cast; reg.ema: renamed to reg.ema_decay"


def test_no_name_of_a_role_or_a_mix_meets_another_output(load):
    """Whatever they are called: each output has a folder of its kind to itself."""
    fixed = [
        *(paths.SUMMARY, paths.PLOTS, paths.VALIDATED, paths.ADAPT, paths.OVERVIEW),
        *(paths.REPORT, paths.PAGE, paths.ALL_SOURCES),
    ]
    by_role = [paths.RAW, paths.REMAPPED, paths.TRAINVAL, paths.TEST, Path("data/.downloads")]
    by_mix = (
        paths.curves_folder, paths.network_file, paths.scores_file, paths.matrices_file,
        paths.predictions_file, paths.facts_file, paths.confusion_file, paths.training_state,
        paths.sources_file, paths.transfer_file, paths.transfer_matrices_file,
    )  # fmt: skip
    made = [*fixed, *by_role, paths.TRAINED, *(p("x") for p in (*by_mix, paths.audit_file))]
    # Every name that a folder or file of the workflow has.
    names = sorted({part.split(".")[0] for each in made for part in each.parts} - {"", "x"})
    assert {"predictions", "scores", "sources", "summary", "trainval", "transfer"} < {*names}
    places = [
        *fixed,
        *(folder / name for folder in (*by_role, paths.TRAINED) for name in names),
        *(place(n) for place in (*by_mix, paths.audit_file, paths.digest_file) for n in names),
    ]
    assert len({*places}) == len(places)
    assert not [one for one in places if {*one.parents} & {*places}]
    mixes = {f"mixes.{name}": {"a": 1} for name in names}
    assert {*names} < {*load(mixes).mixes}


def comments():
    """What params.yaml says behind each key, by its dotted path."""
    found: dict[str, str] = {}
    place: list[str] = []
    for line in COMMITTED.read_text("utf-8").splitlines():
        if match := re.match(r"( *)([a-z0-9_]+):", line):
            place = [*place[: len(match[1]) // 2], match[2]]
            found[".".join(place)] = line.partition("#")[2]
    return found


def test_the_range_of_every_number_stands_behind_it():
    said = comments()
    checked = 0
    for key, field in fields(Params):
        if field.annotation not in (int, float):
            continue
        bounds = {
            name: getattr(part, name)
            for part in field.metadata
            for name in ("ge", "gt", "le", "lt")
            if hasattr(part, name)
        }
        low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
        endless = high is None or high == 2**31
        expected = f"from {low:g}" if endless else f"{low:.10g}..{high:.10g}"
        assert expected in said[key], f"params.yaml: the comment of {key} lacks its {expected}"
        checked += 1
    assert checked > 50


def test_unet_from_scratch_is_fine(load):
    params = load({"model.encoder": "unet", "model.weights": "none"})
    assert params.model.encoder == "unet"


def test_other_data_sets_are_fine(load):
    changes = {"domains.a": "camvid", "domains.b": "kitti", "domains.target": "ika"}
    assert load(changes).domains == {"a": "camvid", "b": "kitti", "target": "ika"}


def test_images_of_ones_own_are_fine_before_they_are_there(load):
    assert load({"domains.target": "folder"}).domains["target"] == "folder"


def test_a_third_source_needs_no_code(load):
    third = {"domains.c": "kitti", "data.split.by.c": "course"}
    params = load({**third, "mixes.abc": {"a": 2, "b": 1, "c": 1}})
    assert params.mixes["abc"] == {"a": 2, "b": 1, "c": 1}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "expected keys with values, not None"),
        (b"- a\n", "expected keys with values, not ['a']"),
        (b"a: [b\n", "not YAML: "),
        (b"\tseed: 1\n", "not YAML: "),
        (b"a: \xe9\n", "not YAML: "),
        (b"\x00", "not YAML: "),
    ],
)
def test_a_file_that_is_no_table(tmp_path, content, expected):
    file = tmp_path / "params.yaml"
    file.write_bytes(content)
    assert refusal(load_params, file).startswith(expected)


def test_a_missing_file(tmp_path):
    assert refusal(load_params, tmp_path / "params.yaml").startswith("missing; run this from")


def test_a_stage_prints_one_line_and_exits_with_one(tmp_path):
    text = COMMITTED.read_text("utf-8").replace("brightness:", "brigthness:")
    (tmp_path / "params.yaml").write_text(text, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "stages.download", "a"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "error: params.yaml: aug.brigthness: unknown key; did you mean 'brightness'?\n"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["params.yaml"]


def test_a_stage_leaves_how_long_it_took(tmp_path):
    (tmp_path / "params.yaml").write_bytes(COMMITTED.read_bytes())
    command = [sys.executable, "-m", "stages.validate_params"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    file = tmp_path / duration_file("validate_params")
    duration = Duration.read(file)
    assert 0 < duration.seconds < 60
    # The processor time is that of the whole process, with its imports.
    assert 0.05 < duration.processor_seconds < 60
    file.unlink()
    (tmp_path / "params.yaml").write_text("seed: 0\n", "utf-8")
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 1
    assert not file.exists()
