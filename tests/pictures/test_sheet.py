import numpy as np
import pytest

from roadshift.pictures.sheet import CAPTION, GAP, Panel, coloured, contact_sheet, share_text
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")
LABEL = np.array([[0, 7], [255, 9]], np.uint8)


def test_labels_get_the_taxonomy_s_colours_and_ignored_pixels_diagonal_lines_on_black():
    ignored = coloured(np.full((1, 12), 255, np.uint8), TAXONOMY)[0, :, 0]
    assert ignored.tolist() == [170, 170, 0, 0, 0, 0, 0, 0, 170, 170, 0, 0]
    expected = [[(128, 64, 128), (70, 130, 180)], [(170, 170, 170), (0, 0, 142)]]
    np.testing.assert_array_equal(coloured(LABEL, TAXONOMY), expected)


def test_over_an_image_colours_are_mixed_half_and_half():
    image = np.full((2, 2, 3), 200, np.uint8)
    over = coloured(LABEL, TAXONOMY, image)
    np.testing.assert_array_equal(over[0, 0], [164, 132, 164])
    np.testing.assert_array_equal(over[1, 0], [185, 185, 185])


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


def test_panels_of_a_row_keep_their_own_shapes():
    tall, flat = np.full((40, 40, 3), 9, np.uint8), np.full((10, 40, 3), 99, np.uint8)
    sheet = contact_sheet([[Panel("tall", tall), Panel("flat", flat)]], TAXONOMY, 40)
    top, right = GAP + CAPTION, 2 * GAP + 40
    assert sheet.getpixel((GAP + 20, top + 39)) == (9, 9, 9)
    assert sheet.getpixel((right + 20, top + 9)) == (99, 99, 99)
    assert sheet.getpixel((right + 20, top + 10)) == (255, 255, 255)


def test_a_title_stands_above_and_a_long_caption_stays_over_its_panel():
    panel = Panel(
        "an id that is a good deal longer than its image is wide", np.zeros((8, 16, 3), np.uint8)
    )
    plain, titled = (
        contact_sheet([[panel]], TAXONOMY, 60, title=title)
        for title in ("", "what the sheet shows")
    )
    assert titled.height == plain.height + CAPTION + GAP
    caption = np.asarray(plain)[GAP : GAP + CAPTION]
    assert (caption[:, GAP + 60 :] == 255).all()
    assert (caption[:, GAP : GAP + 60] < 255).any()


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 %"), (1, "< 0.1 %"), (2, "0.1 %"), (1999, "100.0 %"), (655, "32.8 %")],
)
def test_shares_are_of_all_pixels_and_never_rounded_to_none(count, shown):
    pixels = np.zeros(256, np.int64)
    pixels[3], pixels[255] = count, 2000 - count
    assert share_text(pixels, 3) == shown


def test_a_partial_label_is_striped_with_the_colours_of_its_classes():
    partial = TAXONOMY.partial_labels[2]
    assert partial.name == "building or vegetation"
    drawn = coloured(np.full((3, 16), partial.id, np.uint8), TAXONOMY)
    building, vegetation = (list(TAXONOMY.classes[n].colour) for n in ("building", "vegetation"))
    assert drawn[0].tolist() == [*[building] * 4, *[vegetation] * 4] * 2
    # A stripe goes down to the left, also where a strip of the label is drawn alone.
    below = coloured(np.full((1, 16), partial.id, np.uint8), TAXONOMY, top=1)
    assert drawn[1].tolist() == below[0].tolist() == [*drawn[0].tolist()[1:], building]


def test_the_legend_has_the_partial_labels_that_are_asked_for():
    panel = [[Panel("x", np.zeros((8, 16, 3), np.uint8))]]
    pixels = np.zeros(256, np.int64)
    plain = contact_sheet(panel, TAXONOMY, 300, pixels=pixels)
    further = contact_sheet(
        panel, TAXONOMY, 300, pixels=pixels, partial_labels=TAXONOMY.partial_labels
    )
    assert further.height > plain.height
