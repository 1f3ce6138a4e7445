"""Cards that are files outside the package, and the parts of a card that steps depend on."""

import pytest

from roadshift.datasets.card import Card, card_name, card_names, load_card
from roadshift.datasets.card_parts import DESCRIPTION, READING, description, origin, reading
from roadshift.errors import RoadshiftError

TEXT = """\
title: my camera
publisher: me
licence: my own
citation: none
folder: data/elsewhere
samples: {}
layout: {image: "{id}.jpg", label: "{id}.png"}
splits: {random: {test: 1.0}}
encoding: cityscapes_ids
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards/mine.yaml").write_text(TEXT, "utf-8")
    return tmp_path


def refuse(name, match):
    with pytest.raises(RoadshiftError, match=match) as caught:
        load_card(name)
    assert "\n" not in str(caught.value)


def test_a_card_is_a_file_by_its_path(here):
    for path in ("cards/mine.yaml", "./cards/mine.yaml", str(here / "cards/mine.yaml")):
        card = load_card(path)
        assert (card.name, card.title, card_name(path)) == ("mine", "my camera", "mine")
    assert card_name("kitti") == "kitti"


def test_a_path_from_the_home_folder(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here))
    assert load_card("~/cards/mine.yaml").name == "mine"


def test_a_changed_file_is_read_again(here):
    assert load_card("cards/mine.yaml").title == "my camera"
    (here / "cards/mine.yaml").write_text(TEXT.replace("my camera", "another"), "utf-8")
    assert load_card("cards/mine.yaml").title == "another"


def test_a_card_that_is_not_there(here):
    refuse("cards/min.yaml", r"cards/min\.yaml: there is no such card \(/.*/cards/min\.yaml\)")
    refuse("kitti.yaml", r"relative to the working directory; for roadshift's own card write 'kitt")


def test_a_card_that_is_not_sound(here):
    file = here / "cards/mine.yaml"
    file.write_text(TEXT.replace("title", "titel"), "utf-8")
    refuse("cards/mine.yaml", r"cards/mine\.yaml: .*titel: unknown key; did you mean 'title'")
    file.write_text("a: [", "utf-8")
    refuse("cards/mine.yaml", r"cards/mine\.yaml: not YAML: line 1")
    file.write_text("", "utf-8")
    refuse("cards/mine.yaml", r"cards/mine\.yaml: expected keys with values, not None")


@pytest.mark.parametrize("name", ["my camera.yaml", "a-b.yaml", ".yaml", "ü.yaml"])
def test_a_name_that_no_shard_can_have(here, name):
    (here / "cards" / name).write_text(TEXT, "utf-8")
    refuse(f"cards/{name}", "rename it, with letters, digits and _")


def test_a_folder_that_is_called_like_a_card(here):
    (here / "cards/folder.yaml").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        load_card("cards/folder.yaml")


def test_every_key_of_a_card_belongs_to_one_part():
    """A key that no step depends on would change nothing, unnoticed."""
    origins = {"archive", "archives", "folder", "tfds", "world", "seed"}
    assert {"name"} | {*DESCRIPTION} | {*READING} | origins == {*Card.model_fields}
    assert not {*DESCRIPTION} & {*READING}


@pytest.mark.parametrize("name", card_names())
def test_another_description_is_the_same_set_and_another_encoding_another_reading(name):
    card = load_card(name)
    told = card.model_copy(update={"title": "another", "licence": "another"})
    assert (origin(told), reading(told)) == (origin(card), reading(card))
    assert description(told) != description(card)
    other = "synthetic" if card.encoding == "lost_and_found" else "lost_and_found"
    read = card.model_copy(update={"encoding": other})
    assert reading(read) != reading(card)
    # An archive is unpacked with the config that its encoding reads.
    has_config = bool(card.files) and card.table.config is not None
    assert (origin(read) != origin(card)) == (card.folder is not None or has_config)


def test_what_decides_the_files_is_the_origin():
    for name, update in (
        ("tfds", {"tfds": load_card("tfds_cityscapes").tfds}),
        ("folder", {"folder": "elsewhere"}),
        ("kitti", {"archive": load_card("ika").archive}),
        ("kitti", {"layout": load_card("ika").layout}),
        ("cityscapes", {"archives": load_card("cityscapes").archives[:1]}),
        ("synthetic_noon", {"seed": 12345}),
        ("synthetic_noon", {"samples": {"train": 1, "val": 1, "test": 1}}),
    ):
        card = load_card(name)
        assert origin(card.model_copy(update=update)) != origin(card), name


def test_other_words_about_where_an_archive_is_got_fetch_nothing_again():
    card = load_card("ika")
    assert card.archive is not None
    archive = card.archive.model_copy(update={"by_hand": "elsewhere"})
    assert origin(card.model_copy(update={"archive": archive})) == origin(card)
