import pytest

from roadshift.taxonomy import load_taxonomy
from roadshift.taxonomy.coverage import compare_coverage

DRIVING7, DRIVING11 = load_taxonomy("driving7"), load_taxonomy("driving11")


def cell(taxonomy, class_name, names):
    found = compare_coverage(taxonomy, {"set": names}).cells[class_name]["set"]
    return found.state, found.because


def test_a_class_is_had_through_any_of_its_members():
    assert cell(DRIVING11, "vegetation", ["terrain"]) == ("yes", "")


def test_a_class_is_absent_where_no_name_covers_it():
    assert cell(DRIVING11, "vegetation", ["road", "sky"]) == ("absent", "")


def test_a_name_that_straddles_classes_makes_each_of_them_coarse():
    because = "'far_object' straddles building and vegetation"
    for class_name in ("building", "vegetation"):
        assert cell(DRIVING11, class_name, ["far_object", "building"]) == ("coarse", because)


def test_an_ignored_name_takes_a_part_of_a_class_or_all_of_it():
    because = "'two_wheeler' is ignored: riders are living things, what they ride is a vehicle"
    assert cell(DRIVING7, "vehicle", ["car", "two_wheeler"]) == ("part", because)
    assert cell(DRIVING7, "vehicle", ["two_wheeler"]) == ("ignored", because)


def test_sets_are_compared_on_what_all_of_them_have():
    found = compare_coverage(
        DRIVING11, {"one": ["road", "sky", "pole"], "two": ["sky", "road", "fence"]}
    )
    assert found.compared == ("road", "sky")
    assert found.refused == {}


def test_nothing_is_compared_where_a_set_is_refused():
    found = compare_coverage(DRIVING11, {"one": ["road", "sky"], "two": ["road", "far_object"]})
    assert found.refused == {"two": ("far_object",)}
    assert found.compared == ()


def test_a_refused_set_would_have_partial_labels_and_be_scored_on_joined_classes():
    names = ["road", "far_object", "non_drivable", "car", "pole", "unlabelled"]
    found = compare_coverage(DRIVING11, {"one": ["road", "sky"], "two": names})
    assert found.partial_labels == {
        "two": {
            "far_object": ("building", "vegetation"),
            "non_drivable": ("sidewalk", "vegetation"),
        }
    }
    assert found.scored_on("two") == (
        ("road",), ("sidewalk", "building", "vegetation"), ("pole",), ("vehicle",),
    )  # fmt: skip
    assert found.scored_on("one") == (("road",), ("sky",))


def test_ignored_names_come_with_their_reason_and_once():
    found = compare_coverage(DRIVING11, {"one": ["unlabelled", "road", "unlabelled", "parking"]})
    assert found.ignored == {
        "one": {
            "unlabelled": "the publisher gave it no class",
            "parking": "CamVid does not separate it from road and sidewalk",
        }
    }


@pytest.mark.parametrize("taxonomy", [DRIVING7, DRIVING11])
def test_a_set_with_every_member_has_every_class(taxonomy):
    members = [m for entry in taxonomy.classes.values() for m in entry.members]
    assert compare_coverage(taxonomy, {"all": members}).compared == taxonomy.class_names
