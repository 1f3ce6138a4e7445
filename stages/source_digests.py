"""The digests by which DVC knows the sources' shards, checked against the shards themselves."""

import json
from collections.abc import Mapping
from pathlib import Path

from roadshift.checksum import folder_digest
from roadshift.errors import RoadshiftError


def read_digests(file: Path) -> dict[str, str]:
    """Reads the digests that `hash_sources` wrote, by source; none where there is no file."""
    return json.loads(file.read_text("utf-8")) if file.is_file() else {}


def checked_digests(file: Path, folders: Mapping[str, Path]) -> dict[str, str]:
    """Hashes the shards of sources, which DVC knows by these digests alone.

    Without a file of digests nothing is compared: no DVC has run, which would rely on it.

    Args:
        file: a file of the stage `hash_sources`.
        folders: by source, the folder of its shards.

    Returns:
        By source, its digest.

    Raises:
        RoadshiftError: the file's digests are of other shards.
    """
    digests = {role: folder_digest(folder) for role, folder in folders.items()}
    recorded = read_digests(file) if file.is_file() else digests
    for role, digest in digests.items():
        if recorded.get(role) != digest:
            raise RoadshiftError(
                f"{file}: made of other shards than those in {folders[role]}; run "
                "`dvc repro hash_sources` first"
            )
    return digests
