"""Manifests, shards and networks that were damaged, edited or mixed up."""

import csv
import json
import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from roadshift.networks.settings import Encoder
from tests.bad_input.archives import flip
from tests.bad_input.images import cut
from tests.bad_input.project import Case, set_params

REMAPPED = Path("data/remapped/a")
MANIFEST = REMAPPED / "manifest.csv"
TRAINVAL, TEST = Path("data/shards/trainval/a"), Path("data/shards/test/a")
TRAIN_SHARD = TRAINVAL / "camvid-train.tfrecord-00000-of-00001"
VAL_SHARD = TRAINVAL / "camvid-val.tfrecord-00000-of-00001"
TEST_SHARD = TEST / "camvid-test.tfrecord-00000-of-00001"
MODEL = Path("models/trained/a/model.keras")
"""Trained network, which the evaluate stage reads."""
HISTORY = MODEL.with_name("history.json")
READY = Path("models/a.keras")
"""Network ready for use, from the evaluate stage, which the commands read."""
Row = dict[str, str]

SHARD = (("shard", "a"),)
TRAIN = (("train", "a"),)
EVALUATE = (("evaluate", "a"),)
PREDICT = (("roadshift", "predict", str(READY), "data/own/images/000.png"),)
EXPORT = (("roadshift", "export", str(READY), "--to", "savedmodel"),)
SCORE = (("roadshift", "evaluate", str(READY), "data/raw/a", "--card", "camvid"),)


def edited(change: Callable[[list[Row]], object]) -> Callable[[], None]:
    def make() -> None:
        with MANIFEST.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        names = list(rows[0])
        change(rows)
        with MANIFEST.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    return make


def set_cell(key: str, value: str) -> Callable[[], None]:
    return edited(lambda rows: rows[1].update({key: value}))


def drop_column() -> None:
    lines = MANIFEST.read_text("utf-8").splitlines()
    MANIFEST.write_text("\n".join(line.rpartition(",")[0] for line in lines), "utf-8")


MANIFESTS = (
    Case(
        "a row removed",
        edited(lambda rows: rows.pop(1)),
        SHARD,
        "data/remapped/a: 'labels/0001TP_007.png' has no row in the manifest (1 such); "
        "run the remap stage again",
    ),
    Case(
        "all rows removed",
        edited(lambda rows: rows.clear()),
        SHARD,
        "data/remapped/a/manifest.csv: has no rows; run the remap stage again",
    ),
    Case(
        "a row twice",
        edited(lambda rows: rows.append(rows[1])),
        SHARD,
        "data/remapped/a/manifest.csv, line 10: the id '0001TP_007' comes twice; run "
        "the remap stage again",
    ),
    Case(
        "an unknown split",
        set_cell("split", "trian"),
        SHARD,
        "data/remapped/a/manifest.csv, line 3: 'trian' is not a split; did you mean "
        "'train'?; run the remap stage again",
    ),
    Case(
        "an image outside of the folder",
        set_cell("image", "../../../secret.png"),
        SHARD,
        "data/remapped/a/manifest.csv, line 3: '../../../secret.png' is not a path within "
        "its folder; run the remap stage again",
    ),
    Case(
        "an image that is not there",
        set_cell("image", "gone.png"),
        SHARD,
        "data/raw/a/gone.png: missing; run the download stage",
    ),
    Case(
        "a width that is no number",
        set_cell("width", "wide"),
        SHARD,
        "data/remapped/a/manifest.csv: not a manifest (…); run the remap stage again",
    ),
    Case(
        "another width",
        set_cell("width", "65"),
        SHARD,
        "'0001TP_007': image (64, 40), label (64, 40) and manifest (65, 40) differ "
        "in size; run the remap stage again",
    ),
    Case(
        "no id",
        set_cell("id", ""),
        SHARD,
        "data/remapped/a/manifest.csv, line 3: has no id; run the remap stage again",
    ),
    Case(
        "a column removed",
        drop_column,
        SHARD,
        "data/remapped/a/manifest.csv, line 2: expected id,split,group,image,label,width,height; "
        "run the remap stage again",
    ),
    Case(
        "the file removed",
        MANIFEST.unlink,
        SHARD,
        "data/remapped/a/manifest.csv: missing; run the remap stage",
    ),
    Case(
        "a label removed",
        (REMAPPED / "labels/0001TP_000.png").unlink,
        SHARD,
        "data/remapped/a/labels/0001TP_000.png: missing (1 such); run the remap stage again",
    ),
)


def append_record() -> None:
    """Appends the first record once more."""
    content = TEST_SHARD.read_bytes()
    length = int.from_bytes(content[:8], "little") + 16
    TEST_SHARD.write_bytes(content + content[:length])


