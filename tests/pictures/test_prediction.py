import numpy as np
import pytest

from roadshift.datasets.card import load_encoding
from roadshift.datasets.images import packed_colours
from roadshift.datasets.remap import Remapper
from roadshift.pictures.prediction import (
    cityscapes_palette,
    label_image,
    overlay,
    probability_image,
)
from roadshift.taxonomy import load_taxonomy, taxonomy_names

TAXONOMY = load_taxonomy("driving11")


@pytest.mark.parametrize("name", taxonomy_names())
def test_cityscapes_colours_are_read_back_as_the_same_classes(name):
    taxonomy = load_taxonomy(name)
    colours = cityscapes_palette(taxonomy)[: len(taxonomy.classes)][np.newaxis]
    remapper = Remapper.of(load_encoding("cityscapes_colours"), taxonomy)
    ids = remapper.class_id[remapper.native(packed_colours(colours), "palette")]
    assert ids.tolist() == [[*range(len(taxonomy.classes))]]


def test_labels_are_grey_ids_or_colours():
    prediction = np.array([[0, 7]], np.uint8)
    grey = label_image(prediction, TAXONOMY, cityscapes=False)
    assert (grey.mode, np.asarray(grey).tolist()) == ("L", [[0, 7]])
    colours = label_image(prediction, TAXONOMY, cityscapes=True)
    assert np.asarray(colours).tolist() == [[[128, 64, 128], [70, 130, 180]]]


def test_an_overlay_is_half_image_half_colour_above_a_legend():
    image = np.full((40, 300, 3), 100, np.uint8)
    shown = overlay(image, np.zeros((40, 300), np.uint8), TAXONOMY)
    assert shown.shape[0] > 40
    assert shown.shape[1] == 300
    assert np.unique(shown[:40].reshape(-1, 3), axis=0).tolist() == [[114, 82, 114]]
    legend = {tuple(colour) for colour in shown[40:].reshape(-1, 3).tolist()}
    assert legend >= {entry.colour for entry in TAXONOMY.classes.values()}


def test_without_shares_the_legend_is_the_same_for_all_images():
    image = np.zeros((32, 320, 3), np.uint8)
    first, second = (
        overlay(image, np.full((32, 320), class_id, np.uint8), TAXONOMY, shares=False)
        for class_id in (0, 5)
    )
    np.testing.assert_array_equal(first[32:], second[32:])


def test_the_legend_grows_with_the_image():
    heights = [
        overlay(np.zeros((8, w, 3), np.uint8), np.zeros((8, w), np.uint8), TAXONOMY).shape[0] - 8
        for w in (900, 3600)
    ]
    assert heights[1] > 3 * heights[0]


def test_probabilities_are_grey():
    image = probability_image(np.array([[0, 0.5, 1.0000001]], np.float32))
    assert (image.mode, np.asarray(image).tolist()) == ("L", [[0, 128, 255]])
