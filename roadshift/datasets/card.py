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

    name: str
    """The file's name, in a mirror too."""
    url: str | None = None
    """Where the publisher serves it; None where a person has to fetch it."""
    by_hand: str = ""
    """Where a person gets it, for sets without a URL."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    unpacked_megabytes: Annotated[int, Field(gt=0)]
    """What its members may come to in all, as a bound against archives that fill the disk."""


class Layout(Settings):
    """Where pictures and labels lie, as patterns of `{id}`, `{split}` and `{group}`."""

    root: str = "."
    image: str
    label: str
    group: str | None = None
    """A regular expression whose first group, found in the id, names the drive or city."""

    @model_validator(mode="after")
    def _patterns_agree(self) -> "Layout":
        image, label = (set(re.findall(r"{(.*?)}", p)) for p in (self.image, self.label))
        for pattern, parts in ((self.image, image), (self.label, label)):
            if "id" not in parts or parts - {"id", "split", "group"}:
                raise ValueError(f"'{pattern}' needs {{id}} and may have {{split}} and {{group}}")
        if image != label:
            raise ValueError(f"'{self.image}' and '{self.label}' must name the same parts")
        return self


class Splits(Settings):
    """How a set is parted: by the publisher's own splits, or by share and seed."""

    official: dict[str, Split] | None = None
    """The publisher's name of a split to ours."""
    random: dict[Split, Annotated[float, Field(gt=0, le=1)]] | None = None
    """Shares, which sum to 1, of a seeded order of the ids."""

    @model_validator(mode="after")
    def _exactly_one(self) -> "Splits":
        if (self.official is None) == (self.random is None):
            raise ValueError("needs exactly one of official and random")
        if self.random is not None and abs(sum(self.random.values()) - 1) > 1e-6:
            raise ValueError(f"the shares of random sum to {sum(self.random.values())}, not to 1")
        return self


class Encoding(Settings):
    """A table from the values in label pictures to universal names."""

    kind: Literal["grey", "colour"]
    values: list[Annotated[tuple[int | str, ...], Field(strict=False)]]
    """Rows `[id, name]` for grey, `[red, green, blue, name]` for colour."""
    source: str
    """Where the table is published."""

    @model_validator(mode="after")
    def _rows_are_sound(self) -> "Encoding":
        width = 1 if self.kind == "grey" else 3
        for *value, name in self.values:
            if len(value) != width or not all(isinstance(v, int) and 0 <= v <= 255 for v in value):
                raise ValueError(f"row {[*value, name]}: expected {width} integers in 0..255")
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
        return rows[:, 0] if self.kind == "grey" else rows @ np.array([65536, 256, 1])


class Card(Settings):
    """All there is to know of a data set."""

    name: str
    title: str
    publisher: str
    licence: str
    citation: str
    homepage: str = ""
    notes: str = ""
    archive: Archive | None = None
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
        if (self.archive is None) == (self.world is None):
            raise ValueError("needs exactly one of archive and world")
        return self

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
