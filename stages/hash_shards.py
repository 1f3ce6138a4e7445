"""Hashes the train and val shards of a role, unless it is the target."""

import json

from roadshift.atomic import atomic_file
from roadshift.checksum import folder_digest
from roadshift.errors import RoadshiftError
from stages.entry import run
from stages.params import TARGET, Params
from stages.paths import TRAINVAL, digest_file


def main(_params: Params, role: str) -> None:
    """Write a digest of a source's shards. That of the target is always empty.

    DVC's templates treat all roles alike, so what comes after all sources also comes after the
    target. It ends here: the shards of the target are not opened, and no byte depends on them.
    """
    folder = TRAINVAL / role
    if role != TARGET and not folder.is_dir():
        raise RoadshiftError(f"{folder}: missing; run `dvc repro shard@{role}` first")
    digest = None if role == TARGET else folder_digest(folder)
    with atomic_file(digest_file(role)) as file:
        file.write_text(json.dumps({"shards": digest}) + "\n", "utf-8")


if __name__ == "__main__":
    run(main, "role")
