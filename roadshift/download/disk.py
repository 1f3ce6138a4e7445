"""Check of the free space on a disk."""

import shutil
from pathlib import Path

from roadshift.errors import RoadshiftError


def require_space(folder: Path, needed: int, what: str) -> None:
    """Checks that a disk has room for what is about to be written.

    Args:
        folder: an existing folder on the disk.
        needed: number of bytes to be written.
        what: name of the content in the error message.

    Raises:
        RoadshiftError: the disk has less free space.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise RoadshiftError(
            f"{what}: needs {_shown(needed)} on the disk of {folder.absolute()}, where "
            f"{_shown(free)} are free; make room and run the stage again"
        )


def _shown(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
