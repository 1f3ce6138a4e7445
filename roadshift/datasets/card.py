"""Data set cards: where a set comes from, how its files lie and what its labels mean.

A card is a YAML file; a new set with a known label encoding needs no code. An encoding is a table
from a set's own ids or colours to universal names; sets share encodings, so they lie beside the
cards.
"""

import json
import re
from collections import Counter
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from roadshift.datasets.splits import SplitConfig, Splits, SplitScheme
from roadshift.errors import RoadshiftError
from roadshift.settings import Settings, format_validation_error, load_yaml, suggestion
from roadshift.taxonomy import universal_names

UNKNOWN = 255
"""Native index of a value that an encoding does not list."""
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
ARCHIVE_SUFFIXES = (".zip", *TAR_SUFFIXES)
"""Ends of the names of supported archives, in small letters; a name may have capitals."""
FileName = Annotated[str, Field(pattern=r"^[^./\\][^/\\]*$")]


class Archive(Settings):
    """A file that a publisher distributes.

    Attributes:
        name: file name, also in a mirror; it ends in one of `ARCHIVE_SUFFIXES`.
        url: URL of the file, or of the page of a public share; None if a person has to fetch it.
        by_hand: where a person gets the file, if there is no URL or the URL fails.
        sha256: expected SHA-256 in hexadecimal digits, kept in small letters; None if unknown.
        unpacked_megabytes: upper bound on the total size of the members, in 10^6 bytes, against
            archives that fill the disk.
    """

    name: FileName
    url: str | None = None
    by_hand: str = ""
    sha256: Annotated[str, StringConstraints(to_lower=True, pattern="^[0-9a-fA-F]{64}$")] | None = (
        None
    )
    unpacked_megabytes: Annotated[int, Field(gt=0)]

    @field_validator("name")
    @classmethod
    def _is_supported(cls, name: str) -> str:
        if not name.lower().endswith(ARCHIVE_SUFFIXES):
            raise ValueError(
                f"'{name}' is not a supported kind of archive ({', '.join(ARCHIVE_SUFFIXES)}); "
                "unpack it with another program and pack the files again as .zip"
            )
        return name


class TfdsSource(Settings):
    """A data set of the TensorFlow Datasets (TFDS) catalogue, or one in TFDS format in data_dir.

    It is exported as `images/<split>/<id>.png` and `labels/<split>/<id>.png`, under TFDS's names of
    the splits.

    Attributes:
        name: name for `tfds.builder`: 'set/config', optionally with ':version'.
        image: name of the feature with the image.
        label: name of the feature with the label: one channel of ids, or three of colours.
        id: name of the feature with the image's name; where it is None, the images are numbered.
    """

    name: str
    image: str
    label: str
    id: str | None = None


class Layout(Settings):
    """Patterns of the paths of images and labels, with `{id}`, `{split}`, `{group}` and `{part}`.

    A `*` stands for any characters but '/'; an image and its label may differ in them.

    Attributes:
        root: folder that the patterns are relative to, within the set's folder.
        image: pattern of the images' paths.
        label: pattern of the labels' paths, with the same placeholders. `{part}` stands for any
            other part of the path that an image and its label share.
        id: regular expression of a whole id; files with other ids are left out.
        group: regular expression that is searched in the id; its first group is the drive or city.
    """

    root: str = "."
    image: str
    label: str
    id: str = "[^/]+"
    group: str | None = None

    @model_validator(mode="after")
    def _patterns_agree(self) -> "Layout":
        image, label = (set(re.findall(r"{(.*?)}", p)) for p in (self.image, self.label))
        for pattern, parts in ((self.image, image), (self.label, label)):
            if "id" not in parts or parts - {"id", "split", "group", "part"}:
                raise ValueError(
                    f"'{pattern}' needs {{id}}, and can have {{split}}, {{group}} and {{part}}"
                )
        if image != label:
            raise ValueError(f"'{self.image}' and '{self.label}' must have the same placeholders")
        return self


