import math

import numpy as np
import pytest
import tensorflow as tf

from roadshift.errors import RoadshiftError
from roadshift.input_pipeline.index import ImageIndex, index_images, join
from roadshift.input_pipeline.sampling import class_probabilities, partner_draw, rare_class_draw
from roadshift.records import contents
from roadshift.records.reader import open_shards, record_bounds
from roadshift.records.writer import write_shards
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")


@pytest.fixture
def folder(tmp_path, toy_samples):
    """Shards of five training images and two validation images."""
    samples = toy_samples(tmp_path / "source", {"train": 5, "val": 2})
    folder = tmp_path / "shards"
    folder.mkdir()
    write_shards(
        samples,
        ("train", "val", "test"),
        images=tmp_path / "source/images",
        labels=tmp_path / "source/labels",
        taxonomy=TAXONOMY,
        dataset="toy",
        shard_megabytes=1,
        folder=folder,
    )
    return folder


def index_of(pixels, prefix="p"):
    """An index of images that lie nowhere."""
    pixels = np.array(pixels, np.int64)
    ids = np.array([f"{prefix}{number}" for number in range(len(pixels))])
    bounds = np.zeros((len(pixels), 2), np.int64)
    return ImageIndex(ids, ids, bounds, pixels, np.arange(len(pixels)))


def read(index, number):
    numbers = tf.data.Dataset.from_tensors(tf.constant(number, tf.int64))
    return list(numbers.flat_map(index.records))


def drawn_evenly(count, size=()):
    return np.random.default_rng(0).uniform(0, 1, (count, *size)).astype(np.float32)


def test_probabilities_by_hand():
    # Shares 0.6, 0.3 and 0.1; the second class has no pixels.
    result = class_probabilities([600, 0, 300, 100], 0.5)
    weights = [math.exp(0.4 / 0.5), 0, math.exp(0.7 / 0.5), math.exp(0.9 / 0.5)]
    assert result == pytest.approx([weight / sum(weights) for weight in weights])


def test_a_low_temperature_draws_the_rarest_and_a_high_one_all_alike():
    assert class_probabilities([600, 300, 100], 1e-4) == pytest.approx([0, 0, 1])
    assert class_probabilities([600, 300, 100], 1e4) == pytest.approx([1 / 3] * 3, abs=1e-4)


def test_images_are_drawn_as_often_as_the_formula_says():
    # Class 0 in all images, 1 in none, 2 in two of them, 3 in one.
    index = index_of([[50, 0, 0, 0], [40, 0, 10, 0], [30, 0, 10, 10], [50, 0, 0, 0]])
    chance = class_probabilities([170, 0, 20, 10], 0.7)
    expected = [
        chance[0] / 4,
        chance[0] / 4 + chance[2] / 2,
        chance[0] / 4 + chance[2] / 2 + chance[3],
        chance[0] / 4,
    ]
    draw = tf.function(rare_class_draw(index, 0.7))
    numbers = [int(draw(tf.constant(draws))) for draws in drawn_evenly(3000, (2,))]
    assert np.bincount(numbers, minlength=4) / 3000 == pytest.approx(expected, abs=0.03)


def test_classes_and_images_share_their_range_by_hand():
    # Both classes as likely: the first has images 0 and 1, the second images 1, 2 and 3, the last
    # two by a single pixel.
    index = index_of([[4, 0], [5, 7], [0, 1], [0, 1]])
    draw = rare_class_draw(index, 1.0)
    for draws, number in (
        ((0.0, 0.0), 0), ((0.49, 0.49), 0), ((0.0, 0.5), 1), ((0.49, 0.99), 1),
        ((0.5, 0.0), 1), ((0.99, 0.33), 1), ((0.5, 0.34), 2), ((0.5, 0.66), 2), ((0.5, 0.67), 3),
        ((0.99, 0.99), 3),
    ):  # fmt: skip
        assert int(draw(tf.constant(draws))) == number, draws


@pytest.mark.parametrize("draws", [(0.0, 0.0), (0.9999999, 0.9999999)])
def test_the_ends_of_the_draws_are_images(draws):
    index = index_of([[1, 0, 0], [1, 1, 0]])
    assert int(rare_class_draw(index, 0.01)(tf.constant(draws))) in (0, 1)


