"""Finds the files in a folder and its subfolders, whether they are there or linked."""

import errno
import os
from pathlib import Path, PurePath
from typing import NamedTuple

IMAGE_SUFFIXES = frozenset(
    {
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".avif", ".webp", ".gif"),
        *(".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".bmp", ".dib", ".tif", ".tiff"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".pcx", ".qoi", ".ras", ".sgi"),
    }
)
"""Suffixes of images, in lower case; other files beside images are not images."""
_LEFT_BEHIND = frozenset(
    {
        *("__macosx", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"),
        *("$recycle.bin", "system volume information", "lost+found"),
        *("@eadir", "@recycle", "#recycle", "#snapshot"),
    }
)
"""What systems and network drives put into folders, in lower case, beside hidden files."""

_ABSENT = (errno.ENOENT, errno.ENOTDIR)


class Found(NamedTuple):
    """What a folder and its subfolders hold.

    Attributes:
        files: paths of the files, relative to the folder, with forward slashes, sorted. They are
            strings, which take a third of the memory of `Path` objects.
        linked: real paths of the folders that links lead to.
        unread: reason of each subfolder that cannot be listed, and of each link that leads nowhere.
            Anything may be missing from `files` where there are some.
    """

    files: list[str]
    linked: list[Path]
    unread: dict[Path, str]


def find_files(folder: Path) -> Found:
    """Finds the files in a folder and its subfolders, and follows links to files and folders.

    Hidden files and folders, whose names begin with a dot, and those that a system leaves behind
    (`Thumbs.db`, `__MACOSX`) are left out. A link to a folder that holds the link itself is not
    followed; its files are found without it. Two links to one folder are both followed.

    Args:
        folder: the folder; its own name may begin with a dot. If there is none, it has no files.
    """
    files: list[str] = []
    linked: list[Path] = []
    unread: dict[Path, str] = {}
    # Real paths and not inode numbers tell a loop, since some network drives repeat the latter.
    real = Path(os.path.realpath(folder))
    pending = [("", real, _lineage(real))]
    while pending:
        inside, real, lineage = pending.pop()
        current = folder / inside
        others = []
        try:
            with os.scandir(current) as listing:
                for entry in listing:
                    if _is_left_behind(entry.name):
                        continue
                    if entry.is_file(follow_symlinks=False):
                        files.append(f"{inside}{entry.name}")
                    else:
                        others.append(entry)
        except OSError as error:
            is_there = current != folder or current.is_symlink() or error.errno not in _ABSENT
            if is_there:
                unread[current] = _reason(current, error)
            continue
        for entry in others:
            name = f"{inside}{entry.name}"
            if entry.is_symlink():
                try:
                    entry.stat()
                except OSError as error:
                    # A link to itself hides no file; a link to a disk that is not there may.
                    if error.errno != errno.ELOOP:
                        unread[folder / name] = _reason(folder / name, error)
                    continue
            if entry.is_file():
                files.append(name)
            elif entry.is_dir() and not entry.is_symlink():
                inner = real / entry.name
                pending.append((f"{name}/", inner, lineage | {inner}))
            elif entry.is_dir():
                inner = Path(os.path.realpath(folder / name))
                if inner not in lineage:
                    linked.append(inner)
                    pending.append((f"{name}/", inner, lineage | _lineage(inner)))
    return Found(sorted(files), sorted(linked), dict(sorted(unread.items())))


def is_walked(folder: PurePath) -> bool:
    """Returns whether `find_files` looks into a folder, by its path relative to where it begins."""
    return not any(map(_is_left_behind, folder.parts))


def is_image(file: str | Path) -> bool:
    """Returns whether a file is an image, by the suffix of its name."""
    return os.path.splitext(file)[1].lower() in IMAGE_SUFFIXES


def _is_left_behind(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LEFT_BEHIND


def _reason(path: Path, error: OSError) -> str:
    if path.is_symlink() and error.errno in _ABSENT:
        return f"is a link to '{os.readlink(path)}', which is not there"
    return f"cannot be read ({os.strerror(error.errno or 0)})"


def _lineage(real: Path) -> frozenset[Path]:
    """Returns a folder and all folders that hold it, from its real path."""
    return frozenset((real, *real.parents))
