"""Shards with partial labels, and what reads them."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from roadshift.errors import RoadshiftError
from roadshift.input_pipeline.index import index_images
from roadshift.input_pipeline.sampling import rare_class_draw
from roadshift.records.reader import all_partial_labels, examples, open_shards
from roadshift.records.subset import write_subset
from roadshift.records.writer import write_shards
from roadshift.taxonomy import PartialLabel, load_taxonomy
from roadshift.training.data import TrainingData

TAXONOMY = load_taxonomy("driving11")
BUILDING, VEGETATION, SKY, PERSON, TWO_WHEELER = 2, 6, 7, 8, 10
FAR, LIVING = 13, 14
"""Label ids: building or vegetation, person or two_wheeler."""


def write(samples, source, folder, splits=("train", "val")):
    folder.mkdir(parents=True)
    write_shards(
        samples,
        splits,
        images=source / "images",
        labels=source / "labels",
        taxonomy=TAXONOMY,
        dataset="toy",
        shard_megabytes=1,
        folder=folder,
    )
    return folder


@pytest.fixture
def make(tmp_path, toy_samples):
    """(label ids by number of the sample, name) -> shards; each label is of one id alone."""

    def made(ids, name="partial", val=0):
        source = tmp_path / f"{name}-source"
        samples = toy_samples(source, {"train": len(ids) - val, "val": val})
        for sample, label_id in zip(samples, ids, strict=True):
            pixels = np.full((24, 40), label_id, np.uint8)
            pixels[0] = 255
            Image.fromarray(pixels).save(source / "labels" / sample.label)
        return open_shards(write(samples, source, tmp_path / name))

    return made


PIXELS = 23 * 40
"""Labelled pixels of a sample."""


def test_a_label_has_partial_ids_and_tfds_reads_them_back(make):
    shards = make([SKY, FAR, LIVING])
    found = {int(e.label[1, 0]) for e in examples(shards, "train")}
    assert found == {SKY, FAR, LIVING}
    dataset = tfds.builder_from_directory(str(shards.folder)).as_dataset(split="train")
    assert {int(e["label"][1, 0, 0]) for e in tfds.as_numpy(dataset)} == found


def test_metadata_and_table_name_the_partial_labels_that_occur_and_their_classes(make):
    shards = make([SKY, FAR, LIVING, FAR], val=1)
    assert shards.class_names == TAXONOMY.class_names
    assert shards.partial_labels == tuple(
        each for each in TAXONOMY.partial_labels if each.id in (FAR, LIVING)
    )
    assert shards.label_names[11:] == ("building or vegetation", "person or two_wheeler")
    metadata = json.loads((shards.folder / "metadata.json").read_text("utf-8"))
    assert metadata["partial_labels"] == {
        "13": ["building", "vegetation"], "14": ["person", "two_wheeler"],
    }  # fmt: skip
    header = (shards.folder / "images.csv").read_text("utf-8").splitlines()[0].split(",")
    assert header == ["split", "id", *shards.label_names]
    assert shards.pixels["train"][11:] == [PIXELS, PIXELS]
    assert shards.pixels["val"][11:] == [PIXELS, 0]


def test_exact_labels_alone_leave_no_trace_of_partial_ones(make):
    shards = make([SKY, PERSON])
    assert shards.partial_labels == ()
    metadata = json.loads((shards.folder / "metadata.json").read_text("utf-8"))
    assert metadata.keys() == {"taxonomy", "pixels"}
    assert len(shards.pixels["train"]) == 11
    header = (shards.folder / "images.csv").read_text("utf-8").splitlines()[0].split(",")
    assert header == ["split", "id", *TAXONOMY.class_names]
    assert index_images(shards, "train").pixels.dtype == np.int64


def test_the_index_counts_a_partial_pixel_by_its_share(make):
    shards = make([SKY, FAR, LIVING])
    index = index_images(shards, "train")
    expected = np.zeros((3, 11))
    expected[0, SKY] = PIXELS
    expected[1, [BUILDING, VEGETATION]] = PIXELS / 2
    expected[2, [PERSON, TWO_WHEELER]] = PIXELS / 2
    np.testing.assert_array_equal(index.pixels, expected)


def test_rare_class_sampling_draws_images_of_partial_labels(make):
    index = index_images(make([SKY, SKY, SKY, LIVING]), "train")
    draw = rare_class_draw(index, 0.01)
    draws = np.random.default_rng(0).uniform(0, 1, (200, 2)).astype(np.float32)
    drawn = [int(draw(tf.constant(each))) for each in draws]
    # Shares are 3/4 for sky and 1/8 for each of the two: they are drawn, sky is not.
    assert {*drawn} == {3}


def test_a_training_counts_partial_pixels_by_their_share_and_exact_ones_as_they_are(make):
    exact, partial = make([SKY, PERSON], "exact"), make([SKY, LIVING])
    data = TrainingData(sources={"a": exact, "b": partial}, shares={"a": 1, "b": 1})
    first, second = data.pixels
    assert first == exact.pixels["train"]
    assert all(isinstance(value, int) for value in first)
    assert second[PERSON] == second[TWO_WHEELER] == PIXELS / 2
    assert data.partial_labels == partial.partial_labels


def test_a_subset_keeps_partial_labels_and_without_labels_has_none(make, tmp_path):
    shards = make([SKY, FAR, LIVING])
    wanted = {"train": ["s000", "s001"]}
    for labelled, expected in ((True, (FAR,)), (False, ())):
        folder = tmp_path / f"subset-{labelled}"
        folder.mkdir()
        write_subset(shards, wanted, labelled=labelled, shard_megabytes=1, folder=folder)
        subset = open_shards(folder)
        assert tuple(each.id for each in subset.partial_labels) == expected
        index = index_images(subset, "train")
        assert index.pixels[:, BUILDING].tolist() == ([0, PIXELS / 2] if labelled else [0, 0])


def test_an_id_that_stands_for_other_classes_elsewhere_is_refused(make):
    shards = make([SKY, FAR])
    other = PartialLabel.of(FAR, (0, 1), TAXONOMY.class_names)
    stale = type(shards)(**{**vars(shards), "partial_labels": (other,)})
    assert all_partial_labels([shards, shards]) == shards.partial_labels
    with pytest.raises(RoadshiftError, match=r"label id 13 is 'road or sidewalk'.* run the remap"):
        all_partial_labels([shards, stale])


@pytest.mark.parametrize("damage", [{"13": ["building", "tree"]}, {"x": ["sky"]}, ["sky"]])
def test_damaged_metadata_of_partial_labels_are_refused(make, damage):
    shards = make([SKY, FAR])
    file = shards.folder / "metadata.json"
    content = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**content, "partial_labels": damage}), "utf-8")
    with pytest.raises(RoadshiftError, match="not a folder of shards"):
        open_shards(shards.folder)
