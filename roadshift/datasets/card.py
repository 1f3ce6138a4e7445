"""Data set cards: where a set comes from, how its files lie and what its labels mean.

A card is a YAML file; a new set with a known label encoding needs no code.
"""

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from roadshift.datasets.encoding import Encoding, FileName, load_encoding, with_ids
from roadshift.datasets.layout import NO_LABEL, Layout
from roadshift.datasets.layout_patterns import glob_of
from roadshift.datasets.own_table import is_own_table, own_tables, read_own_table, table_files
from roadshift.datasets.packaged import load_packaged, packaged_names
from roadshift.datasets.splits import SplitConfig, Splits, SplitScheme
from roadshift.errors import RoadshiftError
from roadshift.settings import Settings, format_validation_error, load_yaml

CARD_SUFFIX = ".yaml"
"""End of the name of a card's file; a name with it is a path, and not that of a card of ours."""
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
ARCHIVE_SUFFIXES = (".zip", *TAR_SUFFIXES)
"""Ends of the names of supported archives, in small letters; a name may have capitals."""


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
        encoding: name of a table in encodings/, or path of a file in the set's own folder: one that
            ends in '.yaml', or the table of a label tool (`own_table`). Images without labels need
            none, which is the default.
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
    encoding: str = NO_LABEL

    @model_validator(mode="after")
    def _is_sound(self) -> "Card":
        origins = (self.archive, self.archives or None, self.world, self.folder, self.tfds)
        if [origin is None for origin in origins].count(False) != 1:
            raise ValueError("needs exactly one of archive, archives, world, folder and tfds")
        if self.layout.has_labels == (self.encoding == NO_LABEL):
            raise ValueError(
                "needs an encoding, which says what labels mean"
                if self.layout.has_labels
                else f"encoding '{self.encoding}' says what labels mean, but layout.label is none; "
                "leave one of them out"
            )
        if self.has_own_table and self.folder is None:
            raise ValueError(
                f"encoding '{self.encoding}': only a card with a folder can name a file; name a "
                "table of roadshift/datasets/encodings, without '.yaml'"
            )
        if not self.has_own_table and "." in self.encoding:
            raise ValueError(
                f"encoding '{self.encoding}': name a table of roadshift/datasets/encodings, or a "
                f"file of the set's folder ({own_tables()})"
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
        return is_own_table(self.encoding)

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
        return with_ids(table, folder / self.layout.root / table.config, self.encoding)

    def table_files(self, folder: Path) -> list[str]:
        """Lists the files of the folder that say what labels mean, relative to the folder.

        Raises:
            RoadshiftError: the table is missing or not valid.
        """
        config = self._stated_in(folder).config
        own = table_files(self.encoding, folder) if self.has_own_table else []
        own += self._annotation_files(folder)
        return own if config is None else [*own, self.layout.in_set(config)]

    def list_files(self, folder: Path) -> list[str]:
        """Lists the lists of images of all split schemes that are in the folder, relative to it."""
        schemes = (self.splits, *self.splits.named.values())
        names = {name for scheme in schemes for name in (scheme.lists or {}).values()}
        files = map(self.layout.in_set, sorted(names))
        return [file for file in files if (folder / file).is_file()]

    def _annotation_files(self, folder: Path) -> list[str]:
        pattern = self.layout.annotations
        found = (folder / self.layout.root).glob(glob_of(pattern)) if pattern else ()
        return sorted(file.relative_to(folder).as_posix() for file in found)

    @property
    def table(self) -> Encoding:
        """The label encoding before any download; with a `config` it has names instead of ids.

        Raises:
            RoadshiftError: the table is missing or not valid.
        """
        return self._stated_in(Path(self.folder or ".").expanduser())

    def _stated_in(self, folder: Path) -> Encoding:
        if self.has_own_table:
            return read_own_table(self.encoding, folder)
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


def card_names() -> tuple[str, ...]:
    """Returns the names of all cards, sorted."""
    return packaged_names("cards")


def card_name(name: str) -> str:
    """Returns a card's own name: that of its file, without folder and '.yaml'."""
    return Path(name).stem if name.endswith(CARD_SUFFIX) else name


def load_card(name: str) -> Card:
    """Reads a data set's card.

    Args:
        name: name of a card of this package; or path of a card's file, which ends in '.yaml',
            absolute or relative to the working directory.

    Raises:
        RoadshiftError: there is no such card, or it does not fit the schema.
    """
    if not name.endswith(CARD_SUFFIX):
        return _packaged_card(name)
    own_name = card_name(name)
    if not re.fullmatch("[A-Za-z0-9_]+", own_name):
        raise RoadshiftError(
            f"{name}: a card's name is a part of the names of other files; rename it, with "
            "letters, digits and _ before '.yaml'"
        )
    file = Path(name).expanduser()
    try:
        content = load_yaml(file.read_bytes())
    except FileNotFoundError:
        known = own_name in card_names()
        hint = f"; for roadshift's own card write '{own_name}'" if known else ""
        raise RoadshiftError(
            f"{name}: there is no such card ({file.absolute()}); its path is relative to the "
            f"working directory{hint}"
        ) from None
    except RoadshiftError as error:
        raise RoadshiftError(f"{name}: {error}") from None
    return _card(content, own_name, name)


@cache
def _packaged_card(name: str) -> Card:
    return _card(load_packaged("cards", name, "data set"), name, f"card '{name}'")


def _card(content: Any, name: str, where: str) -> Card:
    if not isinstance(content, dict):
        raise RoadshiftError(f"{where}: expected keys with values, not {content!r}")
    try:
        return Card.model_validate({**content, "name": name})
    except ValidationError as error:
        raise RoadshiftError(f"{where}: {format_validation_error(error, Card)}") from None
