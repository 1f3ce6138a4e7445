import numpy as np
import pytest
from pydantic import ValidationError

from roadshift.datasets.card import (
    Archive,
    Card,
    Encoding,
    Layout,
    card_names,
    load_card,
    load_encoding,
)
from roadshift.datasets.encoding import read_encoding
from roadshift.datasets.splits import SPLITS
from roadshift.errors import RoadshiftError
from roadshift.settings import format_validation_error
from roadshift.taxonomy import load_taxonomy, taxonomy_names, universal_names

# Mirror of the publishers' tables, written down apart from the encodings that are tested.
CAMVID = {
    0: "sky",
    1: "building",
    2: "pole",
    3: "road",
    4: "sidewalk",
    5: "vegetation",
    6: "traffic_sign",
    7: "fence",
    8: "vehicle",
    9: "person",
    10: "two_wheeler",
    11: "ignored",
}
COLOURS = {
    (128, 64, 128): "road",
    (244, 35, 232): "sidewalk",
    (250, 170, 160): "ignored",
    (230, 150, 140): "ignored",
    (70, 70, 70): "building",
    (102, 102, 156): "ignored",
    (190, 153, 153): "fence",
    (180, 165, 180): "fence",
    (150, 100, 100): "ignored",
    (150, 120, 90): "ignored",
    (153, 153, 153): "pole",
    (250, 170, 30): "traffic_sign",
    (220, 220, 0): "traffic_sign",
    (107, 142, 35): "vegetation",
    (152, 251, 152): "vegetation",
    (70, 130, 180): "sky",
    (220, 20, 60): "person",
    (255, 0, 0): "two_wheeler",
    (0, 0, 142): "vehicle",
    (0, 0, 70): "vehicle",
    (0, 60, 100): "vehicle",
    (0, 0, 90): "vehicle",
    (0, 0, 110): "vehicle",
    (0, 80, 100): "vehicle",
    (0, 0, 230): "two_wheeler",
    (119, 11, 32): "two_wheeler",
    (111, 74, 0): "ignored",
    (81, 0, 81): "ignored",
    (20, 20, 20): "ignored",
    (0, 0, 0): "ignored",
}
UNGROUPED = {"image": "{id}.png", "label": "{id}_label.png"}
ENCODINGS = sorted({c.encoding for c in map(load_card, card_names()) if not c.has_own_table})


def class_of(universal):
    table = load_taxonomy("driving11")
    class_id = table.id_of(universal)
    return "ignored" if class_id == 255 else table.class_names[class_id]


def grey(*rows):
    return Encoding(kind="grey", values=list(rows), source="here")


@pytest.mark.parametrize("name", card_names())
def test_every_card_loads(name):
    card = load_card(name)
    assert card.name == name
    assert card.has_own_table or card.table.names
    for scheme in (card.splits, *card.splits.named.values()):
        assert {"test"} <= scheme.makes <= set(SPLITS)


def test_the_sets_of_the_first_workflow_are_there():
    assert {"camvid", "kitti", "ika"} <= set(card_names())


@pytest.mark.parametrize("name", card_names())
def test_every_set_has_one_origin_and_a_way_to_it(name):
    card = load_card(name)
    others = (card.world, card.folder, card.tfds)
    assert bool(card.files) == all(origin is None for origin in others)
    assert all(archive.url or archive.by_hand for archive in card.files)
    assert len({archive.name for archive in card.files}) == len(card.files)


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_encoding_is_sound(name):
    encoding = load_encoding(name)
    assert set(encoding.names) <= set(universal_names())
    values = {row[:-1] for row in encoding.values}
    assert len(values) == len(encoding.values) > 0


@pytest.mark.parametrize("taxonomy", taxonomy_names())
@pytest.mark.parametrize("name", ENCODINGS)
def test_every_name_of_every_encoding_has_a_place(name, taxonomy):
    table = load_taxonomy(taxonomy)
    for universal in load_encoding(name).names:
        if universal not in table.too_coarse:
            assert table.id_of(universal) in {*range(len(table.classes)), 255}


