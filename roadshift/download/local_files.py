"""The files on this machine that a data set is made from, as a cheap check sees them."""

import os
from pathlib import Path
from typing import NamedTuple

from roadshift.datasets.card import Card
from roadshift.datasets.walk import find_files
from roadshift.download.fetch import Places, local_archive

TFDS_VARIABLE = "TFDS_DATA_DIR"


class LocalFile(NamedTuple):
    """A file by what tells a changed one from the same one without reading it.

    Attributes:
        name: path relative to the set's folder, or the archive's name.
        size: bytes.
        modified: time of the last change, nanoseconds since 1970.
    """

    name: str
    size: int
    modified: int


def local_files(card: Card, places: Places) -> list[LocalFile] | None:
    """Lists the files on this machine that `download_dataset` reads for a set.

    These are the files of a user's own folder, archives in `places.by_hand` or in a mirror's
    folder, or a set that TFDS has prepared. No file is opened.

    Returns:
        The files, sorted by name; empty for a set that is drawn. None if a folder or an archive is
        not on this machine, such as an archive that is fetched by URL.
    """
    if card.world is not None:
        return []
    if card.folder is not None:
        return _in_folder(Path(card.folder).expanduser())
    if card.tfds is not None:
        data_dir = os.environ.get(TFDS_VARIABLE) or "~/tensorflow_datasets"
        set_name = card.tfds.name.partition(":")[0]
        return _in_folder(Path(data_dir).expanduser() / set_name)
    found = {archive.name: local_archive(archive, places) for archive in card.files}
    return sorted(_local_file(name, file) for name, file in found.items() if file) or None


def _in_folder(folder: Path) -> list[LocalFile] | None:
    if not folder.is_dir():
        return None
    found = find_files(folder)
    files = [_local_file(name, folder / name) for name in found.files]
    unread = [
        LocalFile(f"{path.relative_to(folder)} {why}", 0, 0) for path, why in found.unread.items()
    ]
    return sorted(files + unread)


def _local_file(name: str, file: Path) -> LocalFile:
    facts = file.stat()
    return LocalFile(name, facts.st_size, facts.st_mtime_ns)
