import numpy as np
import pytest
from pydantic import ValidationError

from roadshift.errors import RoadshiftError
from roadshift.taxonomy import (
    IGNORE_ID,
    Taxonomy,
    coarse_names,
    load_taxonomy,
    taxonomy_names,
    universal_names,
)

# Issue 2, item 3, spelled out: class, id, and every name that ends in it.
DRIVING11 = [
    ("road", ["road", "lane_marking", "drivable"]),
    ("sidewalk", ["sidewalk", "kerb"]),
    ("building", ["building"]),
    ("fence", ["fence", "guard_rail", "barrier"]),
    ("pole", ["pole", "pole_group"]),
    ("traffic_sign", ["traffic_sign", "traffic_light", "traffic_sign_or_light"]),
    ("vegetation", ["vegetation", "terrain", "vegetation_or_terrain"]),
    ("sky", ["sky"]),
    ("person", ["person", "person_or_animal"]),
    (
        "vehicle",
        [
            "car",
            "truck",
            "bus",
            "caravan",
            "trailer",
            "train",
            "motor_vehicle",
            "truck_or_bus",
            "other_vehicle",
            "autorickshaw",
        ],
    ),
    ("two_wheeler", ["bicycle", "motorcycle", "rider", "two_wheeler"]),
]
IGNORED = [
    "parking",
    "rail_track",
    "wall",
    "bridge",
    "tunnel",
    "bridge_or_tunnel",
    "ground",
    "bike_lane",
    "drivable_fallback",
    "non_drivable_fallback",
    "billboard",
    "street_furniture",
    "small_vehicle",
    "dynamic",
    "static",
    "unlabelled",
]
TOO_COARSE = {
    "non_drivable": ("sidewalk", "vegetation"),
    "roadside_object": ("sidewalk", "fence", "pole", "traffic_sign"),
    "far_object": ("building", "vegetation"),
    "living_thing": ("person", "two_wheeler"),
    "vehicle": ("vehicle", "two_wheeler"),
    "undrivable": (
        "sidewalk",
        "building",
        "fence",
        "pole",
        "traffic_sign",
        "vegetation",
        "sky",
    ),
    "movable": ("person", "vehicle", "two_wheeler"),
}
KITTI30 = [
    "road",
    "sidewalk",
    "parking",
    "rail_track",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
    "caravan",
    "trailer",
    "building",
    "wall",
    "fence",
    "guard_rail",
    "bridge",
    "tunnel",
    "pole",
    "traffic_sign",
    "traffic_light",
    "vegetation",
    "terrain",
    "sky",
    "ground",
    "dynamic",
    "static",
    "none",
]
CITYSCAPES19 = [
    "road",
    "sidewalk",
    "building",
    "wall",
    "fence",
    "pole",
    "traffic_light",
    "traffic_sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
]
DRIVING7 = [
    "drivable",
    "non_drivable",
    "living_thing",
    "vehicle",
    "roadside_object",
    "far_object",
    "sky",
]
TABLES = taxonomy_names()


def small_table(**changes):
    """A taxonomy of two classes that places every universal name."""
    things = ["car", "person"]
    rest = [name for name in universal_names() if name not in (*things, "unlabelled")]
    table = {
        "name": "two",
        "title": "things and the rest",
        "classes": {
            "thing": {"colour": [1, 2, 3], "members": things},
            "rest": {"colour": [4, 5, 6], "members": rest},
        },
        "ignored": {"unlabelled": "no class"},
    }
    return {**table, **changes}


def test_driving11_has_its_eleven_classes_in_order():
    table = load_taxonomy("driving11")
    assert table.class_names == tuple(name for name, _ in DRIVING11)
    assert len(table.class_names) == 11


@pytest.mark.parametrize(
    ("universal", "class_id"),
    [(name, i) for i, (_, members) in enumerate(DRIVING11) for name in members]
    + [(name, 255) for name in IGNORED],
)
def test_driving11_places_each_name(universal, class_id):
    assert load_taxonomy("driving11").id_of(universal) == class_id


