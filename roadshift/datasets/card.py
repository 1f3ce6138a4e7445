"""Data set cards: what a set is, where it comes from, and how its labels are to be read.

A card is a YAML file; a new set with a known label encoding needs no code. The encodings, tables
from a set's own ids or colours to universal names, lie beside the cards since sets share them.
"""

import re
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from pydantic import Field, ValidationError, model_validator

from roadshift.datasets.synthetic.world import WorldSettings
from roadshift.errors import RoadshiftError
from roadshift.settings import Settings, explain, nearest
from roadshift.taxonomy import universal_names

SPLITS = ("train", "val", "test")
Split = Literal["train", "val", "test"]
UNKNOWN = 255
"""The native index of a value that an encoding does not know."""


class Archive(Settings):
    """The file a publisher hands out."""

    name: Annotated[str, Field(pattern=r"^[^./\\][^/\\]*$")]
    """The file's name, in a mirror too."""
    url: str | None = None
    """Where the publisher serves it, or the page of a public share; None where a person has to
    fetch it."""
    by_hand: str = ""
    """Where a person gets it, for sets without a URL, or in case that the URL fails."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    unpacked_megabytes: Annotated[int, Field(gt=0)]
    """What its members may come to in all, as a bound against archives that fill the disk."""


class Layout(Settings):
    """Where pictures and labels lie, as patterns of `{id}`, `{split}`, `{group}` and `{part}`."""

    root: str = "."
    image: str
    label: str
    """`{part}` in both stands for what a picture's and its label's path share besides."""
    id: str = "[^/]+"
    """What an id looks like, a regular expression; files of other ids are left out."""
    group: str | None = None
    """A regular expression whose first group, found in the id, names the drive or city."""

    @model_validator(mode="after")
    def _patterns_agree(self) -> "Layout":
        image, label = (set(re.findall(r"{(.*?)}", p)) for p in (self.image, self.label))
        for pattern, parts in ((self.image, image), (self.label, label)):
            if "id" not in parts or parts - {"id", "split", "group", "part"}:
                raise ValueError(
                    f"'{pattern}' needs {{id}} and may have {{split}}, {{group}} and {{part}}"
                )
        if image != label:
            raise ValueError(f"'{self.image}' and '{self.label}' must name the same parts")
        return self


class Splits(Settings):
    """How a set is parted: by the publisher's own splits, by group, or by share and seed."""

    official: dict[str, Split] | None = None
    """The publisher's name of a split to ours."""
    groups: dict[str, Split] | None = None
    """A group to our split, whatever the publisher's own is."""
    random: dict[Split, Annotated[float, Field(gt=0, le=1)]] | None = None
    """Shares, which sum to 1, of a seeded order of the ids, or of the groups."""
    val_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The share of an official train split that is kept back for val, by seed, where the
    publisher's own validation is what is scored."""
    by_group: bool = False
    """Whether shares are of groups, which stay whole, and not of pictures."""

    @model_validator(mode="after")
    def _one_way(self) -> "Splits":
        if (self.official or self.groups) is None and self.random is None:
            raise ValueError("needs exactly one of official and random, or groups")
        if (self.official or self.groups) is not None and self.random is not None:
            raise ValueError("needs exactly one of official and random, or groups")
        if self.random is not None and abs(sum(self.random.values()) - 1) > 1e-6:
            raise ValueError(f"the shares of random sum to {sum(self.random.values())}, not to 1")
        if self.val_share and (self.groups or "train" not in (self.official or {}).values()):
            raise ValueError("val_share needs an official train split, and no groups")
        return self


