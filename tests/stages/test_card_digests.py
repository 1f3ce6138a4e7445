"""What check_inputs writes of cards, which the stages that read them depend on."""

import json
import shutil
from pathlib import Path

import pytest

from roadshift.settings import load_yaml
from stages.check_inputs import main
from stages.params import Params

PROJECT = Path(__file__).parents[2]
CARD = """\
title: my camera
publisher: me
licence: my own
citation: none
archive: {name: mine.zip, by_hand: on my disk, unpacked_megabytes: 5}
samples: {}
layout: {image: "images/{id}.jpg", label: "labels/{id}.png"}
splits: {random: {train: 0.6, val: 0.1, test: 0.3}}
encoding: cityscapes_ids
"""


@pytest.fixture
def digests(tmp_path, monkeypatch):
    """(card's text) -> the digests of the target's part files, where the card is of this text."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROADSHIFT_MIRROR", raising=False)
    Path("data").mkdir()
    content = load_yaml((PROJECT / "params.yaml").read_bytes())
    content["domains"]["target"] = "cards/mine.yaml"
    content["data"]["split"]["by"]["target"] = "official"

    def write(text):
        Path("cards").mkdir(exist_ok=True)
        Path("cards/mine.yaml").write_text(text, "utf-8")
        main(Params.model_validate(content))
        return {
            part: json.loads(Path(f"data/inputs/{part}/target.json").read_text("utf-8"))
            for part in ("domains", "cards", "descriptions")
        }

    return write


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("my own", "yours", {"descriptions"}),
        ("on my disk", "elsewhere", set()),
        ("mine.zip", "other.zip", {"domains"}),
        # Only what the layout fits is unpacked.
        ("images/{id}", "pictures/{id}", {"cards", "domains"}),
        ("labels/{id}", "masks/{id}", {"cards", "domains"}),
        ('.png"}', '.png", root: set}', {"cards", "domains"}),
        ('.png"}', '.png", id: "[0-9]+"}', {"cards", "domains"}),
        ('.png"}', '.png", exclude: ["7"]}', {"cards"}),
        ('.png"}', '.png", skip_unlabelled: true}', {"cards"}),
        ("random: {train: 0.6, val: 0.1, test: 0.3}", "lists: {test: a.txt}", {"cards", "domains"}),
        ("0.6, val: 0.1", "0.5, val: 0.2", {"cards"}),
        ("cityscapes_ids", "cityscapes_train_ids", {"cards"}),
        ("samples: {}", "samples: {all: 3}", {"descriptions"}),
    ],
)
def test_a_change_of_a_card_outside_the_package_is_seen_by_what_depends_on_it(
    digests, old, new, changed
):
    assert CARD.count(old) == 1
    before = digests(CARD)
    after = digests(CARD.replace(old, new))
    assert {part for part in before if before[part] != after[part]} == changed


def test_a_changed_origin_is_seen_where_the_files_are_no_longer_here(digests):
    Path("data/by_hand").mkdir()
    shutil.copyfile(__file__, "data/by_hand/mine.zip")
    before = digests(CARD)["domains"]
    assert before["sha256"]
    Path("data/by_hand/mine.zip").unlink()
    assert digests(CARD)["domains"] == before
    after = digests(CARD.replace("megabytes: 5", "megabytes: 6"))["domains"]
    assert after["sha256"] == before["sha256"]
    assert after["card"] != before["card"]