def test_the_expected_places_cover_every_universal_name_once():
    placed = [name for _, members in DRIVING11 for name in members] + IGNORED + [*TOO_COARSE]
    assert sorted(placed) == sorted(universal_names())


def test_driving11_ignores_by_name_and_with_a_reason():
    table = load_taxonomy("driving11")
    assert set(table.ignored) == set(IGNORED)
    assert all(reason.strip() for reason in table.ignored.values())


def test_palette_by_label_id():
    palette = load_taxonomy("driving11").palette
    assert palette.shape == (256, 3)
    assert palette.dtype == np.uint8
    assert palette[0].tolist() == [128, 64, 128]
    assert palette[10].tolist() == [119, 11, 32]
    assert not palette[11:].any()


def test_every_table_loads():
    assert "driving11" in taxonomy_names()
    for name in taxonomy_names():
        table = load_taxonomy(name)
        ids = {table.id_of(u) for u in universal_names() if u not in table.too_coarse}
        assert ids <= {*range(len(table.classes)), 255}


def test_ignore_id():
    assert IGNORE_ID == 255
    assert Taxonomy(**small_table()).id_of("unlabelled") == 255


def test_ids_follow_the_order_of_the_table():
    table = Taxonomy(**small_table())
    assert (table.id_of("car"), table.id_of("person"), table.id_of("road")) == (0, 0, 1)


def test_a_name_without_a_place_is_refused():
    table = small_table()
    table["classes"]["rest"]["members"].remove("tunnel")
    with pytest.raises(ValidationError, match="tunnel: neither in a class nor ignored"):
        Taxonomy(**table)


def test_a_name_in_two_classes_is_refused():
    table = small_table()
    table["classes"]["rest"]["members"].append("car")
    with pytest.raises(ValidationError, match="car: placed more than once"):
        Taxonomy(**table)


def test_a_name_in_a_class_and_ignored_is_refused():
    with pytest.raises(ValidationError, match="sky: placed more than once"):
        Taxonomy(**small_table(ignored={"unlabelled": "no class", "sky": "above"}))


def test_an_unknown_name_is_refused():
    table = small_table()
    table["classes"]["thing"]["members"].append("zebra")
    with pytest.raises(ValidationError, match=r"zebra: not in names/universal\.yaml"):
        Taxonomy(**table)


def test_two_classes_of_one_colour_are_refused():
    table = small_table()
    table["classes"]["rest"]["colour"] = [1, 2, 3]
    with pytest.raises(ValidationError, match="share a colour"):
        Taxonomy(**table)


def test_a_class_without_members_is_refused():
    table = small_table()
    table["classes"]["empty"] = {"colour": [7, 8, 9], "members": []}
    with pytest.raises(ValidationError, match=r"classes\.empty\.members"):
        Taxonomy(**table)


def test_all_names_ignored_is_refused():
    with pytest.raises(ValidationError, match="needs 1 to 254 classes"):
        Taxonomy(**small_table(classes={}, ignored=dict.fromkeys(universal_names(), "all")))


def test_a_colour_out_of_range_is_refused():
    table = small_table()
    table["classes"]["rest"]["colour"] = [1, 2, 256]
    with pytest.raises(ValidationError, match=r"classes\.rest\.colour"):
        Taxonomy(**table)


def test_an_unknown_taxonomy_is_answered_with_the_nearest():
    with pytest.raises(RoadshiftError, match="'driving12' is not a taxonomy; did you mean 'driv"):
        load_taxonomy("driving12")


def test_an_unknown_universal_name_is_answered_with_the_nearest():
    with pytest.raises(RoadshiftError, match=r"'side_walk'.*did you mean 'sidewalk'"):
        load_taxonomy("driving11").id_of("side_walk")


