"""Data set cards: what a set is, where it comes from, and how its labels are to be read.

A card is a YAML file; a new set with a known label encoding needs no code. The encodings, tables
from a set's own ids or colours to universal names, lie beside the cards since sets share them.
"""

import json
import re
from collections import Counter
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from roadshift.datasets.splits import Parting, Splits, Way
from roadshift.datasets.synthetic.world import WorldSettings
from roadshift.errors import RoadshiftError
from roadshift.settings import Settings, explain, load_yaml, nearest
from roadshift.taxonomy import universal_names

UNKNOWN = 255
"""The native index of a value that an encoding does not know."""
FileName = Annotated[str, Field(pattern=r"^[^./\\][^/\\]*$")]


class Archive(Settings):
    """The file a publisher hands out."""

    name: FileName
    """The file's name, in a mirror too."""
    url: str | None = None
    """Where the publisher serves it, or the page of a public share; None where a person has to
    fetch it."""
    by_hand: str = ""
    """Where a person gets it, for sets without a URL, or in case that the URL fails."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    unpacked_megabytes: Annotated[int, Field(gt=0)]
    """What its members may come to in all, as a bound against archives that fill the disk."""


class TfdsSource(Settings):
    """A set of TensorFlow Datasets' catalogue, or one in its format in the user's data_dir.

    It is written out as `images/<split>/<id>.png` and `labels/<split>/<id>.png`, by TFDS's own
    names of the splits.
    """

    name: str
    """As `tfds.builder` takes it: 'set/config', and ':version' if need be."""
    image: str
    """The feature that holds the picture."""
    label: str
    """The feature that holds the label: one channel of ids, or three of colours."""
    id: str | None = None
    """The feature that holds a name of the picture; None numbers them."""


class Layout(Settings):
    """Where pictures and labels lie, as patterns of `{id}`, `{split}`, `{group}` and `{part}`.

    A `*` stands for anything within a file's name, in which picture and label may differ.
    """

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


class Encoding(Settings):
    """A table from the values in label pictures to universal names."""

    kind: Literal["grey", "grey16", "red16", "colour"]
    """Ids in one grey byte a pixel (or as indices of a palette), ids in 16-bit grey, ids in the
    red channel of 16-bit RGB, or 8-bit colours."""
    config: FileName | None = None
    """A JSON file in the root of the set's layout, `{"labels": [{"name": …}, …]}`, in which an id
    is the place of its label, where the publisher hands out such a file."""
    values: list[Annotated[tuple[int | str, ...], Field(strict=False)]]
    """Rows `[id, name]` for ids, `[red, green, blue, name]` for colours; `[label, name]` where
    the ids stand in `config`."""
    source: str
    """Where the table is published."""

    @model_validator(mode="after")
    def _rows_are_sound(self) -> "Encoding":
        width = 3 if self.kind == "colour" else 1
        top = 65535 if self.kind in ("grey16", "red16") else 255
        if self.config is not None and self.kind == "colour":
            raise ValueError("config gives ids; colours stand in values")
        for *value, name in self.values:
            if self.config is not None:
                if len(value) != 1 or not isinstance(value[0], str):
                    raise ValueError(f"row {[*value, name]}: expected a label's name in config")
            elif len(value) != width or not all(
                isinstance(v, int) and 0 <= v <= top for v in value
            ):
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
        """Ids, or colours packed as red * 65536 + green * 256 + blue, by native index; int64.

        Of a table with a config only `Card.table_in` knows them.
        """
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
    folder: str | None = None
    """For a user's own set: a folder, absolute or relative to where the program runs."""
    tfds: TfdsSource | None = None
    """For a set that TensorFlow Datasets gets."""
    samples: dict[str, int]
    """Labelled pictures by the publisher's splits ('all' where there is but one), if known."""
    layout: Layout
    splits: Splits
    encoding: str
    """A table in encodings/, or, where it ends in '.yaml', a file in the set's own folder."""

    @model_validator(mode="after")
    def _is_sound(self) -> "Card":
        origins = (self.archive, self.archives or None, self.world, self.folder, self.tfds)
        if [origin is None for origin in origins].count(False) != 1:
            raise ValueError("needs exactly one of archive, archives, world, folder and tfds")
        if self.has_own_table and self.folder is None:
            raise ValueError(f"encoding '{self.encoding}': only a card with a folder has a file")
        ways = (self.splits, *self.splits.named.values())
        if not self.has_groups and any(way.needs_groups for way in ways):
            raise ValueError("splits by group need a group in layout")
        return self

    @property
    def files(self) -> tuple[Archive, ...]:
        """What is to be fetched: one archive, several, or none for a set of another origin."""
        return self.archives if self.archive is None else (self.archive,)

    @property
    def has_groups(self) -> bool:
        """Whether pictures are known to be of a drive or a city."""
        return self.layout.group is not None or "{group}" in self.layout.image

    @property
    def has_own_table(self) -> bool:
        """Whether the label encoding lies beside the pictures and not beside the cards."""
        return self.encoding.endswith(".yaml")

    def table_in(self, folder: Path) -> Encoding:
        """The label encoding, with the ids that the set's own files give its labels.

        Args:
            folder: where the set's files lie, the table or its config among them.

        Raises:
            RoadshiftError: there is no such table or config, or it is not sound.
        """
        table = self._stated_in(folder)
        if table.config is None:
            return table
        return _with_ids(table, folder / self.layout.root / table.config, self.encoding)

    def table_files(self, folder: Path) -> list[str]:
        """What `table_in` reads in the folder, as paths relative to it.

        Raises:
            RoadshiftError: there is no such table, or it is not sound.
        """
        config = self._stated_in(folder).config
        own = [self.encoding] if self.has_own_table else []
        return own if config is None else [*own, f"{self.layout.root}/{config}"]

    @property
    def table(self) -> Encoding:
        """The label encoding before any download: by the labels' names where ids are in a config.

        Raises:
            RoadshiftError: there is no such table, or it is not sound.
        """
        return self._stated_in(Path(self.folder or ".").expanduser())

    def _stated_in(self, folder: Path) -> Encoding:
        if self.has_own_table:
            return read_encoding(folder / self.encoding)
        return load_encoding(self.encoding)

    def way(self, parting: Parting) -> Way:
        """How the set is parted.

        Raises:
            RoadshiftError: the card has no split of that name, or the set has no groups.
        """
        try:
            way = self.splits.way(parting)
        except RoadshiftError as error:
            raise RoadshiftError(f"{self.name}: {error}") from None
        if way.needs_groups and not self.has_groups:
            raise RoadshiftError(
                f"{self.name}: its pictures are of no known groups (drives, cities) to part them "
                "by; choose another data.split.by"
            )
        return way


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
    content = (resources.files(__package__) / folder / f"{name}.yaml").read_bytes()
    try:
        return load_yaml(content)
    except RoadshiftError as error:
        raise RoadshiftError(f"{what} '{name}': {error}") from None


