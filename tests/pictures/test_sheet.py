import numpy as np

from roadshift.pictures.sheet import CAPTION, GAP, Panel, coloured, contact_sheet
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")
LABEL = np.array([[0, 7], [255, 9]], np.uint8)


def test_labels_get_the_taxonomy_s_colours_and_ignored_pixels_black():
    expected = [[(128, 64, 128), (70, 130, 180)], [(0, 0, 0), (0, 0, 142)]]
    np.testing.assert_array_equal(coloured(LABEL, TAXONOMY), expected)


def test_over_a_picture_colours_are_mixed_and_ignored_pixels_left_bare():
    image = np.full((2, 2, 3), 200, np.uint8)
    over = coloured(LABEL, TAXONOMY, image)
    np.testing.assert_array_equal(over[0, 0], [164, 132, 164])
    np.testing.assert_array_equal(over[1, 0], [200, 200, 200])


def test_a_sheet_shows_every_panel_where_it_belongs():
    red = np.zeros((20, 40, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    blue = np.zeros((10, 20, 3), np.uint8) + np.array([0, 0, 255], np.uint8)
    sheet = contact_sheet([[Panel("one", red)] * 2, [Panel("two", blue)] * 2], TAXONOMY, 80)
    assert sheet.width == 2 * (80 + GAP) + GAP
    first = (GAP + 40, GAP + CAPTION + 20)
    second = (2 * GAP + 80 + 40, GAP + 2 * CAPTION + GAP + 40 + 20)
    assert sheet.getpixel(first) == (255, 0, 0)
    assert sheet.getpixel(second) == (0, 0, 255)


def test_the_legend_has_every_class_colour():
    panel = Panel("x", np.full((8, 16, 3), 255, np.uint8))
    pixels = np.asarray(contact_sheet([[panel]], TAXONOMY, 300)).reshape(-1, 3)
    seen = {tuple(p) for p in np.unique(pixels, axis=0).tolist()}
    assert {entry.colour for entry in TAXONOMY.classes.values()} <= seen
