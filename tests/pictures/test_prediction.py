import tracemalloc

import numpy as np
import pytest

from roadshift.datasets.encoding import load_encoding
from roadshift.datasets.images import packed_colours
from roadshift.datasets.native_label import PixelReader
from roadshift.datasets.remap import Remapper
from roadshift.pictures.prediction import (
    cityscapes_palette,
    grey_levels,
    id_counts,
    label_image,
    overlay,
)
from roadshift.pictures.sheet import class_legend, coloured
from roadshift.taxonomy import load_taxonomy, taxonomy_names

TAXONOMY = load_taxonomy("driving11")


@pytest.mark.parametrize("name", taxonomy_names())
def test_cityscapes_colours_are_read_back_as_the_same_classes(name):
    taxonomy = load_taxonomy(name)
    colours = cityscapes_palette(taxonomy)[: len(taxonomy.classes)][np.newaxis]
    encoding = load_encoding("cityscapes_colours")
    reader = PixelReader(encoding)
    label = reader.native(packed_colours(colours))
    ids = Remapper.of(encoding, taxonomy, reader=reader).class_id[label.native]
    assert ids.tolist() == [[*range(len(taxonomy.classes))]]


def test_labels_are_grey_ids_or_colours():
    prediction = np.array([[0, 7]], np.uint8)
    grey = label_image(prediction, TAXONOMY, cityscapes=False)
    assert (grey.mode, np.asarray(grey).tolist()) == ("L", [[0, 7]])
    colours = label_image(prediction, TAXONOMY, cityscapes=True)
    assert np.asarray(colours).tolist() == [[[128, 64, 128], [70, 130, 180]]]


def test_an_overlay_is_half_image_half_colour_above_a_legend():
    image = np.full((40, 300, 3), 100, np.uint8)
    shown = np.asarray(overlay(image, np.zeros((40, 300), np.uint8), TAXONOMY))
    assert shown.shape[0] > 40
    assert shown.shape[1] == 300
    assert np.unique(shown[:40].reshape(-1, 3), axis=0).tolist() == [[114, 82, 114]]
    legend = {tuple(colour) for colour in shown[40:].reshape(-1, 3).tolist()}
    assert legend >= {entry.colour for entry in TAXONOMY.classes.values()}


def test_without_shares_the_legend_is_the_same_for_all_images():
    image = np.zeros((32, 320, 3), np.uint8)
    first, second = (
        np.asarray(overlay(image, np.full((32, 320), class_id, np.uint8), TAXONOMY, shares=False))
        for class_id in (0, 5)
    )
    np.testing.assert_array_equal(first[32:], second[32:])


def legend_height(height, width):
    shown = overlay(
        np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8), TAXONOMY
    )
    return shown.height - height


def test_the_legend_grows_with_the_image_and_stays_below_a_panorama():
    assert legend_height(2400, 3600) > 3 * legend_height(600, 900)
    assert legend_height(300, 6000) < 300


@pytest.mark.parametrize("shape", [(3, 5), (1500, 901), (2, 1_100_000)])
def test_strips_give_what_the_whole_image_gives(shape):
    generator = np.random.default_rng(4)
    prediction = generator.choice([*range(11), 255], shape).astype(np.uint8)
    image = generator.integers(0, 256, (*shape, 3)).astype(np.uint8)
    lines = np.indices(shape).sum(0) % 8 < 2
    colours = TAXONOMY.palette[prediction]
    colours[(prediction == 255) & lines] = 170
    np.testing.assert_array_equal(coloured(prediction, TAXONOMY), colours)
    blended = (colours.astype(int) + image) // 2
    np.testing.assert_array_equal(coloured(prediction, TAXONOMY, image), blended)
    if shape[1] < 10_000:
        drawn = np.asarray(overlay(image, prediction, TAXONOMY))
        np.testing.assert_array_equal(drawn[: shape[0]], blended)
        counts = np.bincount(prediction.ravel(), minlength=256)
        np.testing.assert_array_equal(id_counts(prediction), counts)
        scale = max(1, shape[1] / 900)
        legend = class_legend(TAXONOMY, shape[1], pixels=counts, scale=scale, ignored=False)
        np.testing.assert_array_equal(drawn[shape[0] :], np.asarray(legend))
        known = np.where(prediction == 255, 0, prediction).astype(np.uint8)
        labels = np.asarray(label_image(known, TAXONOMY, cityscapes=True))
        np.testing.assert_array_equal(labels, cityscapes_palette(TAXONOMY)[known])


@pytest.mark.parametrize(
    "draw",
    [
        lambda image, ids: overlay(image, ids, TAXONOMY),
        lambda image, ids: label_image(ids, TAXONOMY, cityscapes=True),
        lambda image, ids: id_counts(ids),
    ],
    ids=["overlay", "colours", "counts"],
)
def test_drawing_takes_little_memory_beside_the_image(draw):
    image, ids = np.zeros((4000, 4000, 3), np.uint8), np.zeros((4000, 4000), np.uint8)
    tracemalloc.start()
    try:
        draw(image, ids)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # NumPy's share; Pillow's image, of four bytes a pixel, comes on top.
    assert peak / ids.size < 2


def test_probabilities_are_grey():
    levels = grey_levels(np.array([[0, 0.5, 1.0000001]], np.float32))
    assert (levels.dtype, levels.tolist()) == (np.uint8, [[0, 128, 255]])
