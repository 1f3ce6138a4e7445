"""TFDS's own builders, on miniatures of what their publishers hand out."""

import subprocess
import sys
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from roadshift.datasets.card import TfdsSource, load_card
from roadshift.datasets.images import read_label
from roadshift.datasets.remap import remap_set
from roadshift.datasets.samples import read_manifest
from roadshift.datasets.splits import SplitConfig
from roadshift.download.tfds_export import export_set
from roadshift.errors import RoadshiftError
from roadshift.taxonomy import load_taxonomy

# TFDS states the size of these sets' images, and encodes no others.
HEIGHT, WIDTH = 1024, 2048
CITIES = ("aachen", "bochum", "ulm")


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    """The folder that TFDS_DATA_DIR names, which TFDS reads when it is imported."""
    folder = tmp_path / "tfds"
    folder.mkdir()
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(folder))
    return folder


def striped(ids):
    """A label of equal stripes of the ids."""
    return np.repeat(np.array(ids, np.uint8), WIDTH // len(ids))[np.newaxis].repeat(HEIGHT, 0)


def write(file, array):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(file, compress_level=1)


@pytest.fixture
def cityscapes_zips(data_dir, tmp_path):
    """The two archives that a user of TFDS fetches by hand, put where TFDS wants them."""
    files = tmp_path / "files"
    images = [("train", city, n) for city in CITIES for n in range(2)]
    for split, city, n in [*images, ("val", "lindau", 0), ("test", "berlin", 0)]:
        name = f"{split}/{city}/{city}_{n:06}_000019"
        write(
            files / f"leftImg8bit/{name}_leftImg8bit.png", np.full((HEIGHT, WIDTH, 3), 9, np.uint8)
        )
        ids = (7, 21, 26, 0) if split != "test" else (0, 0)
        write(files / f"gtFine/{name}_gtFine_labelIds.png", striped(ids))
    manual = data_dir / "downloads/manual"
    manual.mkdir(parents=True)
    for root in ("leftImg8bit", "gtFine"):
        with zipfile.ZipFile(manual / f"{root}_trainvaltest.zip", "w") as archive:
            for file in sorted((files / root).rglob("*.png")):
                archive.write(file, file.relative_to(files))
    return manual


def export(name, raw):
    card = load_card(name)
    assert card.tfds is not None
    export_set(card.tfds, card.splits.published, raw)


def remapped(name, raw, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    split_config = SplitConfig(by="official", seed=0, val=0.1, test=0.3)
    taxonomy = load_taxonomy("driving11")
    remap_set(
        load_card(name),
        raw=raw,
        taxonomy=taxonomy,
        split_config=split_config,
        folder=out,
        audit_file=out / "audit.csv",
        processes=1,
    )
    return read_manifest(out / "manifest.csv"), out


def test_cityscapes_from_its_zips_by_the_builder_of_tfds(data_dir, cityscapes_zips, tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    export("tfds_cityscapes", raw)
    assert len(list(raw.rglob("*.png"))) == 2 * 7
    samples, out = remapped("tfds_cityscapes", raw, tmp_path)
    assert {(s.group, s.split) for s in samples if s.group == "lindau"} == {("lindau", "test")}
    assert len({(s.group, s.split) for s in samples}) == len({s.group for s in samples}) == 4
    assert {s.split for s in samples} == {"train", "val", "test"}
    # road, vegetation, vehicle and ignored, in stripes of a quarter each
    for sample in samples:
        with Image.open(out / sample.label) as label:
            assert (np.asarray(label) == striped((0, 6, 9, 255))).all()


def test_what_a_user_has_to_fetch_is_told_in_three_lines(data_dir, tmp_path):
    with pytest.raises(RoadshiftError) as caught:
        export("tfds_cityscapes", tmp_path)
    what, files, place = str(caught.value).splitlines()
    assert what == "TFDS cannot download 'cityscapes/semantic_segmentation' automatically."
    assert "'leftImg8bit_trainvaltest.zip' and 'gtFine_trainvaltest.zip'" in files
    assert "https://www.cityscapes-dataset.com" in files
    assert place.startswith(f"  put into: {data_dir}/downloads/manual ")


def test_one_of_the_archives_is_missing(cityscapes_zips, tmp_path):
    (cityscapes_zips / "gtFine_trainvaltest.zip").unlink()
    with pytest.raises(RoadshiftError, match="cannot download 'cityscapes") as caught:
        export("tfds_cityscapes", tmp_path)
    assert len(str(caught.value).splitlines()) == 3


def test_lost_and_found_with_the_features_of_tfds(data_dir, tmp_path):
    # Its builder fetches by itself, from where no test may go: only the files are ours.
    builder = tfds.builder("lost_and_found/semantic_segmentation")
    builder.data_path.mkdir(parents=True)
    writer = tfds.core.SequentialWriter(builder.info, max_examples_per_shard=10)
    writer.initialize_splits(["train", "test"])
    image = np.full((HEIGHT, WIDTH, 3), 9, np.uint8)
    places = {"train": [f"{n:02}_Street_{n}" for n in range(4)], "test": ["15_Rechbergstr"]}
    for split, streets in places.items():
        for street in streets:
            label = striped((0, 1, 2, 43))[..., np.newaxis]
            name = f"{street}_000001_000080"
            example = {"image_id": name, "image_left": image, "segmentation_label": label}
            writer.add_examples({split: [example]})
    writer.close_all()
    export("tfds_lost_and_found", tmp_path)
    samples, out = remapped("tfds_lost_and_found", tmp_path, tmp_path)
    assert {s.group for s in samples if s.split == "test"} == {"15_Rechbergstr"}
    assert [s.split for s in samples].count("val") == 1
    for sample in samples:
        with Image.open(out / sample.label) as written:
            assert (np.asarray(written) == striped((255, 0, 255, 8))).all()


@pytest.fixture
def my_streets(data_dir):
    """Stores a set under the name that the card tfds.yaml has."""

    def store(examples, **features):
        keyed = list(enumerate(examples))
        image = tfds.features.Image(shape=(None, None, 3))
        label = tfds.features.Image(shape=(None, None, 1))
        tfds.dataset_builders.store_as_tfds_dataset(
            name="my_streets",
            version="1.0.0",
            features=tfds.features.FeaturesDict({"image": image, "label": label, **features}),
            split_datasets={"train": keyed, "validation": keyed[:1], "test": keyed[:1]},
            data_dir=data_dir,
        )

    return store


def examples(number, height=4, width=6):
    random = np.random.default_rng(0)
    sizes = [(height + n, width) for n in range(number)]
    images = [random.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    return [
        {"image": image, "label": np.full((*image.shape[:2], 1), 7, np.uint8)} for image in images
    ]


def test_any_set_is_exported_as_it_is_and_in_the_same_order(my_streets, tmp_path):
    my_streets(examples(3))
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        export("tfds", tmp_path / place)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.png"))
    assert [f.as_posix() for f in files if "labels/train" in f.as_posix()] == [
        f"labels/train/train_{n:06}.png" for n in range(3)
    ]
    assert len(files) == 2 * 5
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    found = set()
    for file in (tmp_path / "one/images/train").iterdir():
        with Image.open(file) as image:
            found.add(np.asarray(image).tobytes())
    assert found == {example["image"].tobytes() for example in examples(3)}
    samples, out = remapped("tfds", tmp_path / "one", tmp_path)
    assert [s.split for s in samples].count("train") == 3
    with Image.open(out / samples[0].label) as label:
        assert np.unique(np.asarray(label)).tolist() == [0]


def test_labels_of_sixteen_bits_stay_so(my_streets, tmp_path):
    label = tfds.features.Image(shape=(None, None, 1), dtype=np.uint16, encoding_format="png")
    ids = np.array([[[0], [300]], [[65535], [7]]], np.uint16)
    my_streets([{"image": np.zeros((2, 2, 3), np.uint8), "label": ids}], label=label)
    export("tfds", tmp_path)
    found = read_label(tmp_path / "labels/train/train_000000.png", "grey16")
    assert found.tolist() == ids[..., 0].tolist()


@pytest.mark.parametrize(
    ("changes", "splits", "message"),
    [
        ({"name": "my_street"}, None, "TFDS has no set 'my_street', and none is prepared"),
        ({"name": "cityscapes/fine"}, None, "TFDS set 'cityscapes/fine': "),
        ({"label": "lable"}, None, "has no feature 'lable'; did you mean 'label'"),
        ({}, ["trian"], "has no split 'trian'; did you mean 'train'"),
        ({"label": "depth"}, None, r"'depth' has shape \(4, 6, 1\) of float32; expected"),
        ({"image": "name"}, None, r"'name' has shape \(\) of string; expected \(height"),
        ({"id": "name"}, ["train"], "'../a' is not usable as a file name; remove tfds.id"),
        ({"id": "number"}, ["train"], "two images have the id '3'"),
    ],
)
def test_a_card_that_does_not_fit_its_set(my_streets, tmp_path, changes, splits, message):
    depth = np.zeros((4, 6, 1), np.float32)
    more = {"name": "../a", "number": 3, "depth": depth}
    my_streets(
        [{**example, **more} for example in examples(1) * 2],
        name=tfds.features.Text(),
        number=tfds.features.Scalar(np.int64),
        depth=tfds.features.Tensor(shape=(4, 6, 1), dtype=np.float32),
    )
    source = TfdsSource(**{"name": "my_streets", "image": "image", "label": "label", **changes})
    with pytest.raises(RoadshiftError, match=message) as caught:
        export_set(source, splits, tmp_path)
    assert "\n" not in str(caught.value)


def test_only_a_set_of_tfds_imports_tensorflow():
    code = (
        "import sys, stages.download, stages.remap, stages.validate_params;"
        "assert not {'tensorflow', 'tensorflow_datasets'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