class Encoding(Settings):
    """A table from the values in label images to universal names.

    Attributes:
        kind: 'grey' for ids in one grey byte a pixel, or as indices of a palette; 'grey16' for ids
            in 16-bit grey; 'red16' for ids in the red channel of 16-bit RGB; 'colour' for 8-bit
            RGB.
        config: name of the publisher's JSON file `{"labels": [{"name": …}, …]}` in the root of the
            set's layout, in which a label's id is its position; None if `values` holds the ids.
        values: rows `[id, name]` for ids, `[red, green, blue, name]` for colours, and
            `[label, name]` with a `config`.
        source: where the table is published.
    """

    kind: Literal["grey", "grey16", "red16", "colour"]
    config: FileName | None = None
    values: list[Annotated[tuple[int | str, ...], Field(strict=False)]]
    source: str

    @model_validator(mode="after")
    def _rows_are_sound(self) -> "Encoding":
        width = 3 if self.kind == "colour" else 1
        top = 65535 if self.kind in ("grey16", "red16") else 255
        if self.config is not None and self.kind == "colour":
            raise ValueError("config is for ids only; list colours in values")
        for *value, name in self.values:
            if self.config is not None:
                if len(value) != 1 or not isinstance(value[0], str):
                    raise ValueError(f"row {[*value, name]}: expected a label's name in config")
            elif len(value) != width or not all(
                isinstance(v, int) and 0 <= v <= top for v in value
            ):
                raise ValueError(f"row {[*value, name]}: expected {width} integers in 0..{top}")
            if name not in universal_names():
                raise ValueError(f"'{name}' is not a universal name{_near_universal(str(name))}")
        counts = Counter(tuple(row[:-1]) for row in self.values)
        if twice := [value for value, count in counts.items() if count > 1]:
            shown = ", ".join(map(str, twice[0]))
            raise ValueError(f"two rows have the value {shown}; remove one")
        if len(self.values) >= UNKNOWN:
            raise ValueError(f"expected at most {UNKNOWN - 1} rows, found {len(self.values)}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Universal names by native index, which is the row's position in the table."""
        return tuple(str(row[-1]) for row in self.values)

    @property
    def keys(self) -> np.ndarray:
        """Ids, or colours packed as red * 65536 + green * 256 + blue, by native index; int64.

        A table with a `config` has no ids; `Card.table_in` returns the table with ids.
        """
        rows = np.array([row[:-1] for row in self.values], np.int64)
        return rows @ np.array([65536, 256, 1]) if self.kind == "colour" else rows[:, 0]


class Card(Settings):
    """A data set's card.

    Attributes:
        name: name of the card's file, without '.yaml'.
        title: description in a few words.
        publisher: who publishes the set.
        licence: terms of use.
        citation: work to cite.
        homepage: URL with a description of the set.
        notes: remarks for users of the set.
        tried: files that the card was tested on: the publisher's ('real'), others in the
            publisher's layout ('stand-in'), or a miniature of that layout ('miniature'). None for a
            synthetic set, and if nobody has said.
        archive: the publisher's file.
        archives: the publisher's files, for a set in several files; all are unpacked into one
            folder.
        world: name of a world in roadshift/synthetic/worlds, for a synthetic set, whose images are
            rendered instead of downloaded; None for other sets.
        seed: seed of all random choices in rendering a synthetic set; other sets do not use it.
        folder: folder of a user's own set, absolute or relative to the working directory.
        tfds: set that TensorFlow Datasets provides.
        samples: number of labelled images in each of the publisher's splits, or in 'all' if there
            is one split; empty if unknown.
        layout: patterns of the files' paths.
        splits: split schemes.
        encoding: name of a table in encodings/, or of a file in the set's own folder if it ends in
            '.yaml'.
    """

    name: str
    title: str
    publisher: str
    licence: str
    citation: str
    homepage: str = ""
    notes: str = ""
    tried: Literal["real", "stand-in", "miniature"] | None = None
    archive: Archive | None = None
    archives: Annotated[tuple[Archive, ...], Field(strict=False)] = ()
    world: str | None = None
    seed: int = 0
    folder: str | None = None
    tfds: TfdsSource | None = None
    samples: dict[str, int]
    layout: Layout
    splits: Splits
    encoding: str

    @model_validator(mode="after")
    def _is_sound(self) -> "Card":
        origins = (self.archive, self.archives or None, self.world, self.folder, self.tfds)
        if [origin is None for origin in origins].count(False) != 1:
            raise ValueError("needs exactly one of archive, archives, world, folder and tfds")
        if self.has_own_table and self.folder is None:
            raise ValueError(
                f"encoding '{self.encoding}': only a card with a folder can name a file; name a "
                "table of roadshift/datasets/encodings, without '.yaml'"
            )
        schemes = (self.splits, *self.splits.named.values())
        if not self.has_groups and any(scheme.needs_groups for scheme in schemes):
            raise ValueError("splits by group need a group in layout")
        return self

    @property
    def files(self) -> tuple[Archive, ...]:
        """The archives to fetch; empty for a set that does not come in archives."""
        return self.archives if self.archive is None else (self.archive,)

    @property
    def has_groups(self) -> bool:
        """Whether the layout gives each image a group, a drive or city."""
        return self.layout.group is not None or "{group}" in self.layout.image

    @property
    def has_own_table(self) -> bool:
        """Whether the label encoding lies in the set's own folder and not beside the cards."""
        return self.encoding.endswith(".yaml")

    def table_in(self, folder: Path) -> Encoding:
        """Returns the label encoding, with the ids from the set's own files.

        Args:
            folder: folder with the set's files, including its own table and config, if any.

        Raises:
            RoadshiftError: the table or the config is missing or not valid.
        """
        table = self._stated_in(folder)
        if table.config is None:
            return table
        return _with_ids(table, folder / self.layout.root / table.config, self.encoding)

    def table_files(self, folder: Path) -> list[str]:
        """Lists the files that `table_in` reads in the folder, as paths relative to the folder.

        Raises:
            RoadshiftError: the table is missing or not valid.
        """
        config = self._stated_in(folder).config
        own = [self.encoding] if self.has_own_table else []
        return own if config is None else [*own, f"{self.layout.root}/{config}"]

    @property
    def table(self) -> Encoding:
        """The label encoding before any download; with a `config` it has names instead of ids.

        Raises:
            RoadshiftError: the table is missing or not valid.
        """
        return self._stated_in(Path(self.folder or ".").expanduser())

    def _stated_in(self, folder: Path) -> Encoding:
        if self.has_own_table:
            return read_encoding(folder / self.encoding)
        return load_encoding(self.encoding)

    def split_scheme(self, split_config: SplitConfig) -> SplitScheme:
        """Returns the scheme that splits the set.

        Raises:
            RoadshiftError: the card has no scheme of that name, or the scheme needs groups and the
                set has none.
        """
        try:
            scheme = self.splits.split_scheme(split_config)
        except RoadshiftError as error:
            raise RoadshiftError(f"{self.name}: {error}") from None
        if scheme.needs_groups and not self.has_groups:
            raise RoadshiftError(
                f"{self.name}: the set has no groups (drives, cities) to split by; choose another "
                "data.split.by"
            )
        return scheme


def _near_universal(name: str) -> str:
    return suggestion(name, universal_names())


def _names_in(folder: str) -> tuple[str, ...]:
    files = (resources.files(__package__) / folder).iterdir()
    return tuple(sorted(f.name.removesuffix(".yaml") for f in files if f.name.endswith(".yaml")))


def card_names() -> tuple[str, ...]:
    """Returns the names of all cards, sorted."""
    return _names_in("cards")


def _load(folder: str, name: str, what: str) -> dict[str, Any]:
    if name not in _names_in(folder):
        raise RoadshiftError(f"'{name}' is not a {what}{suggestion(name, _names_in(folder))}")
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
        raise RoadshiftError(f"card '{name}': {format_validation_error(error, Card)}") from None


@cache
def load_encoding(name: str) -> Encoding:
    """Reads a label encoding.

    Raises:
        RoadshiftError: there is no encoding of that name, or it does not fit the schema.
    """
    return _encoding(_load("encodings", name, "label encoding"), f"encoding '{name}'")


def read_encoding(file: Path) -> Encoding:
    """Reads a label encoding from a set's own folder.

    Raises:
        RoadshiftError: the file is missing, not YAML, or does not fit the schema.
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
        raise RoadshiftError(f"{where}: {format_validation_error(error, Encoding)}") from None


def _with_ids(table: Encoding, file: Path, name: str) -> Encoding:
    """Replaces a table's label names by ids, which are their positions in the publisher's file."""
    labels = _labels_in(file)
    universal = {str(row[0]): str(row[1]) for row in table.values}
    wrong = {
        "unknown": sorted({*labels} - {*universal}),
        "missing": sorted({*universal} - {*labels}),
        "twice": sorted(label for label, times in Counter(labels).items() if times > 1),
    }
    # A missing label is as bad as an extra one: it shifts the ids of all that follow.
    if any(wrong.values()):
        listed = "; ".join(
            f"{problem}: {_some(names)}" for problem, names in wrong.items() if names
        )
        raise RoadshiftError(
            f"{file}: its labels differ from those of the encoding '{name}' ({listed}); put the "
            "publisher's file of that version there, or correct the encoding"
        )
    values: list[tuple[int | str, ...]] = [
        (position, universal[label]) for position, label in enumerate(labels)
    ]
    return Encoding(kind=table.kind, values=values, source=table.source)


def _labels_in(file: Path) -> list[str]:
    restore = "replace it by the publisher's file"
    try:
        labels = [label["name"] for label in json.loads(file.read_bytes())["labels"]]
    except FileNotFoundError:
        raise RoadshiftError(
            f"{file}: missing; a label's id is its position in this file: add the publisher's "
            "file to the archive or folder that the set comes from"
        ) from None
    except ValueError as error:
        raise RoadshiftError(f"{file}: not JSON: {error}; {restore}") from None
    except (KeyError, TypeError):
        labels = []
    if not labels or not all(isinstance(label, str) for label in labels):
        form = '{"labels": [{"name": …}, …]}'
        raise RoadshiftError(f"{file}: expected the form {form}; {restore}")
    return labels


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(f"'{name}'" for name in names[:3]) + more
