"""Label encodings that lie among a set's own files: a user's YAML, or the table of a label tool."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from roadshift.datasets.coco_file import read_coco_table
from roadshift.datasets.encoding import Encoding, read_encoding
from roadshift.datasets.tool_names import NAMES
from roadshift.datasets.tool_tables import (
    CLASS_NAMES,
    CLASSES,
    LABELMAP,
    read_class_names,
    read_classes,
    read_labelmap,
)
from roadshift.errors import RoadshiftError

YAML, JSON = ".yaml", ".json"
_READERS: dict[str, Callable[[Path, Path], Encoding]] = {
    LABELMAP: read_labelmap,
    CLASSES: read_classes,
    CLASS_NAMES: read_class_names,
}
"""Readers of the tables of label tools, by the name of the file."""


def is_own_table(encoding: str) -> bool:
    """Returns whether a card's encoding is a file of the set, and not a table beside the cards."""
    return encoding.endswith((YAML, JSON)) or _name(encoding) in _READERS


def own_tables() -> str:
    """The names that an encoding among a set's files can have, for messages."""
    return ", ".join(("a name with .yaml or .json", *_READERS))


def table_files(encoding: str, folder: Path) -> list[str]:
    """Lists the files of a set's own encoding, relative to the set's folder.

    Args:
        encoding: path of the table, relative to the folder; a `*` stands for the folders of splits,
            of which each may have its own copy. CVAT's labelmap.txt counts where a `.yaml` is not
            there.
        folder: folder of the set.

    Raises:
        RoadshiftError: there is no such file.
    """
    if encoding.endswith(YAML):
        stands_in = (folder / LABELMAP).is_file() and not (folder / encoding).is_file()
        files = [LABELMAP] if stands_in else [encoding]
    else:
        found = sorted(folder.glob(encoding))
        files = [file.relative_to(folder).as_posix() for file in found if file.is_file()]
    if not files:
        missing = f"{folder / encoding}: missing; it"
        if "*" in encoding:
            missing = f"{folder}: no file fits '{encoding}', which"
        raise RoadshiftError(
            f"{missing} says what the labels' values mean: put the file of the tool's export "
            "there, or choose the card of another export"
        )
    has_names = not files[0].endswith(YAML) and (folder / NAMES).is_file()
    return [*files, NAMES] if has_names else files


def read_own_table(encoding: str, folder: Path) -> Encoding:
    """Reads a set's own encoding; args are those of `table_files`.

    Raises:
        RoadshiftError: there is no such file, it is not valid, or copies of it differ.
    """
    first, *others = (file for file in table_files(encoding, folder) if file != NAMES)
    if encoding.endswith(JSON):
        return read_coco_table([folder / file for file in (first, *others)], folder)
    table = _read(folder, first)
    for other in others:
        if _read(folder, other).values != table.values:
            raise RoadshiftError(
                f"{folder / other}: differs from {first}; export the splits anew, from one version"
            )
    return table


def _read(folder: Path, file: str) -> Encoding:
    reader = _READERS.get(_name(file))
    return reader(folder / file, folder) if reader else read_encoding(folder / file)


def _name(encoding: str) -> str:
    return PurePosixPath(encoding).name