def test_partners_are_of_the_other_sources_each_as_likely():
    own, first, second = (index_of([[1]] * n, p) for n, p in ((3, "a"), (2, "b"), (8, "c")))
    candidates, draw = partner_draw(own, [first, second])
    assert candidates.ids.tolist() == [*first.ids, *second.ids]
    numbers = [int(draw(tf.constant(d), tf.constant("a0"))) for d in drawn_evenly(1500)]
    expected = [1 / 4] * 2 + [1 / 16] * 8
    assert np.bincount(numbers, minlength=10) / 1500 == pytest.approx(expected, abs=0.035)


@pytest.mark.parametrize("itself", range(4))
def test_a_partner_of_the_same_source_is_another_image_each_as_likely(itself):
    own = index_of([[1]] * 4)
    candidates, draw = partner_draw(own, [])
    sample_id = tf.constant(own.ids[itself])
    numbers = [int(draw(tf.constant(d), sample_id)) for d in drawn_evenly(600)]
    assert candidates is own
    expected = [0 if number == itself else 1 / 3 for number in range(4)]
    assert np.bincount(numbers, minlength=4) / 600 == pytest.approx(expected, abs=0.06)


def test_the_only_image_is_its_own_partner():
    _, draw = partner_draw(index_of([[1]]), [])
    assert int(draw(tf.constant(0.7), tf.constant("p0"))) == 0


def test_the_table_counts_what_each_label_shows(folder):
    index = index_images(open_shards(folder), "train")
    assert index.ids.tolist() == ["s000", "s001", "s002", "s003", "s004"]
    rows, columns = np.mgrid[0:24, 0:40]
    for number, pixels in enumerate(index.pixels):
        counts = np.bincount((rows + columns + number).ravel() % 12, minlength=12)
        # The twelfth value of these labels is 255.
        assert pixels.tolist() == counts[:11].tolist()


def test_records_are_read_from_wherever_they_lie(folder):
    shards = open_shards(folder)
    index = index_images(shards, "train")
    for number in (3, 0, 4):
        (record,) = read(index, number)
        example = shards.features.deserialize_example(record)
        assert example["id"].numpy().decode() == index.ids[number]
        assert example["image"].numpy()[0, 0, 0] == number


def test_a_damaged_record_is_found_out(folder):
    shards = open_shards(folder)
    index = index_images(shards, "train")
    start, stop = index.bounds[2]
    with open(index.files[2], "r+b") as file:
        file.seek((start + stop) // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(tf.errors.DataLossError):
        read(index, 2)
    assert len(read(index, 1)) == 1


def test_bounds_join_without_a_gap(folder):
    (file,) = folder.glob("toy-train*")
    bounds = record_bounds(file)
    assert bounds[0, 0] == 0
    assert bounds[-1, 1] == file.stat().st_size
    assert (bounds[1:, 0] == bounds[:-1, 1]).all()


def test_joined_indices_are_one_after_the_other():
    first, second = index_of([[1, 2]], "a"), index_of([[3, 4], [5, 6]], "b")
    joined = join([first, second])
    assert joined.ids.tolist() == ["a0", "b0", "b1"]
    assert joined.pixels.tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda lines: None, "images.csv: missing; run the shard stage again"),
        (lambda lines: [], "columns none, expected split, id, road"),
        (lambda lines: [lines[0].replace("road", "street"), *lines[1:]], "columns split, id, stre"),
        (lambda lines: [*lines[:2], "train,s1,x" + ",0" * 10], "damaged in line 3"),
        (lambda lines: [*lines[:2], "train,s1,3"], "damaged in line 3"),
        (lambda lines: [*lines[:2], "train,s1" + ",-1" * 11], "damaged in line 3"),
        (lambda lines: lines[:-3], "images.csv: does not match the 5 records of split 'train'"),
        (lambda lines: [x.replace("s001,", "s001,1") for x in lines], "does not match the 5 rec"),
    ],
)
def test_a_table_that_does_not_fit_its_shards(folder, change, match):
    file = folder / contents.FILE
    lines = change(file.read_text().splitlines())
    file.unlink()
    if lines is not None:
        file.write_text("\n".join(lines) + "\n" if lines else "")
    with pytest.raises(RoadshiftError, match=match):
        index_images(open_shards(folder), "train")
