"""Manifests, shards and networks that were damaged, edited or mixed up."""

import csv
import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from roadshift.networks.settings import Encoder
from tests.bad_input.archives import flip
from tests.bad_input.pictures import cut
from tests.bad_input.project import Case, set_params

REMAPPED = Path("data/remapped/a")
MANIFEST = REMAPPED / "manifest.csv"
TRAINVAL, TEST = Path("data/shards/a/trainval"), Path("data/shards/a/test")
TRAIN_SHARD = TRAINVAL / "camvid-train.tfrecord-00000-of-00001"
VAL_SHARD = TRAINVAL / "camvid-val.tfrecord-00000-of-00001"
TEST_SHARD = TEST / "camvid-test.tfrecord-00000-of-00001"
MODEL = Path("models/a/model.keras")
HISTORY = MODEL.with_name("history.json")
Row = dict[str, str]

SHARD = (("shard", "a"),)
TRAIN = (("train", "a"),)
EVALUATE = (("evaluate", "a"),)
PREDICT = (("roadshift", "predict", str(MODEL), "data/own/images/000.png"),)
EXPORT = (("roadshift", "export", str(MODEL), "--to", "savedmodel"),)
SCORE = (("roadshift", "evaluate", str(MODEL), "data/raw/a", "--card", "camvid"),)


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
        "data/remapped/a/manifest.csv, line 3: 'trian' is no split; did you mean "
        "'train'?; run the remap stage again",
    ),
    Case(
        "a picture outside of the folder",
        set_cell("image", "../../../secret.png"),
        SHARD,
        "data/remapped/a/manifest.csv, line 3: '../../../secret.png' is no path within "
        "its folder; run the remap stage again",
    ),
    Case(
        "a picture that is not there",
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
        "'0001TP_007': picture (64, 40), label (64, 40) and manifest (65, 40) differ "
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
    """Its first record once more."""
    content = TEST_SHARD.read_bytes()
    length = int.from_bytes(content[:8], "little") + 16
    TEST_SHARD.write_bytes(content + content[:length])


def other_taxonomy() -> None:
    set_params({"data.taxonomy": "driving7"})


def with_table(change: Callable[[], object]) -> Callable[[], None]:
    """Where the table beside the shards is read: to draw pictures by rare classes."""

    def make() -> None:
        set_params({"train.rare_class_temperature": 0.1})
        change()

    return make


SHARDS = (
    Case(
        "cut short",
        partial(cut, TRAIN_SHARD),
        TRAIN,
        "data/shards/a/trainval/camvid-train.tfrecord-00000-of-00001: cut short or "
        "damaged; run the shard stage again",
    ),
    Case(
        "a flipped bit in a picture",
        partial(flip, TRAIN_SHARD, 2000),
        TRAIN,
        "data/shards/a/trainval/camvid-train.tfrecord-00000-of-00001: a record is "
        "damaged (…); run the shard stage again",
    ),
    Case(
        "a flipped bit in a validation picture",
        partial(flip, VAL_SHARD, 2000),
        TRAIN,
        "data/shards/a/trainval/camvid-val.tfrecord-00000-of-00001: a record is "
        "damaged (…); run the shard stage again",
    ),
    Case(
        "a flipped bit in a record's length",
        partial(flip, TRAIN_SHARD, 0),
        TRAIN,
        "data/shards/a/trainval/camvid-train.tfrecord-00000-of-00001: cut short or "
        "damaged; run the shard stage again",
    ),
    Case(
        "missing",
        TRAIN_SHARD.unlink,
        TRAIN,
        "data/shards/a/trainval/camvid-train.tfrecord-00000-of-00001: missing; run the "
        "shard stage again",
    ),
    Case(
        "empty",
        partial(TRAIN_SHARD.write_bytes, b""),
        TRAIN,
        "data/shards/a/trainval/camvid-train.tfrecord-00000-of-00001: 0 records, "
        "expected 4; run the shard stage again",
    ),
    Case(
        "no folder",
        lambda: shutil.rmtree(TRAINVAL),
        TRAIN,
        "data/shards/a/trainval: not a folder of shards (…); run the shard stage again",
    ),
    Case(
        "the table of pictures cut short",
        with_table(partial(cut, TRAINVAL / "pictures.csv", 10)),
        TRAIN,
        "data/shards/a/trainval/pictures.csv: damaged in line 7 (…); run the shard stage again",
    ),
    Case(
        "a flipped bit in a test picture",
        partial(flip, TEST_SHARD, 2000),
        EVALUATE,
        "data/shards/a/test/camvid-test.tfrecord-00000-of-00001: a record is damaged "
        "(…); run the shard stage again",
    ),
    Case(
        "a record too many",
        append_record,
        EVALUATE,
        "data/shards/a/test/camvid-test.tfrecord-00000-of-00001: 3 records, expected "
        "2; run the shard stage again",
    ),
    Case(
        "dataset_info.json cut short",
        partial(cut, TEST / "dataset_info.json"),
        EVALUATE,
        "data/shards/a/test: not a folder of shards (…); run the shard stage again",
    ),
    Case(
        "features.json missing",
        (TEST / "features.json").unlink,
        EVALUATE,
        "data/shards/a/test: not a folder of shards (…); run the shard stage again",
    ),
    Case(
        "of another taxonomy than the other set's",
        other_taxonomy,
        (("remap", "target"), ("shard", "target"), *EVALUATE),
        "data/shards/target/test: labels in taxonomy 'driving7', those of "
        "data/shards/a/test in 'driving11'; run the remap and shard stages again",
    ),
)


def save_model(encoder: Encoder, taxonomy: str, file: Path = MODEL) -> None:
    from roadshift.networks.files import save_network
    from roadshift.networks.network import build_network
    from roadshift.networks.settings import ModelSettings
    from roadshift.taxonomy import load_taxonomy

    settings = ModelSettings(encoder=encoder, weights="none", base_filters=4, decoder_channels=8)
    names = load_taxonomy(taxonomy).class_names
    save_network(build_network(settings, names, taxonomy=taxonomy), file)


def foreign_model(code: bool = False) -> None:
    import keras

    inputs = keras.Input((None, None, 3))
    layer = keras.layers.Lambda(lambda x: x) if code else keras.layers.Conv2D(11, 1)
    keras.Model(inputs, layer(inputs)).save(MODEL)


def flip_weight() -> None:
    with zipfile.ZipFile(MODEL) as file:
        member = file.getinfo("model.weights.h5")
    flip(MODEL, member.header_offset + member.file_size // 2)


def start_from(make: Callable[[Path], object]) -> Callable[[], None]:
    """A training that starts from the weights of a file."""

    def changed() -> None:
        set_params({"model.weights": "first.keras"})
        make(Path("first.keras"))

    return changed


MODELS = (
    Case(
        "missing",
        MODEL.unlink,
        EVALUATE,
        "models/a/model.keras: there is no such file: train the network first",
    ),
    Case(
        "cut short",
        partial(cut, MODEL),
        EVALUATE,
        "models/a/model.keras: not a whole .keras file (…); get it anew, or train it again",
    ),
    Case(
        "a flipped bit in a weight",
        flip_weight,
        EVALUATE,
        "models/a/model.keras: not a whole .keras file (model.weights.h5 is damaged); "
        "get it anew, or train it again",
    ),
    Case(
        "of another taxonomy",
        lambda: save_model("unet", "driving7"),
        EVALUATE,
        "models/a/model.keras: trained for taxonomy 'driving7' (7 classes), the data "
        "are labelled in 'driving11' (11); train it again",
    ),
    Case(
        "not Keras",
        partial(MODEL.write_bytes, b"PK but not a zip"),
        EVALUATE,
        "models/a/model.keras: not a whole .keras file (…); get it anew, or train it again",
    ),
    Case(
        "without its history.json",
        HISTORY.unlink,
        EVALUATE,
        "models/a/history.json: does not say which pictures of the target training was given (…); "
        "train the network again",
    ),
    Case(
        "its history.json cut short",
        partial(cut, HISTORY, 5),
        EVALUATE,
        "models/a/history.json: does not say which pictures of the target training was given (…); "
        "train the network again",
    ),
    Case(
        "Keras, but of somebody else",
        foreign_model,
        PREDICT,
        "models/a/model.keras: a Keras model, but not one that roadshift wrote",
    ),
    Case(
        "with code in it",
        lambda: foreign_model(code=True),
        PREDICT,
        "models/a/model.keras: holds code, which is not run; use a network that roadshift wrote",
    ),
    Case(
        "cut short",
        partial(cut, MODEL),
        PREDICT,
        "models/a/model.keras: not a whole .keras file (…); get it anew, or train it again",
    ),
    Case(
        "cut short",
        partial(cut, MODEL),
        EXPORT,
        "models/a/model.keras: not a whole .keras file (…); get it anew, or train it again",
    ),
    Case(
        "of a taxonomy too fine for the labels",
        bool,
        (("roadshift", "evaluate", str(MODEL), "data/raw/a", "--card", "idd_lite"),),
        "idd_lite: labels too coarse for the taxonomy 'driving11': 'non_drivable' "
        "straddles …; choose another data.taxonomy (binary, driving7) or another set",
    ),
    Case(
        "of another taxonomy",
        lambda: save_model("unet", "driving7"),
        SCORE,
        works="its scores, the labels in the network's own taxonomy",
    ),
    Case(
        "first weights of another encoder",
        start_from(lambda file: save_model("mobilenet_v2", "driving11", file)),
        TRAIN,
        "first.keras: its encoder is not unet (they differ in "
        "encoder_level0_convolution0): set model.encoder=mobilenet_v2, or "
        "model.weights to another file",
    ),
    Case(
        "first weights cut short",
        start_from(lambda file: file.write_bytes(MODEL.read_bytes()[:-400])),
        TRAIN,
        "first.keras: not a whole .keras file (…); get it anew, or train it again",
    ),
    Case(
        "first weights missing",
        start_from(bool),
        TRAIN,
        "model.weights is first.keras, which is no file: give imagenet, none, or the path of one",
    ),
)
