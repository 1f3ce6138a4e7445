"""The parts of a card that a step reads, so that a change of another part does not repeat it."""

from typing import Any

from roadshift.datasets.card import Card
from roadshift.datasets.used_files import UsedFiles
from roadshift.settings import Settings

DESCRIPTION = ("title", "publisher", "licence", "citation", "homepage", "notes", "tried", "samples")
"""Keys that are shown, and decide nothing of a set that is not drawn."""
READING = ("layout", "splits", "encoding")
"""Keys that decide what the files of a set mean, once they are there."""


def description(card: Card) -> dict[str, Any]:
    """Returns what a card says of its set, and its name."""
    return card.model_dump(mode="json", include={"name", *DESCRIPTION})


def reading(card: Card) -> dict[str, Any]:
    """Returns what labels, splits and the manifest are made by."""
    return _told(card, include={*READING})


def origin(card: Card) -> dict[str, Any]:
    """Returns what decides which files a set has: the origin, and what of the rest it is read by.

    Words about where a person gets an archive are not among it, nor ids that are left out of what
    was unpacked.
    """
    if card.files:
        archives = [_told(archive, exclude={"by_hand"}) for archive in card.files]
        # Only what the layout fits is unpacked, so another layout has to unpack again.
        return {"archives": archives, "used": UsedFiles(card).description}
    if card.tfds is not None:
        published = sorted(card.splits.published or ())
        return {"tfds": _told(card.tfds), "published": published}
    if card.world is not None:
        return {"world": card.world, "seed": card.seed, "samples": card.samples}
    # The images and labels that fit are copied, with the encoding and the lists of splits.
    return {"folder": card.folder, **reading(card)}


def _told(
    part: Settings, *, include: set[str] | None = None, exclude: set[str] | None = None
) -> dict[str, Any]:
    # Without the defaults, a key that cards get later leaves the digests of others as they are.
    return part.model_dump(mode="json", include=include, exclude=exclude, exclude_defaults=True)
