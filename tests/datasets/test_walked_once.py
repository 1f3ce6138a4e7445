"""A set's folders are walked once, however its patterns lie."""

import numpy as np
import pytest

from roadshift.datasets import pairing
from roadshift.datasets.card import load_card
from roadshift.datasets.layout import Layout
from roadshift.datasets.walk import find_files


@pytest.mark.parametrize(
    ("image", "label", "walked"),
    [
        ("{id}.png", "labels/{id}.png", ["."]),
        ("{id}.png", ".labels/{id}.png", [".", ".labels"]),
        ("images/{id}.png", "images/masks/{id}.png", ["images"]),
        ("images/{id}.png", "images_masks/{id}.png", ["images", "images_masks"]),
        ("images/{id}.png", "images/{id}_mask.png", ["images"]),
    ],
)
def test_no_folder_is_walked_twice(tmp_path, save_image, monkeypatch, image, label, walked):
    for pattern in (image, label):
        save_image(tmp_path / pattern.format(id="1"), np.zeros((2, 3)))
    found = []

    def recorded(folder):
        found.append(folder.relative_to(tmp_path).as_posix())
        return find_files(folder)

    monkeypatch.setattr(pairing, "find_files", recorded)
    card = load_card("folder")
    layout = Layout(image=image, label=label, id="[0-9]")
    pairs = pairing.pair_files(card.model_copy(update={"layout": layout}), tmp_path, None)
    assert [(pair.image, pair.label) for pair in pairs] == [
        (image.format(id=1), label.format(id=1))
    ]
    assert sorted(found) == walked


def test_a_walk_for_a_missing_file_is_the_only_other_one(tmp_path, save_image, monkeypatch):
    save_image(tmp_path / "labels/1.png", np.zeros((2, 3)))
    save_image(tmp_path / "1.png", np.zeros((2, 3)))
    save_image(tmp_path / "2.png", np.zeros((2, 3)))
    found = []

    def recorded(folder):
        found.append(folder)
        return find_files(folder)

    monkeypatch.setattr(pairing, "find_files", recorded)
    layout = Layout(image="{id}.png", label="labels/{id}.png", id="[0-9]")
    card = load_card("folder").model_copy(update={"layout": layout})
    assert len(pairing.find_pairs(card, tmp_path, None).alone) == 1
    assert found == [tmp_path]