def test_camvid_encoding_row_by_row():
    encoding = load_encoding("camvid11")
    assert encoding.kind == "grey"
    found = dict(zip(encoding.keys.tolist(), map(class_of, encoding.names), strict=True))
    assert found == CAMVID


def test_cityscapes_colours_row_by_row():
    encoding = load_encoding("cityscapes_colours")
    assert encoding.kind == "colour"
    packed = {r << 16 | g << 8 | b: name for (r, g, b), name in COLOURS.items()}
    found = dict(zip(encoding.keys.tolist(), map(class_of, encoding.names), strict=True))
    assert found == packed


def test_the_tunnel_has_its_own_colour():
    encoding = load_encoding("cityscapes_colours")
    rows = {row[-1]: row[:-1] for row in encoding.values}
    assert rows["tunnel"] == (150, 120, 90)
    assert rows["bridge"] == (150, 100, 100)


def test_keys_pack_colours():
    encoding = Encoding(kind="colour", values=[(1, 2, 3, "road")], source="here")
    assert encoding.keys.tolist() == [1 * 65536 + 2 * 256 + 3]
    assert encoding.keys.dtype == np.int64


def test_an_unknown_card_is_answered_with_the_nearest():
    with pytest.raises(RoadshiftError, match="'kiti' is not a data set; did you mean 'kitti'"):
        load_card("kiti")


def test_an_unknown_card_unlike_any_is_answered_with_all():
    with pytest.raises(RoadshiftError, match=r"known: a2d2, .*camvid, .*kitti"):
        load_card("xyz")


def test_an_unknown_encoding_is_answered_with_the_nearest():
    with pytest.raises(RoadshiftError, match=r"'camvid1'.*did you mean 'camvid11'"):
        load_encoding("camvid1")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(0, "road"), (0, "sky")], "two rows have the value 0"),
        ([(256, "road")], "0..255"),
        ([(-1, "road")], "0..255"),
        ([(1, 2, 3, "road")], "expected 1 integers"),
        ([(0, "rode")], "did you mean 'road'"),
    ],
)
def test_unsound_grey_encodings_are_refused(rows, message):
    with pytest.raises(ValidationError, match=message):
        grey(*rows)


@pytest.mark.parametrize(
    ("kind", "rows", "message"),
    [
        ("grey", [(0, "road")], "expected a label's name in config"),
        ("grey", [("flat", "road", "road")], "expected a label's name in config"),
        ("grey", [("flat", "road"), ("flat", "sky")], "two rows have the value flat"),
        ("grey", [("flat", "rode")], "did you mean 'road'"),
        ("colour", [(0, 0, 0, "road")], "config is for ids only"),
    ],
)
def test_unsound_tables_by_name_are_refused(kind, rows, message):
    with pytest.raises(ValidationError, match=message):
        Encoding(kind=kind, config="labels.json", values=rows, source="here")


@pytest.mark.parametrize("config", ["../labels.json", "/labels.json", ""])
def test_a_config_is_a_file_in_the_root_of_the_layout(config):
    with pytest.raises(ValidationError, match="config"):
        Encoding(kind="grey", config=config, values=[("flat", "road")], source="here")


def test_names_without_a_config_are_refused():
    with pytest.raises(ValidationError, match="expected 1 integers"):
        grey(("flat", "road"))


def test_a_colour_row_of_two_numbers_is_refused():
    with pytest.raises(ValidationError, match="expected 3 integers"):
        Encoding(kind="colour", values=[(1, 2, "road")], source="here")


@pytest.mark.parametrize("pattern", ["{split}/image.png", "{id}/{city}.png"])
def test_a_layout_without_id_or_with_unknown_parts_is_refused(pattern):
    with pytest.raises(ValidationError, match=r"needs \{id\}"):
        Layout(image=pattern, label="{id}.png")