class Encoding(Settings):
    """A table from the values in label pictures to universal names."""

    kind: Literal["grey", "red16", "colour"]
    """Ids in one grey byte a pixel, ids in the red channel of 16-bit RGB, or 8-bit colours."""
    values: list[Annotated[tuple[int | str, ...], Field(strict=False)]]
    """Rows `[id, name]` for ids, `[red, green, blue, name]` for colours."""
    source: str
    """Where the table is published."""

    @model_validator(mode="after")
    def _rows_are_sound(self) -> "Encoding":
        width = 3 if self.kind == "colour" else 1
        top = 65535 if self.kind == "red16" else 255
        for *value, name in self.values:
            if len(value) != width or not all(isinstance(v, int) and 0 <= v <= top for v in value):
                raise ValueError(f"row {[*value, name]}: expected {width} integers in 0..{top}")
            if name not in universal_names():
                raise ValueError(f"'{name}' is no universal name{_near_universal(str(name))}")
        if len({tuple(row[:-1]) for row in self.values}) != len(self.values):
            raise ValueError("a value stands in two rows")
        if len(self.values) >= UNKNOWN:
            raise ValueError(f"more than {UNKNOWN - 1} rows")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Universal names by native index, the row's place in the table."""
        return tuple(str(row[-1]) for row in self.values)

    @property
    def keys(self) -> np.ndarray:
        """Ids, or colours packed as red * 65536 + green * 256 + blue, by native index; int64."""
        rows = np.array([row[:-1] for row in self.values], np.int64)
        return rows @ np.array([65536, 256, 1]) if self.kind == "colour" else rows[:, 0]


class Card(Settings):
    """All there is to know of a data set."""

    name: str
    title: str
    publisher: str
    licence: str
    citation: str
    homepage: str = ""
    notes: str = ""
    tried: Literal["real", "stand-in", "miniature"] | None = None
    """On the publisher's files, on others in their layout, or on a miniature of it. None for a
    synthetic set, which is drawn, and where nobody has said."""
    archive: Archive | None = None
    archives: Annotated[tuple[Archive, ...], Field(strict=False)] = ()
    """For a set that comes in several files, which are unpacked into the same folder."""
    world: WorldSettings | None = None
    """For a synthetic set, which is drawn instead of fetched."""
    seed: int = 0
    """What a synthetic set is drawn from."""
    samples: dict[str, int]
    """Labelled pictures by the publisher's splits ('all' where there is but one), if known."""
    layout: Layout
    splits: Splits
    encoding: str

    @model_validator(mode="after")
    def _has_one_origin(self) -> "Card":
        if [self.archive is None, not self.archives, self.world is None].count(False) != 1:
            raise ValueError("needs exactly one of archive, archives and world")
        return self

    @property
    def files(self) -> tuple[Archive, ...]:
        """What is to be fetched: one archive, several, or none for a synthetic set."""
        return self.archives if self.archive is None else (self.archive,)

    @property
    def table(self) -> Encoding:
        """The label encoding, read from its file.

        Raises:
            RoadshiftError: there is none of that name, or it is not sound.
        """
        return load_encoding(self.encoding)


def _near_universal(name: str) -> str:
    return nearest(name, universal_names())


def _names_in(folder: str) -> tuple[str, ...]:
    files = (resources.files(__package__) / folder).iterdir()
    return tuple(sorted(f.name.removesuffix(".yaml") for f in files if f.name.endswith(".yaml")))


def card_names() -> tuple[str, ...]:
    """The data sets there are cards of."""
    return _names_in("cards")


def _load(folder: str, name: str, what: str) -> dict[str, Any]:
    if name not in _names_in(folder):
        raise RoadshiftError(f"'{name}' is not a {what}{nearest(name, _names_in(folder))}")
    text = (resources.files(__package__) / folder / f"{name}.yaml").read_text("utf-8")
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RoadshiftError(f"{what} '{name}': not YAML: {' '.join(str(error).split())}") from None


@cache
def load_card(name: str) -> Card:
    """Reads a data set's card.

    Raises:
        RoadshiftError: there is no card of that name, or it does not fit the schema.
    """
    content = _load("cards", name, "data set")
    try:
        return Card(name=name, **content)
    except ValidationError as error:
        raise RoadshiftError(f"card '{name}': {explain(error, Card)}") from None


@cache
def load_encoding(name: str) -> Encoding:
    """Reads a label encoding.

    Raises:
        RoadshiftError: there is none of that name, or it does not fit the schema.
    """
    content = _load("encodings", name, "label encoding")
    try:
        return Encoding(**content)
    except ValidationError as error:
        raise RoadshiftError(f"encoding '{name}': {explain(error, Encoding)}") from None