@cache
def load_card(name: str) -> Card:
    """Reads a data set's card.

    Raises:
        RoadshiftError: there is no card of that name, or it does not fit the schema.
    """
    content = _load("cards", name, "data set")
    if not isinstance(content, dict):
        raise RoadshiftError(f"card '{name}': expected keys with values, not {content!r}")
    try:
        return Card.model_validate({**content, "name": name})
    except ValidationError as error:
        raise RoadshiftError(f"card '{name}': {explain(error, Card)}") from None


@cache
def load_encoding(name: str) -> Encoding:
    """Reads a label encoding.

    Raises:
        RoadshiftError: there is none of that name, or it does not fit the schema.
    """
    return _encoding(_load("encodings", name, "label encoding"), f"encoding '{name}'")


def read_encoding(file: Path) -> Encoding:
    """Reads a label encoding that lies beside the pictures.

    Raises:
        RoadshiftError: it is missing, not YAML, or does not fit the schema.
    """
    try:
        content = load_yaml(file.read_bytes())
    except FileNotFoundError:
        raise RoadshiftError(
            f"{file}: missing; put the table from label values to universal names there, in the "
            "form of roadshift/datasets/encodings"
        ) from None
    except RoadshiftError as error:
        raise RoadshiftError(f"{file}: {error}") from None
    return _encoding(content, str(file))


def _encoding(content: Any, where: str) -> Encoding:
    try:
        return Encoding.model_validate(content)
    except ValidationError as error:
        raise RoadshiftError(f"{where}: {explain(error, Encoding)}") from None


def _with_ids(table: Encoding, file: Path, name: str) -> Encoding:
    """The table by ids, from one by the names of labels and the file that lists these in order."""
    labels = _labels_in(file)
    universal = {str(row[0]): str(row[1]) for row in table.values}
    wrong = {
        "unknown": sorted({*labels} - {*universal}),
        "missing": sorted({*universal} - {*labels}),
        "twice": sorted(label for label, times in Counter(labels).items() if times > 1),
    }
    # A label too few is as bad as one too many: it shifts the ids of all that follow.
    if any(wrong.values()):
        listed = "; ".join(f"{what}: {_some(odd)}" for what, odd in wrong.items() if odd)
        raise RoadshiftError(
            f"{file}: its labels are not those of the encoding '{name}' ({listed}); put the "
            "publisher's file of that version there, or correct the encoding"
        )
    values: list[tuple[int | str, ...]] = [
        (place, universal[label]) for place, label in enumerate(labels)
    ]
    return Encoding(kind=table.kind, values=values, source=table.source)


def _labels_in(file: Path) -> list[str]:
    again = "take the publisher's file again"
    try:
        labels = [label["name"] for label in json.loads(file.read_bytes())["labels"]]
    except FileNotFoundError:
        raise RoadshiftError(
            f"{file}: missing; the ids of the labels are their places in it: add the publisher's "
            "file to the archive or folder that the set comes from"
        ) from None
    except ValueError as error:
        raise RoadshiftError(f"{file}: not JSON: {error}; {again}") from None
    except (KeyError, TypeError):
        labels = []
    if not labels or not all(isinstance(label, str) for label in labels):
        form = '{"labels": [{"name": …}, …]}'
        raise RoadshiftError(f"{file}: expected the form {form}; {again}")
    return labels


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(f"'{name}'" for name in names[:3]) + more
