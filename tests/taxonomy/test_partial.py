"""Partial labels: their ids and names, what they join, and what their pixels count as."""

import numpy as np
import pytest

from roadshift.input_pipeline.batches import PSEUDO_LABEL_ID
from roadshift.taxonomy import (
    IGNORE_ID,
    PartialLabel,
    coarse_names,
    is_wrong,
    joined_classes,
    load_taxonomy,
    scored_ids,
    spread_pixels,
    taxonomy_names,
)

DRIVING11 = load_taxonomy("driving11")
IDD_LITE = {
    "non_drivable": ("sidewalk", "vegetation"),
    "roadside_object": ("sidewalk", "fence", "pole", "traffic_sign"),
    "far_object": ("building", "vegetation"),
    "living_thing": ("person", "two_wheeler"),
    "vehicle": ("vehicle", "two_wheeler"),
}


def partial(label_id, *classes):
    return PartialLabel.of(label_id, classes, "abcdefgh")


def test_driving11_numbers_its_partial_labels_after_its_classes_in_the_order_of_the_names():
    found = [(p.id, p.name) for p in DRIVING11.partial_labels]
    assert found == [
        (11, "sidewalk or vegetation"),
        (12, "sidewalk or fence or pole or traffic_sign"),
        (13, "building or vegetation"),
        (14, "person or two_wheeler"),
        (15, "vehicle or two_wheeler"),
        (16, "sidewalk or building or fence or pole or traffic_sign or vegetation or sky"),
        (17, "person or vehicle or two_wheeler"),
    ]


@pytest.mark.parametrize("name", IDD_LITE)
def test_a_name_that_straddles_classes_has_the_partial_label_of_these_classes(name):
    label_id = DRIVING11.label_id_of(name)
    (found,) = (each for each in DRIVING11.partial_labels if each.id == label_id)
    assert tuple(DRIVING11.class_names[k] for k in found.classes) == IDD_LITE[name]
    assert DRIVING11.label_names[label_id] == " or ".join(IDD_LITE[name])


def test_any_other_name_has_the_label_of_its_class_or_is_ignored():
    assert DRIVING11.label_id_of("kerb") == DRIVING11.id_of("kerb") == 1
    assert DRIVING11.label_id_of("unlabelled") == IGNORE_ID


@pytest.mark.parametrize("name", taxonomy_names())
def test_every_set_of_classes_has_one_partial_label_and_a_colour_of_its_own(name):
    taxonomy = load_taxonomy(name)
    sets = [each.classes for each in taxonomy.partial_labels]
    assert len({*sets}) == len(sets)
    assert all(len(classes) > 1 for classes in sets)
    first = len(taxonomy.classes)
    assert [each.id for each in taxonomy.partial_labels] == [*range(first, first + len(sets))]
    assert first + len(sets) <= PSEUDO_LABEL_ID
    for coarse in {*coarse_names()} & {*taxonomy.too_coarse}:
        assert taxonomy.label_id_of(coarse) >= first
    colours = [entry.colour for entry in taxonomy.classes.values()]
    colours += taxonomy.partial_colours.values()
    assert len({*colours}) == first + len(sets)


def test_a_partial_pixel_counts_for_each_of_its_classes_by_its_share():
    pixels = np.array([[10, 0, 5, 6, 9], [1, 2, 3, 0, 0]])
    labels = [partial(3, 0, 1), partial(4, 0, 1, 2)]
    expected = [[10 + 3 + 3, 3 + 3, 5 + 3], [1, 2, 3]]
    assert spread_pixels(pixels, labels, 3).tolist() == expected
    assert spread_pixels(pixels[0], labels, 3).tolist() == expected[0]
    assert spread_pixels(pixels, labels, 3).sum() == pixels.sum()


def test_exact_pixels_alone_stay_the_integers_that_they_are():
    pixels = np.array([[10, 0, 5]])
    assert spread_pixels(pixels, (), 3) is pixels


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        ([], ()),
        ([(1, 2)], ((1, 2),)),
        ([(1, 2), (4, 5)], ((1, 2), (4, 5))),
        ([(4, 5), (1, 2), (2, 5)], ((1, 2, 4, 5),)),
        ([(0, 6), (2, 3), (3, 6)], ((0, 2, 3, 6),)),
    ],
)
def test_classes_that_share_a_partial_label_are_joined_and_so_are_chains(sets, expected):
    labels = [partial(8 + k, *classes) for k, classes in enumerate(sets)]
    assert joined_classes(labels, 8) == expected


def test_idd_lite_tells_four_joined_classes_apart_in_driving11():
    names = DRIVING11.class_names
    # Those after the first five are comma10k's, and join the sky, too.
    groups = joined_classes(DRIVING11.partial_labels[:5], len(names))
    assert [[names[k] for k in group] for group in groups] == [
        ["sidewalk", "building", "fence", "pole", "traffic_sign", "vegetation"],
        ["person", "vehicle", "two_wheeler"],
    ]


def test_joined_classes_and_their_partial_labels_are_scored_as_the_first():
    ids = scored_ids([partial(8, 5, 2), partial(9, 5, 3)], 8)
    expected = np.arange(256)
    expected[[2, 3, 5, 8, 9]] = 2
    assert ids.tolist() == expected.tolist()
    assert ids.dtype == np.uint8


def test_a_partial_pixel_is_wrong_where_the_prediction_is_none_of_its_classes():
    label = np.array([[0, 0, 8, 8, 8, IGNORE_ID]], np.uint8)
    prediction = np.array([[0, 1, 1, 2, 3, 1]], np.uint8)
    found = is_wrong(label, prediction, [partial(8, 1, 3)])
    assert found.tolist() == [[False, True, False, True, False, True]]
