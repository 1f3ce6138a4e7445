"""Encodings and layouts of labels in JSON files: what a table and a card may say."""

import pytest
from pydantic import ValidationError

from roadshift.datasets.card import Card, load_card
from roadshift.datasets.encoding import NAMED_KINDS, UNKNOWN, Encoding, load_encoding, shown_value
from roadshift.datasets.layout import Layout
from roadshift.datasets.own_table import is_own_table


def table(kind="polygons", **changes):
    content = {"kind": kind, "values": [["road", "road"]], "source": "here"} | changes
    return Encoding.model_validate(content)


@pytest.mark.parametrize("kind", NAMED_KINDS)
def test_the_background_is_the_last_native_index(kind):
    encoding = table(kind, values=[["a", "road"], ["b", "sky"]], background="unlabelled")
    assert encoding.names == ("road", "sky", "unlabelled")
    assert encoding.native_of == {"a": 0, "b": 1}
    assert encoding.background_index == 2
    assert table(kind).background_index is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"background": "bg"}, "background: 'bg' is not a universal name; write 'unlabelled'"),
        ({"kind": "grey", "values": [[0, "road"]], "background": "sky"}, "are for panoptic, "),
        ({"kind": "grey", "values": [[0, "road"]], "undrawn": ["x"]}, "are for panoptic, "),
        ({"values": [[0, "road"]]}, "expected a label and its name"),
        ({"values": [["a", "b", "road"]]}, "expected a label and its name"),
        ({"values": [["a", "road"], ["a", "sky"]]}, "two rows have the value a"),
        ({"config": "c.json"}, "config is for ids only"),
        ({"values": [[str(i), "road"] for i in range(255)]}, "at most 254 rows"),
    ],
)
def test_tables_are_checked(changes, message):
    with pytest.raises(ValidationError) as caught:
        table(**changes)
    assert message in str(caught.value)


def test_254_labels_and_a_background_fit_into_a_byte():
    rows = [[str(i), "road"] for i in range(254)]
    index = table(values=rows, background="sky").background_index
    assert index is not None
    assert index < UNKNOWN


def test_a_table_like_another_has_its_rows():
    like, other = load_encoding("wilddash2_panoptic"), load_encoding("wilddash2")
    assert (like.values, like.source) == (other.values, other.source)
    assert (like.kind, other.kind) == ("panoptic", "grey")


def test_labels_are_shown_by_name():
    assert shown_value("coco", "a\nb") == "'a\\nb'"
    assert shown_value("colour", 0x010203) == "(1, 2, 3)"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": "labels/all.png"}, "'labels/all.png' needs {id}"),
        ({"label": "{group}/all.json"}, "must have the same placeholders"),
        (
            {"image": "{split}/{id}.jpg", "label": "all.json"},
            "must have the same placeholders",
        ),
        ({"image": "all.jpg", "label": "all.json"}, "'all.jpg' needs {id}"),
        ({"label": "{id}.png", "annotations": "{split}.json"}, "has other placeholders than label"),
        ({"label": "{id}.png", "annotations": "{id}.json"}, "has other placeholders than label"),
    ],
)
def test_layouts_are_checked(changes, message):
    with pytest.raises(ValidationError) as caught:
        Layout.model_validate({"image": "{id}.jpg", "label": "{id}.png"} | changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("encoding.yaml", True),
        ("labelmap.txt", True),
        ("*/_classes.csv", True),
        ("class_names.txt", True),
        ("annotations/instances_*.json", True),
        ("camvid11", False),
    ],
)
def test_which_encodings_lie_among_the_sets_files(name, own):
    assert is_own_table(name) == own


def test_a_table_of_an_unknown_form_is_refused():
    content = load_card("cvat").model_dump() | {"encoding": "labels.xml"}
    with pytest.raises(ValidationError, match=r"a name with \.yaml or \.json, labelmap\.txt"):
        Card.model_validate(content)
    archive = load_card("kitti").model_dump() | {"encoding": "labelmap.txt"}
    with pytest.raises(ValidationError, match="only a card with a folder can name a file"):
        Card.model_validate(archive)
