import pytest

from roadshift.datasets.card import load_card
from roadshift.errors import RoadshiftError

CARD = load_card("mapillary_vistas_v20")
LABELS = [str(row[0]) for row in CARD.table.values]


def refuse(message, folder, content):
    file = folder / "config_v2.0.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RoadshiftError) as caught:
        CARD.table_in(folder)
    assert str(caught.value).startswith(f"{file}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("order", [LABELS, LABELS[::-1], LABELS[7:] + LABELS[:7]])
def test_an_id_is_the_place_of_its_label(tmp_path, vistas_config, order):
    (tmp_path / "config_v2.0.json").write_bytes(vistas_config(order))
    table = CARD.table_in(tmp_path)
    assert table.keys.tolist() == list(range(124))
    names = dict(zip(LABELS, CARD.table.names, strict=True))
    assert table.names == tuple(names[label] for label in order)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "missing; a label's id is its position in this file: add the publisher's file"),
        (b"", "not JSON: Expecting value"),
        (b'{"labels": [{"name": "animal--bird"}, {"na', "not JSON: "),
        (b'{"labels": "\xff"}', "not JSON: "),
        (b"[]", 'expected the form {"labels": [{"name": …}, …]}; replace it by the publisher\'s'),
        (b'{"classes": []}', "expected the form"),
        (b'{"labels": []}', "expected the form"),
        (b'{"labels": {"name": "void"}}', "expected the form"),
        (b'{"labels": ["void"]}', "expected the form"),
        (b'{"labels": [{"readable": "Void"}]}', "expected the form"),
        (b'{"labels": [{"name": ["void"]}]}', "expected the form"),
    ],
)
def test_a_config_that_is_none_is_refused(tmp_path, content, message):
    refuse(message, tmp_path, content)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            [*LABELS, "object--drone"],
            "differ from those of the encoding 'mapillary_vistas_v20' (unknown: 'object--drone')",
        ),
        (LABELS[1:], "(missing: 'animal--bird')"),
        ([*LABELS, LABELS[0]], "(twice: 'animal--bird')"),
        (
            ["a", "b", "c", "d", *LABELS[1:]],
            "(unknown: 'a', 'b', 'c' and 1 more; missing: 'animal--bird')",
        ),
    ],
)
def test_a_config_of_other_labels_is_refused(tmp_path, vistas_config, labels, message):
    refuse(message, tmp_path, vistas_config(labels))
