"""Atomic outputs: written beside their final path, then renamed to it.

They are flushed to the disk before the renaming, so that a power cut leaves no empty file.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from roadshift.errors import RoadshiftError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers of a full disk, an exhausted quota and a file beyond the largest size."""


@contextmanager
def atomic_folder(final: Path) -> Iterator[Path]:
    """Context manager: yields an empty folder that replaces `final` if the block does not raise.

    Files that an interrupted run left beside `final` are removed first.

    Raises:
        RoadshiftError: the disk has no room for the folder.
    """
    partial = final.with_name(f".{final.name}.partial")
    replaced = final.with_name(f".{final.name}.replaced.partial")
    for left in (partial, replaced):
        shutil.rmtree(left, ignore_errors=True)
    try:
        with room_for(final):
            partial.mkdir(parents=True)
            yield partial
            for path in (*partial.rglob("*"), partial):
                _flush(path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if final.exists():
        # Moved aside first: removing it under its own name would leave it incomplete for a while.
        os.replace(final, replaced)
    os.replace(partial, final)
    _flush(final.parent)
    shutil.rmtree(replaced, ignore_errors=True)


@contextmanager
def atomic_file(final: Path) -> Iterator[Path]:
    """Context manager: yields a path; its file replaces `final` if the block does not raise.

    Raises:
        RoadshiftError: the disk has no room for the file.
    """
    partial = final.with_name(f".{final.name}.partial")
    try:
        with room_for(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            _flush(partial)
        os.replace(partial, final)
        _flush(final.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def room_for(final: Path) -> Iterator[None]:
    """Context manager: turns the system's error about a lack of room into one line.

    Raises:
        RoadshiftError: the disk is full, a quota is exhausted, or a file would grow too large.
    """
    try:
        yield
    except OSError as error:
        if not no_room(error):
            raise
        raise RoadshiftError(
            f"{error.filename or final}: cannot be written, the disk is full "
            f"({os.strerror(error.errno or 0)}); make room and run it again"
        ) from None


def no_room(error: OSError) -> bool:
    """Returns whether an error means a full disk, an exceeded quota or too large a file."""
    return error.errno in FULL


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
