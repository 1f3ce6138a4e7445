"""Whether there is room on a disk."""

import shutil
from pathlib import Path

from roadshift.errors import RoadshiftError


def require_space(folder: Path, needed: int, what: str) -> None:
    """Stops before a disk is filled.

    Args:
        folder: an existing folder on the disk.
        needed: bytes that are about to be written there.
        what: what they are for, for the message.

    Raises:
        RoadshiftError: less is free.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise RoadshiftError(
            f"{what}: needs {_shown(needed)} on the disk of {folder.absolute()}, where "
            f"{_shown(free)} are free; make room and run the stage again"
        )


def _shown(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
