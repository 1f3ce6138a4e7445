"""The members of an archive that may be written, and those that could do harm."""

import re
import stat
import unicodedata
from collections.abc import Container
from pathlib import Path, PurePosixPath

from roadshift.errors import RoadshiftError

MOST_MEMBERS = 1_000_000
"""Largest number of members of an archive, including those that are left out."""
LONGEST_NAME = 255
"""Largest number of bytes in one part of a path on common file systems."""
LONGEST_PATH = 1000
"""Largest number of bytes in a member's path. It leaves room for the folder within the path limit
of the system: 4096 bytes on Linux, 1024 on macOS."""


class Gate:
    """Admits harmless members; raises an error at the first one that could do harm.

    Attributes:
        seen: number of members that are no folders.
        files: key to path of the members that were admitted.
        unused: the first member that is under the root and not used; '' if there is none.
        bytes: total size of the members that were admitted.
    """

    def __init__(self, archive: Path, *, root: str, used: Container[str], limit_bytes: int):
        self.archive, self.root, self.used = archive, root, used
        self.limit_bytes = limit_bytes
        self.members = self.seen = self.bytes = 0
        self.unused = ""
        self.files: dict[str, str] = {}
        self.folders: set[str] = set()

    def admit(self, name: str, mode: int, size: int) -> bool:
        """Returns whether a member is a file to unpack.

        Args:
            name: path of the member in the archive.
            mode: file type of the member, as in `stat`.
            size: size in bytes, from the member's header.
        """
        self.members += 1
        if self.members > MOST_MEMBERS:
            raise self.refusal(name, f"exceeds the limit of {MOST_MEMBERS} members")
        self.seen += mode != stat.S_IFDIR
        path = self._path_within(name, is_folder=mode == stat.S_IFDIR)
        if path is None:
            return False
        if mode not in (stat.S_IFREG, stat.S_IFDIR):
            raise self.refusal(name, "is a link or a device")
        if not path.parts and mode == stat.S_IFREG:
            raise self.refusal(name, "has no name")
        self._require_place_of_its_own(path, name, is_folder=mode == stat.S_IFDIR)
        if mode == stat.S_IFDIR:
            return False
        self.bytes += size
        if size < 0 or self.bytes > self.limit_bytes:
            raise RoadshiftError(
                f"{self.archive}: unpacks to more than the card's unpacked_megabytes, at "
                f"{short_name(name)}; get the publisher's archive, or correct the card"
            )
        return True

    def refusal(self, name: str, why: str) -> RoadshiftError:
        """Returns the error about a member."""
        return RoadshiftError(f"{self.archive}: member {short_name(name)} {why}")

    def _path_within(self, name: str, *, is_folder: bool) -> PurePosixPath | None:
        """Returns a member's path, or None if it is outside the root or not used."""
        path, on_windows = PurePosixPath(name), PurePosixPath(name.replace("\\", "/"))
        outside = on_windows.is_absolute() or ".." in on_windows.parts
        if outside or re.match("[A-Za-z]:", name):
            raise self.refusal(name, "would be written outside the folder")
        if not on_windows.is_relative_to(self.root):
            return None
        if str(on_windows) not in self.used:
            self.unused = self.unused or ("" if is_folder else name)
            return None
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
            raise self.refusal(name, "has control or undecodable characters in its name")
        if on_windows != path:
            raise self.refusal(
                name, "has '\\' in its name instead of '/'; pack the files again with '/' alone"
            )
        if len(name.encode()) > LONGEST_PATH or any(
            len(part.encode()) > LONGEST_NAME for part in path.parts
        ):
            raise self.refusal(name, "has too long a name")
        return path

    def _require_place_of_its_own(self, path: PurePosixPath, name: str, is_folder: bool) -> None:
        """Refuses a member that would overwrite another, also if the disk ignores case."""
        key = _key(path)
        if key in self.files and not is_folder:
            other = self.files[key]
            raise self.refusal(
                name,
                "comes twice" if other == str(path) else f"differs from {other!r} only in case",
            )
        folders = {_key(folder) for folder in path.parents} | ({key} if is_folder else set())
        if (not is_folder and key in self.folders) or folders & self.files.keys():
            raise self.refusal(name, "gives a file and a folder the same path")
        self.folders |= folders
        if not is_folder:
            self.files[key] = str(path)


def _key(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()


def short_name(name: str) -> str:
    """Returns a member's name for a message, cut short."""
    return repr(name) if len(name) <= 100 else f"{name[:100]!r}..."
