"""Outputs appear whole or not at all: written beside their place, then renamed into it.

Before the renaming they are on the disk, so that a power cut leaves no empty file of that name.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from roadshift.errors import RoadshiftError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says where the disk, a quota or the largest size of a file leaves no room."""


@contextmanager
def whole_folder(final: Path) -> Iterator[Path]:
    """Yields an empty folder that takes the place of `final` when the block ends without error.

    What an interrupted run left beside `final` is removed first.

    Raises:
        RoadshiftError: there is no room for what is written.
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
        # Aside at once: removed under its name, it would for a while be there in part.
        os.replace(final, replaced)
    os.replace(partial, final)
    _flush(final.parent)
    shutil.rmtree(replaced, ignore_errors=True)


@contextmanager
def whole_file(final: Path) -> Iterator[Path]:
    """Yields a path whose file takes the place of `final` when the block ends without error.

    Raises:
        RoadshiftError: there is no room for what is written.
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
    """Inside, that there is no room for a file is an error in one line.

    Raises:
        RoadshiftError: the disk is full, a quota is reached, or a file would grow too large.
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
    """Whether the disk, a quota or the largest size of a file is why a file is not written."""
    return error.errno in FULL


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