@pytest.mark.parametrize("name", TOO_COARSE)
def test_driving11_says_what_a_coarse_name_straddles(name):
    table = load_taxonomy("driving11")
    assert table.straddled(name) == TOO_COARSE[name]
    with pytest.raises(RoadshiftError, match="too coarse for the taxonomy 'driving11'") as caught:
        table.id_of(name)
    message = str(caught.value)
    assert f"'{name}' straddles {' and '.join(TOO_COARSE[name])}" in message
    fitting = "(binary)" if name in ("undrivable", "movable") else "(binary, driving7)"
    assert fitting in message
    assert "\n" not in message


def test_a_refusal_names_all_that_is_too_coarse_and_taxonomies_that_carry_all():
    with pytest.raises(RoadshiftError) as caught:
        load_taxonomy("cityscapes19").check_carries(
            ["road", "vegetation_or_terrain", "two_wheeler"]
        )
    message = str(caught.value)
    assert "'vegetation_or_terrain' straddles vegetation and terrain" in message
    assert "'two_wheeler' straddles rider and motorcycle and bicycle" in message
    assert "(binary, driving11, driving7)" in message


@pytest.mark.parametrize("taxonomy", [name for name in TABLES if name != "binary"])
@pytest.mark.parametrize("name", ["undrivable", "movable"])
def test_what_comma10k_joins_is_too_coarse_but_for_road_or_not(taxonomy, name):
    with pytest.raises(RoadshiftError, match=f"'{name}' straddles"):
        load_taxonomy(taxonomy).check_carries([name])


def test_names_that_a_taxonomy_carries_are_not_refused():
    load_taxonomy("cityscapes19").check_carries(["road", "parking", "unlabelled"])


@pytest.mark.parametrize("name", TABLES)
def test_no_coarse_name_is_put_into_one_of_the_classes_that_it_straddles(name):
    table = load_taxonomy(name)
    for coarse in coarse_names():
        straddled = table.straddled(coarse)
        if coarse in table.too_coarse:
            assert len(straddled) > 1, coarse
        elif coarse not in table.ignored:
            assert straddled == (table.class_names[table.id_of(coarse)],), coarse


@pytest.mark.parametrize("name", TABLES)
def test_only_coarse_names_are_too_coarse_and_all_reasons_are_given(name):
    table = load_taxonomy(name)
    assert {*table.too_coarse} <= {*coarse_names()}
    assert all(reason.strip() for reason in [*table.ignored.values(), *table.too_coarse.values()])


def test_coarse_names_and_their_parts_are_universal_names():
    for name, parts in coarse_names().items():
        assert len({name, *parts}) == 1 + len(parts) >= 3
        assert {name, *parts} <= {*universal_names()}


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("kitti30", KITTI30),
        ("cityscapes19", CITYSCAPES19),
        ("driving7", DRIVING7),
        ("binary", ["road", "not_road"]),
    ],
)
def test_the_classes_of_each_table_in_order(name, classes):
    assert load_taxonomy(name).class_names == tuple(classes)


@pytest.mark.parametrize(
    ("taxonomy", "universal", "expected"),
    [
        ("kitti30", "unlabelled", 29),
        ("kitti30", "tunnel", 19),
        ("kitti30", "lane_marking", 0),
        ("cityscapes19", "bicycle", 18),
        ("cityscapes19", "parking", 255),
        ("cityscapes19", "kerb", 1),
        ("driving7", "vegetation", 5),
        ("driving7", "terrain", 1),
        ("driving7", "kerb", 4),
        ("driving7", "parking", 0),
        ("driving7", "two_wheeler", 255),
        ("binary", "sidewalk", 1),
        ("binary", "drivable", 0),
        ("binary", "parking", 255),
        ("binary", "undrivable", 1),
        ("binary", "movable", 1),
        ("cityscapes19", "pole_group", 255),
        ("kitti30", "pole_group", 20),
    ],
)
def test_single_places(taxonomy, universal, expected):
    assert load_taxonomy(taxonomy).id_of(universal) == expected


def test_a_name_that_is_too_coarse_and_ignored_is_refused():
    with pytest.raises(ValidationError, match="unlabelled: placed more than once"):
        Taxonomy(**small_table(too_coarse={"unlabelled": "all"}))
