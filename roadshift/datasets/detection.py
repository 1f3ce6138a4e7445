"""Which card reads a folder, told by the files that a label tool leaves in it."""

from pathlib import Path

from roadshift.datasets.card import Card, load_card
from roadshift.datasets.layout_patterns import glob_of, parts_of

OWN = "folder"
"""Card of a folder that has no layout of a tool."""
EXPORTS = (
    *("cvat", "roboflow", "labelme_voc"),
    *("roboflow_coco", "cvat_coco", "cvat_coco_flat", "label_studio"),
)
"""Cards of the exports of label tools, in the order in which they are tried."""


def card_of_folder(folder: Path) -> Card:
    """Returns the card of the label tool whose export a folder is, else the card 'folder'."""
    cards = map(load_card, EXPORTS)
    return next((card for card in cards if _fits(card, folder)), load_card(OWN))


def _fits(card: Card, folder: Path) -> bool:
    """Returns whether a folder has the table of an export, and the folders of its labels."""
    layout = card.layout
    pattern = layout.image if layout.is_shared else layout.label
    inner = pattern[: pattern.index("{id}")].rpartition("/")[0]
    places = [place for place in folder.glob(glob_of(inner)) if place.is_dir()]
    if layout.is_shared:
        parts = (parts_of(layout, inner, p.relative_to(folder).as_posix()) for p in places)
        places = [file for each in parts if (file := folder / layout.label.format(**each)).exists()]
    return bool(places) and any(folder.glob(card.encoding))