@pytest.mark.parametrize("absolute", ["image", "label"])
def test_a_layout_with_an_absolute_path_is_refused(absolute):
    patterns = {"image": "im/{id}.png", "label": "gt/{id}.png"}
    patterns[absolute] = f"/data/{patterns[absolute]}"
    with pytest.raises(ValidationError, match=f"'{patterns[absolute]}' is absolute"):
        Layout.model_validate(patterns)


def test_a_layout_whose_patterns_name_different_parts_is_refused():
    with pytest.raises(ValidationError, match="the same placeholders"):
        Layout(image="{group}/{id}.png", label="{id}.png")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"archive": None}, "exactly one of archive, archives, world, folder and tfds"),
        ({"folder": "data/own"}, "exactly one of archive, archives, world, folder and tfds"),
        ({"encoding": "encoding.yaml"}, "only a card with a folder can name a file"),
        ({"layout": UNGROUPED}, "need a group in layout"),
        (
            {
                "layout": UNGROUPED,
                "splits": {"random": {"test": 1.0}, "named": {"x": {"groups": {"a": "test"}}}},
            },
            "need a group in layout",
        ),
    ],
)
def test_unsound_cards_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        Card(**{**load_card("kitti").model_dump(), **changes})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "missing; put the table"),
        ("kind: grey\nvalues: [[0, rode]]\nsource: me\n", "did you mean 'road'"),
        ("kind: gray\nvalues: [[0, road]]\nsource: me\n", "did you mean 'grey'"),
        ("", "expected keys with values"),
        ("values: [", "not YAML"),
    ],
)
def test_a_table_beside_the_images_that_is_not_sound(tmp_path, content, message):
    file = tmp_path / "encoding.yaml"
    if content is not None:
        file.write_text(content, "utf-8")
    with pytest.raises(RoadshiftError, match=message) as caught:
        read_encoding(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["a.zip", "a.ZIP", "a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tbz2", "A.TAR.XZ"]
)
def test_an_archive_that_is_supported(name):
    assert Archive(name=name, unpacked_megabytes=1).name == name


@pytest.mark.parametrize("name", ["a.7z", "a.rar", "a.tar.zst", "a.gz", "a.zip.001", "a"])
def test_a_kind_of_archive_that_is_not_supported_is_refused_with_the_card(name):
    content = load_card("kitti").model_dump()
    content["archive"]["name"] = name
    with pytest.raises(ValidationError) as caught:
        Card.model_validate(content)
    message = format_validation_error(caught.value, Card)
    assert message.startswith(f"archive.name: '{name}' is not a supported kind of archive (.zip, ")
    assert message.endswith("pack the files again as .zip")


def test_a_checksum_that_is_none_is_refused():
    with pytest.raises(ValidationError, match="sha256"):
        Archive(name="a.zip", sha256="abc", unpacked_megabytes=1)


def by_name(encoding):
    """Ids by universal name."""
    found: dict[str, set[int]] = {}
    table = load_encoding(encoding)
    for key, name in zip(table.keys.tolist(), table.names, strict=True):
        found.setdefault(name, set()).add(key)
    return found


def test_the_ids_of_cityscapes_mean_what_its_colours_mean():
    # The colours' mirror above, by the ids that the publisher's table gives the same classes.
    ids_of = {
        (128, 64, 128): 7,
        (244, 35, 232): 8,
        (250, 170, 160): 9,
        (230, 150, 140): 10,
        (70, 70, 70): 11,
        (102, 102, 156): 12,
        (190, 153, 153): 13,
        (180, 165, 180): 14,
        (150, 100, 100): 15,
        (150, 120, 90): 16,
        (153, 153, 153): 17,
        (250, 170, 30): 19,
        (220, 220, 0): 20,
        (107, 142, 35): 21,
        (152, 251, 152): 22,
        (70, 130, 180): 23,
        (220, 20, 60): 24,
        (255, 0, 0): 25,
        (0, 0, 142): 26,
        (0, 0, 70): 27,
        (0, 60, 100): 28,
        (0, 0, 90): 29,
        (0, 0, 110): 30,
        (0, 80, 100): 31,
        (0, 0, 230): 32,
        (119, 11, 32): 33,
        (20, 20, 20): 4,
        (111, 74, 0): 5,
        (81, 0, 81): 6,
    }
    colours = {row[:-1]: row[-1] for row in load_encoding("cityscapes_colours").values}
    ids = {row[0]: row[-1] for row in load_encoding("cityscapes_ids").values}
    assert {i: colours[colour] for colour, i in ids_of.items()} == {
        i: name for i, name in ids.items() if i not in {0, 1, 2, 3, 18}
    }
    assert {ids[i] for i in (0, 1, 2, 3)} == {"unlabelled"}
    assert ids[18] == "pole_group"


