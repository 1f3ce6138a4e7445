"""The files of a set that its card reads: what is unpacked of a publisher's archives."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from roadshift.datasets.card import Card
from roadshift.datasets.layout_patterns import pattern_regex


class UsedFiles:
    """Tells a set's files that its card reads from others, by their paths.

    These are images and labels by the layout's patterns, of the publisher's splits that the card
    names, and the lists and the config that the card reads beside them. Upper and lower case do not
    matter, so that a name in another case is still named where its other half is missing.
    """

    def __init__(self, card: Card) -> None:
        layout, splits = card.layout, card.splits
        root = PurePosixPath(layout.root)
        self._root = f"{root}/" if root.parts else ""
        label = layout.label if layout.has_labels else None
        self._shown = [*filter(None, (layout.image, label, layout.annotations))]
        self._patterns = [pattern_regex(layout, each, re.IGNORECASE) for each in self._shown]
        self._id = layout.id
        # Where the card's own scheme is not the publisher's, it is of all files.
        self._splits = sorted((splits.official and splits.published) or ())
        schemes = (splits, *splits.named.values())
        beside = {name for scheme in schemes for name in (scheme.lists or {}).values()}
        if card.table.config is not None:
            beside.add(card.table.config)
        self._beside = sorted(str(PurePosixPath(name)) for name in beside)

    @property
    def description(self) -> Mapping[str, Any]:
        """All that decides which files are used, for a digest."""
        return {
            "root": self._root,
            "patterns": self._shown,
            "id": self._id,
            "splits": self._splits,
            "beside": self._beside,
        }

    def __str__(self) -> str:
        return " or ".join(f"'{self._root}{name}'" for name in (*self._shown, *self._beside))

    def __contains__(self, path: object) -> bool:
        """Returns whether the card reads the file of a path, relative to the set's folder."""
        path = str(path)
        if not path.startswith(self._root):
            return False
        name = path.removeprefix(self._root)
        if name.casefold() in map(str.casefold, self._beside):
            return True
        return any(self._fits(regex, name) for regex in self._patterns)

    def _fits(self, regex: re.Pattern[str], name: str) -> bool:
        match = regex.fullmatch(name)
        if match is None:
            return False
        # A file with the annotations of all splits has no split in its path.
        if not self._splits or "split" not in match.groupdict():
            return True
        return match["split"].casefold() in map(str.casefold, self._splits)
