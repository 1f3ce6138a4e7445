"""Finds the shards that a user names by a role of the workflow or by a folder."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from roadshift.datasets.splits import SPLITS
from roadshift.errors import RoadshiftError
from roadshift.settings import suggestion

if TYPE_CHECKING:
    from roadshift.records.reader import ShardSet

SHARDS = Path("data/shards")
"""Folder of the workflow's shards, relative to the project's folder."""
PARTS = ("trainval", "test")


def roles() -> list[str]:
    """Returns the roles that have shards."""
    return sorted({folder.name for folder in SHARDS.glob("*/*") if folder.parent.name in PARTS})


def shard_folders(place: str) -> list[Path]:
    """Returns the folders of shards of a role, or a folder of shards itself.

    Args:
        place: name of a role, or path of a folder.

    Raises:
        RoadshiftError: `place` is neither.
    """
    if parts := [SHARDS / part / place for part in PARTS if (SHARDS / part / place).is_dir()]:
        return parts
    folder = Path(place)
    if (folder / "dataset_info.json").is_file():
        return [folder]
    if folder.is_dir():
        raise RoadshiftError(f"{folder}: holds no shards; name a role or a folder of shards")
    known = roles()
    hint = suggestion(place, known) if known else f"; {SHARDS} holds no roles yet, run `dvc repro`"
    raise RoadshiftError(f"'{place}' is neither a role nor a folder of shards{hint}")


def open_splits(folders: Iterable[Path]) -> dict[str, "ShardSet"]:
    """Opens the shards of each split that has images. Imports TensorFlow.

    Raises:
        RoadshiftError: a folder is damaged.
    """
    from roadshift.records.reader import open_shards

    sets: dict[str, ShardSet] = {}
    for shards in map(open_shards, folders):
        sets |= {each: shards for each in SPLITS if shards.count(each)}
    return sets
