from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from roadshift.errors import RoadshiftError
from roadshift.input_pipeline.index import index_images
from roadshift.records.reader import examples, open_shards
from roadshift.records.subset import draw_ids, write_subset
from roadshift.records.writer import write_shards
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")


@pytest.fixture(scope="module")
def shards(tmp_path_factory, toy_samples):
    root = tmp_path_factory.mktemp("subset")
    samples = toy_samples(root, {"train": 9, "val": 2, "test": 3})
    (root / "shards").mkdir()
    write_shards(
        samples,
        ("train", "val"),
        images=root / "images",
        labels=root / "labels",
        taxonomy=TAXONOMY,
        dataset="toys",
        shard_megabytes=1,
        folder=root / "shards",
    )
    return open_shards(root / "shards")


def subset(shards, folder, labelled=True, **wanted):
    folder.mkdir()
    write_subset(shards, wanted, labelled=labelled, shard_megabytes=1, folder=folder)
    return open_shards(folder)


def test_a_smaller_draw_is_part_of_a_larger_one_and_the_seed_chooses(shards):
    few, more = (
        draw_ids(shards, "train", number=2, seed=0),
        draw_ids(shards, "train", number=5, seed=0),
    )
    assert {*few} < {*more}
    assert (len(few), len(more)) == (2, 5)
    draws = {tuple(draw_ids(shards, "train", number=3, seed=seed)) for seed in range(6)}
    assert len(draws) > 1


def test_more_than_there_are_is_refused_with_both_numbers(shards):
    with pytest.raises(RoadshiftError, match=r"10 images .* 'toys', which has only 9;"):
        draw_ids(shards, "train", number=10, seed=0)


def test_a_copy_holds_the_same_images_and_nothing_else(shards, tmp_path):
    ids = draw_ids(shards, "train", number=4, seed=0)
    copy = subset(shards, tmp_path / "copy", train=ids, val=["s009", "s010"])
    originals = {e.id: e for e in (*examples(shards, "train"), *examples(shards, "val"))}
    found = [*examples(copy, "train"), *examples(copy, "val")]
    assert sorted(e.id for e in found) == sorted([*ids, "s009", "s010"])
    for example in found:
        original = originals[example.id]
        np.testing.assert_array_equal(example.image, original.image)
        np.testing.assert_array_equal(example.label, original.label)
        assert example.group == original.group
    shown = np.stack([np.bincount(e.label.ravel(), minlength=256)[:11] for e in found[:4]])
    assert copy.pixels["train"] == shown.sum(0).tolist()
    assert index_images(copy, "train").ids.tolist() == ids
    assert len(tfds.builder_from_directory(str(copy.folder)).as_dataset(split="train")) == 4


def test_without_labels_not_one_pixel_of_them_is_left(shards, tmp_path):
    copy = subset(
        shards, tmp_path / "copy", labelled=False, train=draw_ids(shards, "train", number=9, seed=0)
    )
    found = {e.id: e for e in examples(copy, "train")}
    for original in examples(shards, "train"):
        np.testing.assert_array_equal(found[original.id].image, original.image)
        assert found[original.id].label.shape == original.label.shape
        assert {*np.unique(found[original.id].label)} == {255}
    assert copy.pixels["train"] == [0] * 11


def test_the_same_bytes_every_time(shards, tmp_path):
    for labelled in (True, False):
        one, other = (
            subset(shards, tmp_path / f"{labelled}{k}", labelled, train=["s001", "s004"])
            for k in range(2)
        )
        files = sorted(f.name for f in one.folder.iterdir())
        assert files == sorted(f.name for f in other.folder.iterdir())
        for name in files:
            assert (one.folder / name).read_bytes() == (other.folder / name).read_bytes()


def test_a_damaged_record_is_named_by_its_file(shards, tmp_path):
    copy = subset(shards, tmp_path / "copy", train=["s001", "s004"])
    (file,) = copy.files("train")
    content = bytearray(Path(file).read_bytes())
    content[-20] ^= 1
    Path(file).write_bytes(content)
    with pytest.raises(RoadshiftError, match=r"tfrecord-00000-of-00001: a record is damaged"):
        subset(copy, tmp_path / "again", train=["s001", "s004"])