def other_taxonomy() -> None:
    set_params({"data.taxonomy": "driving7"})


def with_table(change: Callable[[], object]) -> Callable[[], None]:
    """Makes a change in a project whose training reads the table of images, for rare classes."""

    def make() -> None:
        set_params({"train.rare_class_temperature": 0.1})
        change()

    return make


SHARDS = (
    Case(
        "cut short",
        partial(cut, TRAIN_SHARD),
        TRAIN,
        "data/shards/trainval/a/camvid-train.tfrecord-00000-of-00001: cut short or "
        "damaged; run the shard stage again",
    ),
    Case(
        "a flipped bit in an image",
        partial(flip, TRAIN_SHARD, 2000),
        TRAIN,
        "data/shards/trainval/a/camvid-train.tfrecord-00000-of-00001: a record is "
        "damaged (…); run the shard stage again",
    ),
    Case(
        "a flipped bit in a validation image",
        partial(flip, VAL_SHARD, 2000),
        TRAIN,
        "data/shards/trainval/a/camvid-val.tfrecord-00000-of-00001: a record is "
        "damaged (…); run the shard stage again",
    ),
    Case(
        "a flipped bit in a record's length",
        partial(flip, TRAIN_SHARD, 0),
        TRAIN,
        "data/shards/trainval/a/camvid-train.tfrecord-00000-of-00001: cut short or "
        "damaged; run the shard stage again",
    ),
    Case(
        "missing",
        TRAIN_SHARD.unlink,
        TRAIN,
        "data/shards/trainval/a/camvid-train.tfrecord-00000-of-00001: missing; run the "
        "shard stage again",
    ),
    Case(
        "empty",
        partial(TRAIN_SHARD.write_bytes, b""),
        TRAIN,
        "data/shards/trainval/a/camvid-train.tfrecord-00000-of-00001: 0 records, "
        "expected 4; run the shard stage again",
    ),
    Case(
        "no folder",
        lambda: shutil.rmtree(TRAINVAL),
        TRAIN,
        "data/shards/trainval/a: not a folder of shards (…); run the shard stage again",
    ),
    Case(
        "the table of images cut short",
        with_table(partial(cut, TRAINVAL / "images.csv", 10)),
        TRAIN,
        "data/shards/trainval/a/images.csv: damaged in line 7 (…); run the shard stage again",
    ),
    Case(
        "a flipped bit in a test image",
        partial(flip, TEST_SHARD, 2000),
        EVALUATE,
        "data/shards/test/a/camvid-test.tfrecord-00000-of-00001: a record is damaged "
        "(…); run the shard stage again",
    ),
    Case(
        "a record too many",
        append_record,
        EVALUATE,
        "data/shards/test/a/camvid-test.tfrecord-00000-of-00001: 3 records, expected "
        "2; run the shard stage again",
    ),
    Case(
        "dataset_info.json cut short",
        partial(cut, TEST / "dataset_info.json"),
        EVALUATE,
        "data/shards/test/a: not a folder of shards (…); run the shard stage again",
    ),
    Case(
        "features.json missing",
        (TEST / "features.json").unlink,
        EVALUATE,
        "data/shards/test/a: not a folder of shards (…); run the shard stage again",
    ),
    Case(
        "another taxonomy than the other data set's",
        other_taxonomy,
        (("remap", "target"), ("shard", "target"), *EVALUATE),
        "data/shards/test/target: labels in taxonomy 'driving7', those of "
        "data/shards/test/a in 'driving11'; run the remap and shard stages again",
    ),
)


def save_model(encoder: Encoder, taxonomy: str, file: Path = MODEL) -> None:
    from roadshift.networks.build import build_network
    from roadshift.networks.files import save_network
    from roadshift.networks.settings import InferenceSettings, ModelSettings
    from roadshift.taxonomy import load_taxonomy

    settings = ModelSettings(encoder=encoder, weights="none", base_filters=4, decoder_channels=8)
    names = load_taxonomy(taxonomy).class_names
    network = build_network(settings, names, taxonomy=taxonomy)
    save_network(network, file, InferenceSettings(max_height=384))


def foreign_model(code: bool = False) -> None:
    import keras

    inputs = keras.Input((None, None, 3))
    layer = keras.layers.Lambda(lambda x: x) if code else keras.layers.Conv2D(11, 1)
    keras.Model(inputs, layer(inputs)).save(READY)


