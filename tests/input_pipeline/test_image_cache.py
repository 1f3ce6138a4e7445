import gc

import numpy as np
import pytest
import tensorflow as tf

from roadshift.errors import RoadshiftError
from roadshift.inference.resizing import limit_height
from roadshift.input_pipeline.image_cache import CACHE_BYTES, CACHE_VARIABLE, open_train_images
from roadshift.input_pipeline.index import join
from roadshift.records.reader import examples, open_shards
from roadshift.records.writer import write_shards
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")
BYTES = (5 + 3) * 24 * 40 * 4
"""Size of all training images and their labels, decoded."""


@pytest.fixture(scope="module")
def sets(tmp_path_factory, toy_samples):
    """Shards of five training images, of three, and of none."""
    root = tmp_path_factory.mktemp("images")
    made = []
    for name, splits in (("a", {"train": 5, "val": 2}), ("b", {"train": 3}), ("t", {"test": 1})):
        samples = toy_samples(root / name, splits, prefix=name)
        folder = root / f"{name}-shards"
        folder.mkdir()
        write_shards(
            samples,
            ("train", "val", "test"),
            images=root / name / "images",
            labels=root / name / "labels",
            taxonomy=TAXONOMY,
            dataset=name,
            shard_megabytes=1,
            folder=folder,
        )
        made.append(open_shards(folder))
    return made


def looked_up(reader, index):
    """(image, label, id) of each image of an index, by its number."""
    found = tf.data.Dataset.range(len(index.ids)).flat_map(lambda n: reader.at(index, n))
    return [tuple(part.numpy() for part in reader.image(handle)) for handle in found]


def is_kept(opened):
    """Returns whether images are in memory: then a handle is a number."""
    return opened[0].reader.nothing.dtype == tf.int64


@pytest.fixture(params=[CACHE_BYTES, 0], ids=["kept", "read anew"])
def opened(request, sets):
    """The images of the first two sets, no taller than 20 rows."""
    found = open_train_images(sets[:2], 20, request.param)
    assert is_kept(found) == (request.param > 0)
    return found


def test_an_image_is_that_of_the_shards(opened):
    for of_set in opened:
        expected = {example.id: example for example in examples(of_set.shards, "train")}
        seen = looked_up(of_set.reader, of_set.index)
        assert [name.decode() for _, _, name in seen] == of_set.index.ids.tolist()
        for image, label, name in seen:
            example = expected[name.decode()]
            fitted = limit_height(tf.constant(example.image), tf.constant(example.label), 20)
            np.testing.assert_array_equal(image, fitted[0])
            np.testing.assert_array_equal(label, fitted[1])


def test_images_of_several_sets_are_looked_up_by_one_index(opened):
    joined = join([of_set.index for of_set in reversed(opened)])
    seen = looked_up(opened[0].reader, joined)
    assert [name.decode() for _, _, name in seen] == joined.ids.tolist()
    assert len(seen) == 8


def test_the_images_of_a_file_are_in_their_order(opened):
    for of_set in opened:
        numbers = tf.data.Dataset.from_tensor_slices([0]).flat_map(of_set.in_file)
        names = [of_set.index.ids[number] for number in numbers]
        assert names == [example.id for example in examples(of_set.shards, "train")]


@pytest.mark.parametrize(("limit", "kept"), [(BYTES, True), (BYTES - 1, False)])
def test_images_are_kept_where_all_of_them_fit(sets, limit, kept):
    assert is_kept(open_train_images(sets[:2], 0, limit)) == kept


@pytest.mark.parametrize(("size", "kept"), [("0", False), ("0.00001", False), ("2", True)])
def test_the_environment_says_how_much_is_kept(sets, monkeypatch, size, kept):
    monkeypatch.setenv(CACHE_VARIABLE, size)
    assert is_kept(open_train_images(sets[:2], 0)) == kept


@pytest.mark.parametrize("size", ["much", "-1", "inf", "1e308", "nan", ""])
def test_a_size_that_is_none(sets, monkeypatch, size):
    monkeypatch.setenv(CACHE_VARIABLE, size)
    with pytest.raises(RoadshiftError, match=f"ROADSHIFT_IMAGE_CACHE: '{size}' is no number of"):
        open_train_images(sets[:2], 0)


def test_kept_images_are_no_tensor_that_a_pipeline_holds(sets):
    """TensorFlow writes such a tensor into the graph of each pipeline: a copy for each source."""
    reader = open_train_images(sets[:2], 0)[0].reader
    found = tf.function(reader.image).get_concrete_function(tf.TensorSpec([], tf.int64))
    held = [each for each in found.captured_inputs if each.dtype != tf.resource]
    assert sum(each.numpy().nbytes for each in held) < BYTES / 100


def test_kept_images_last_as_long_as_what_draws_from_them(sets):
    def drawn():
        of_set = open_train_images(sets[:2], 0)[0]
        numbers = tf.data.Dataset.range(5)
        handles = numbers.flat_map(lambda n: of_set.reader.at(of_set.index, n))
        return iter(handles.map(of_set.reader.image))

    iterator = drawn()
    gc.collect()
    expected = {example.id: example for example in examples(sets[0], "train")}
    for image, label, name in iterator:
        example = expected.pop(name.numpy().decode())
        np.testing.assert_array_equal(image, example.image)
        np.testing.assert_array_equal(label, example.label)
    assert not expected


def test_what_counts_is_the_size_that_they_are_scaled_to(sets):
    assert is_kept(open_train_images(sets[:2], 12, BYTES // 4))
    assert not is_kept(open_train_images(sets[:2], 13, BYTES // 4))


def test_a_set_without_training_images(sets):
    with pytest.raises(RoadshiftError, match="'t' has no images in split 'train'"):
        open_train_images(sets, 0)