def test_the_ids_that_are_those_of_cityscapes():
    cityscapes = load_encoding("cityscapes_ids").values
    assert load_encoding("gta5").values == [*cityscapes, (34, "car")]
    assert load_encoding("wilddash2").values[:34] == cityscapes
    train_ids = [name for _, name in load_encoding("cityscapes_train_ids").values]
    assert tuple(train_ids[:-1]) == load_taxonomy("cityscapes19").class_names


# Numbers of rows as the publishers' own tables have them, and ids that are easily off by one.
@pytest.mark.parametrize(
    ("name", "rows", "some"),
    [
        ("idd_level3", 27, {"kerb": {13}, "pole": {20}, "building": {22}, "sky": {25}}),
        ("idd_lite", 8, {"drivable": {0}, "far_object": {5}, "unlabelled": {255}}),
        ("synthia", 23, {"road": {3}, "sky": {1}, "wall": {21}, "lane_marking": {22}}),
        ("lost_and_found", 44, {"road": {1}, "unlabelled": {0}, "bicycle": {23}}),
        (
            "wilddash2",
            81,
            {"billboard": {36}, "wall": {12, 56}, "barrier": set(), "kerb": {52, 80}},
        ),
        ("camvid32", 32, {"road": {0x804080}, "sky": {0x808080}, "wall": {0x40C000}}),
        ("a2d2", 55, {"sky": {0x87CEFF}, "building": {0xF1E6FF}, "sidewalk": {0xB496C8}}),
    ],
)
def test_encodings_by_their_size_and_single_ids(name, rows, some):
    found = by_name(name)
    assert sum(map(len, found.values())) == rows
    for universal, ids in some.items():
        assert found.get(universal, set()) == ids, universal


# The names as the publisher writes them, of labels of which a part of the name says little.
@pytest.mark.parametrize(
    ("name", "rows", "some"),
    [
        (
            "mapillary_vistas_v12",
            66,
            {
                "person": {"human--person"},
                "lane_marking": {"marking--crosswalk-zebra", "marking--general"},
                "traffic_light": {"object--traffic-light"},
                "unlabelled": {"void--car-mount", "void--ego-vehicle", "void--unlabeled"},
            },
        ),
        (
            "mapillary_vistas_v20",
            124,
            {
                "person": {"human--person--individual", "human--person--person-group"},
                "road": {
                    "construction--flat--crosswalk-plain",
                    "construction--flat--road",
                    "construction--flat--service-lane",
                    "object--catch-basin",
                    "object--manhole",
                    "object--pothole",
                },
                "ground": {
                    "construction--flat--traffic-island",
                    "nature--snow",
                    "nature--water",
                    "void--ground",
                },
                "unlabelled": {"void--car-mount", "void--ego-vehicle", "void--unlabeled"},
            },
        ),
    ],
)
def test_tables_by_the_names_of_labels(name, rows, some):
    found: dict[str, set[str]] = {}
    for label, universal in load_encoding(name).values:
        found.setdefault(str(universal), set()).add(str(label))
    assert sum(map(len, found.values())) == rows
    for universal, labels in some.items():
        assert found[universal] == labels


def test_names_are_known_before_the_config_is_there():
    assert "car" in load_card("mapillary_vistas_v20").table.names