def change_settings(content: bytes | None) -> None:
    """Replaces the inference settings in the file of the network, or removes them."""
    with zipfile.ZipFile(READY) as file:
        members = {name: file.read(name) for name in file.namelist()}
    metadata = json.loads(members["metadata.json"])
    del metadata["inference"]
    if content is not None:
        metadata["inference"] = json.loads(content)
    with zipfile.ZipFile(READY, "w") as file:
        for name, kept in members.items():
            file.writestr(name, json.dumps(metadata) if name == "metadata.json" else kept)


def flip_weight() -> None:
    with zipfile.ZipFile(MODEL) as file:
        member = file.getinfo("model.weights.h5")
    flip(MODEL, member.header_offset + member.file_size // 2)


def start_from(make: Callable[[Path], object]) -> Callable[[], None]:
    """Makes a training start from the weights of a file."""

    def changed() -> None:
        set_params({"model.weights": "first.keras"})
        make(Path("first.keras"))

    return changed


MODELS = (
    Case(
        "missing",
        MODEL.unlink,
        EVALUATE,
        "models/trained/a/model.keras: there is no such file: train the network first",
    ),
    Case(
        "cut short",
        partial(cut, MODEL),
        EVALUATE,
        "models/trained/a/model.keras: not a whole .keras file (…); get it anew, or train it again",
    ),
    Case(
        "a flipped bit in a weight",
        flip_weight,
        EVALUATE,
        "models/trained/a/model.keras: not a whole .keras file (model.weights.h5 is damaged); "
        "get it anew, or train it again",
    ),
    Case(
        "another taxonomy",
        lambda: save_model("unet", "driving7"),
        EVALUATE,
        "models/trained/a/model.keras: trained for taxonomy 'driving7' (7 classes), the data "
        "are labelled in 'driving11' (11); train it again",
    ),
    Case(
        "a file that is not a network",
        partial(MODEL.write_bytes, b"PK but not a zip"),
        EVALUATE,
        "models/trained/a/model.keras: not a whole .keras file (…); get it anew, or train it again",
    ),
    Case(
        "no history.json",
        HISTORY.unlink,
        EVALUATE,
        "models/trained/a/history.json: does not say which target images training was given "
        "(…); train the network again",
    ),
    Case(
        "history.json cut short",
        partial(cut, HISTORY, 5),
        EVALUATE,
        "models/trained/a/history.json: does not say which target images training was given "
        "(…); train the network again",
    ),
    Case(
        "a Keras model that roadshift did not write",
        foreign_model,
        PREDICT,
        "models/a.keras: a Keras model, but not one that roadshift wrote",
    ),
    Case(
        "no inference settings",
        partial(change_settings, None),
        PREDICT,
        "models/a.keras: has no inference settings; give --max-height, the data.max_height of its "
        "training",
    ),
    Case(
        "inference settings out of range",
        partial(change_settings, b'{"max_height": -384}'),
        PREDICT,
        "models/a.keras: its inference settings are damaged (max_height: input should be greater "
        "than or equal to 0, not -384); get it anew, or train it again",
    ),
    Case(
        "a Keras model that holds code",
        lambda: foreign_model(code=True),
        PREDICT,
        "models/a.keras: holds code, which is not run; use a network that roadshift wrote",
    ),
    Case(
        "cut short",
        partial(cut, READY),
        PREDICT,
        "models/a.keras: not a whole .keras file (…); get it anew, or train it again",
    ),
    Case(
        "cut short",
        partial(cut, READY),
        EXPORT,
        "models/a.keras: not a whole .keras file (…); get it anew, or train it again",
    ),
    Case(
        "a taxonomy that is too fine for the labels",
        bool,
        (("roadshift", "evaluate", str(READY), "data/raw/a", "--card", "idd_lite"),),
        "idd_lite: labels too coarse for the taxonomy 'driving11': 'non_drivable' "
        "straddles …; choose another data.taxonomy (binary, driving7) or another set, or give "
        "--partial-labels",
    ),
    Case(
        "another taxonomy",
        lambda: save_model("unet", "driving7", READY),
        SCORE,
        works="it is scored, with labels in its own taxonomy",
    ),
    Case(
        "initial weights of another encoder",
        start_from(lambda file: save_model("mobilenet_v2", "driving11", file)),
        TRAIN,
        "first.keras: its encoder is not unet (they differ in "
        "encoder_level0_convolution0): set model.encoder=mobilenet_v2, or "
        "model.weights to another file",
    ),
    Case(
        "initial weights cut short",
        start_from(lambda file: file.write_bytes(MODEL.read_bytes()[:-400])),
        TRAIN,
        "first.keras: not a whole .keras file (…); get it anew, or train it again",
    ),
    Case(
        "initial weights missing",
        start_from(bool),
        TRAIN,
        "model.weights is first.keras, but there is no such file: set imagenet, none, or the path "
        "of a file",
    ),
)
