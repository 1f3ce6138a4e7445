"""Which shards a user means, by a role of the workflow or by a folder."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from roadshift.datasets.splits import SPLITS
from roadshift.errors import RoadshiftError
from roadshift.settings import nearest

if TYPE_CHECKING:
    from roadshift.records.reader import ShardSet

SHARDS = Path("data/shards")
"""Where the workflow keeps a role's shards, below the project's folder."""


def roles() -> list[str]:
    """The roles that there are shards of."""
    return sorted(folder.name for folder in SHARDS.glob("*") if folder.is_dir())


def shard_folders(place: str) -> list[Path]:
    """The folders of shards of a role, or of a folder that holds them.

    Raises:
        RoadshiftError: it is neither.
    """
    folder = SHARDS / place if (SHARDS / place).is_dir() else Path(place)
    parts = [part for part in (folder / "trainval", folder / "test") if part.is_dir()]
    if parts or (folder / "dataset_info.json").is_file():
        return parts or [folder]
    if folder.is_dir():
        raise RoadshiftError(f"{folder}: no shards in it; name a role or a folder of shards")
    known = roles()
    hint = nearest(place, known) if known else f"; there are no roles in {SHARDS}, run `dvc repro`"
    raise RoadshiftError(f"'{place}' is neither a role nor a folder of shards{hint}")


def open_splits(folders: Iterable[Path]) -> dict[str, "ShardSet"]:
    """By split, the shards that have pictures of it. Imports TensorFlow.

    Raises:
        RoadshiftError: a folder is damaged.
    """
    from roadshift.records.reader import open_shards

    sets: dict[str, ShardSet] = {}
    for shards in map(open_shards, folders):
        sets |= {each: shards for each in SPLITS if shards.count(each)}
    return sets
