import json

import pytest
from click.testing import CliRunner

from roadshift.__main__ import main
from roadshift.commands.datasets import images_by_split, split_text
from roadshift.datasets.card import card_names, load_card
from roadshift.datasets.splits import Split, Splits

OBTAINED = ("automatic", "by hand", "by TFDS", "drawn", "yours")


def show(*arguments, columns="200"):
    done = CliRunner().invoke(main, ["datasets", *arguments], env={"COLUMNS": columns})
    assert done.exit_code == 0, done.output
    return done.output


def row(name, output):
    """Returns the cells of a data set's row; no cell wraps at this width."""
    (line,) = (line for line in output.splitlines() if line.startswith(f"{name} "))
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_the_list_has_every_card():
    output = show()
    listed = [line.split(" ")[0] for line in output.splitlines()]
    assert [name for name in listed if name in card_names()] == list(card_names())


def test_a_row_says_what_the_card_says():
    output = show()
    assert row("camvid", output) == [
        "camvid", "CamVid, eleven classes, 480×360", "367+101+233", "grey", "automatic", "real",
        "research use",
    ]  # fmt: skip
    assert row("synthetic_dusk", output)[2:] == ["120+16+40", "colour", "drawn", "drawn", "MIT"]
    assert row("ika", output)[2:6] == ["-", "colour", "automatic", "stand-in"]


@pytest.mark.parametrize("columns", ["80", "100", "150"])
def test_names_and_short_columns_are_whole_at_every_width(columns):
    output = show(columns=columns)
    assert max(map(len, output.splitlines())) <= int(columns)
    for name in card_names():
        (line,) = (line for line in output.splitlines() if line.startswith(f"{name} "))
        assert any(how in line for how in OBTAINED)
    assert "…" not in output


@pytest.mark.parametrize("name", card_names())
def test_every_set_says_what_it_was_tried_on(name):
    card = load_card(name)
    of_no_publisher = card.world is not None or name in ("folder", "unlabelled", "tfds")
    assert (card.tried is None) == of_no_publisher, "add `tried` to the card"


def test_the_groups_of_kitti_are_not_called_drives_alone():
    text = split_text(load_card("kitti").splits)
    assert text == (
        "groups (drives, cities or runs of neighbours) at random by data.split.seed: 60% train, "
        "10% val, 30% test"
    )


def test_what_was_tried_on_real_files():
    tried = {name: load_card(name).tried for name in card_names()}
    real = {name for name, what in tried.items() if what == "real"}
    assert real >= {"camvid", "kitti", "idd_lite"}
    assert tried["ika"] == "stand-in"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("camvid", {"train": 367, "val": 101, "test": 233}),
        ("kitti", {"train": 120, "val": 20, "test": 60}),
        ("bdd100k", {"train": 6300, "val": 700, "test": 1000}),
        ("mapillary_vistas_v20", {"train": 16200, "val": 1800, "test": 2000}),
        ("folder", None),
        ("camvid32", None),
        ("ika", None),
    ],
)
def test_images_by_split(name, expected):
    assert images_by_split(load_card(name)) == expected


def test_the_share_of_whole_groups_is_marked_as_about():
    assert row("cityscapes", show())[2] == "~2677+298+500"


def test_a_card_in_full():
    output = show("cityscapes")
    for part in (
        "Cityscapes, fine annotations",
        "Daimler",
        "CVPR 2016",
        "https://www.cityscapes-dataset.com",
        "train 2975, val 500",
        "train as train, val as test; 10% of the groups (drives, cities or runs of neighbours) of "
        "train kept as val",
        "gtFine_trainvaltest.zip",
        "<= 3000 MB",
        "by hand: register at https://www.cityscapes-dataset.com/downloads",
        "ROADSHIFT_MIRROR",
        "./gtFine/{split}/{group}/{id}_gtFine_labelIds.png",
    ):
        assert part in output, part
    assert any(line.split()[:2] == ["26", "car"] for line in output.splitlines())


def test_the_splits_that_a_card_names():
    assert "split 'drives'" in show("camvid")
    assert "by groups (drives, cities or runs of neighbours): 0016E5 train" in show("camvid")
    assert "shuffled by random.seed(123)" in show("kitti")


def test_the_lists_of_a_publisher_are_shown_and_counted():
    lists: dict[Split, str] = {"train": "train.txt", "test": "eval.txt"}
    update = {"splits": Splits(lists=lists), "samples": {"train": 7, "test": 3}}
    card = load_card("camvid").model_copy(update=update)
    assert images_by_split(card) == {"train": 7, "val": 0, "test": 3}
    text = "the publisher's lists: train.txt as train, eval.txt as test"
    assert split_text(card.splits) == text


def test_a_table_of_ones_own_is_asked_for():
    assert "your own table, which you put as 'encoding.yaml' into data/own" in show("folder")
    assert json.loads(show("folder", "--json"))["values"] is None


def test_a_colour_table_in_full():
    lines = [" ".join(line.split()) for line in show("kitti").splitlines()]
    assert "150, 120, 90 tunnel tunnel walls and ceiling" in lines
    assert "ROADSHIFT_MIRROR" not in show("kitti")


@pytest.mark.parametrize("columns", ["80", "200"])
def test_a_table_by_the_names_of_labels(columns):
    lines = [
        " ".join(line.split())
        for line in show("mapillary_vistas_v20", columns=columns).splitlines()
    ]
    assert any(line.startswith("object--vehicle--car car ") for line in lines)
    assert any("index of its label in config_v2.0.json" in line for line in lines)
    content = json.loads(show("mapillary_vistas_v20", "--json"))
    assert content["config"] == "config_v2.0.json"
    assert ["object--vehicle--car", "car"] in content["values"]


@pytest.mark.parametrize("name", card_names())
def test_every_card_can_be_shown(name):
    assert load_card(name).title in show(name, columns="1000")
    assert json.loads(show(name, "--json"))["name"] == name


def test_json_of_the_list():
    rows = json.loads(show("--json"))
    assert [entry["name"] for entry in rows] == list(card_names())
    kitti = next(entry for entry in rows if entry["name"] == "kitti")
    assert kitti["images"] == {"train": 120, "val": 20, "test": 60}
    assert kitti["tried"] == "real"


def test_json_of_a_card_has_the_values():
    assert [150, 120, 90, "tunnel"] in json.loads(show("kitti", "--json"))["values"]
