import base64
import io

import numpy as np
import pytest
from PIL import Image

from roadshift.report.data_uris import (
    MAX_WIDTH,
    classes_uri,
    drawing_uri,
    errors_uri,
    fit_ids,
    fit_image,
    image_uri,
)
from roadshift.taxonomy import load_taxonomy, taxonomy_names

TAXONOMY = load_taxonomy("driving11")


def opened(uri, form):
    head, _, body = uri.partition(",")
    assert head == f"data:image/{form};base64"
    return Image.open(io.BytesIO(base64.b64decode(body, validate=True)))


def rgba(uri):
    return np.asarray(opened(uri, "png").convert("RGBA"))


@pytest.mark.parametrize("name", taxonomy_names())
def test_every_class_has_its_colour_and_ignored_pixels_none(name):
    taxonomy = load_taxonomy(name)
    ids = np.array([[*range(len(taxonomy.classes)), 255]], np.uint8)
    pixels = rgba(classes_uri(ids, taxonomy))[0]
    expected = [(*entry.colour, 255) for entry in taxonomy.classes.values()]
    assert [tuple(p) for p in pixels[:-1].tolist()] == expected
    assert pixels[-1][3] == 0


def test_errors_hits_and_ignored_pixels_have_different_colours():
    label = np.array([[0, 0, 255, 255]], np.uint8)
    prediction = np.array([[0, 1, 0, 1]], np.uint8)
    right, wrong, free, free_too = rgba(errors_uri(label, prediction))[0].tolist()
    assert right[3] == 0
    assert wrong == [213, 94, 0, 255]
    assert free == free_too == [0, 0, 0, 170]


def test_an_image_keeps_its_size_and_about_its_colours():
    image = np.zeros((40, 60, 3), np.uint8) + np.array([200, 100, 50], np.uint8)
    shown = opened(image_uri(image), "jpeg")
    assert shown.size == (60, 40)
    assert np.abs(np.asarray(shown).astype(int) - image).max() < 8


def test_wide_images_are_scaled_down_and_no_new_class_comes_of_it():
    ids = np.zeros((100, 2 * MAX_WIDTH), np.uint8)
    ids[:, MAX_WIDTH:] = 10
    assert fit_image(np.zeros((100, 2 * MAX_WIDTH, 3), np.uint8)).shape == (50, MAX_WIDTH, 3)
    assert fit_ids(ids).shape == (50, MAX_WIDTH)
    assert set(np.unique(fit_ids(ids))) == {0, 10}
    narrow = np.zeros((7, MAX_WIDTH), np.uint8)
    assert fit_ids(narrow) is narrow


def test_a_palette_of_eleven_classes_takes_four_bits_a_pixel():
    ids = np.random.default_rng(0).integers(0, 11, (100, 100)).astype(np.uint8)
    assert len(classes_uri(ids, TAXONOMY)) < 100 * 100 * 4 / 8 * 4 / 3 * 1.2


def test_a_flat_drawing_keeps_its_colours_in_a_palette_and_a_photograph_is_a_jpeg():
    generator = np.random.default_rng(0)
    flat = generator.integers(0, 256, (11, 3)).astype(np.uint8)[generator.integers(0, 11, (40, 60))]
    assert (rgba(drawing_uri(flat, 100))[..., :3] == flat).all()
    small = rgba(drawing_uri(flat, 30))
    assert small.shape == (20, 30, 4)
    assert {*map(bytes, small[..., :3].reshape(-1, 3))} <= {*map(bytes, flat.reshape(-1, 3))}
    photograph = generator.integers(0, 256, (40, 60, 3)).astype(np.uint8)
    assert opened(drawing_uri(photograph, 30), "jpeg").size == (30, 20)


def test_a_partial_label_has_its_own_colour_and_is_no_error_where_one_of_its_classes_is_predicted():
    partial = TAXONOMY.partial_labels[2]
    ids = np.array([[0, partial.id, partial.id, partial.id, 255]], np.uint8)
    expected = [*TAXONOMY.partial_colours[partial.name], 255]
    assert rgba(classes_uri(ids, TAXONOMY))[0, 1:4].tolist() == [expected] * 3
    assert rgba(classes_uri(ids, TAXONOMY))[0, 4, 3] == 0
    prediction = np.array([[0, *partial.classes, 0, 0]], np.uint8)
    drawn = rgba(errors_uri(ids, prediction, TAXONOMY.partial_labels))[0].tolist()
    assert [colour[3] for colour in drawn] == [0, 0, 0, 255, 170]
    assert drawn[3] == [213, 94, 0, 255]
