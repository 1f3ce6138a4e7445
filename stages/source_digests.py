"""The digests by which DVC knows the sources' shards, checked against the shards themselves."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from roadshift.checksum import folder_digest
from roadshift.errors import RoadshiftError
from roadshift.records.reader import ShardSet, check_records

_DIGESTS = TypeAdapter(dict[str, str])


def read_digests(file: Path) -> dict[str, str]:
    """Reads the digests that `hash_sources` wrote, by source; none where there is no file.

    Raises:
        RoadshiftError: the file is damaged.
    """
    if not file.is_file():
        return {}
    try:
        return _DIGESTS.validate_json(file.read_bytes())
    except ValidationError:
        raise RoadshiftError(
            f"{file}: not digests by source; delete it and run `dvc repro hash_sources`"
        ) from None


def checked_digests(file: Path, sources: Mapping[str, ShardSet]) -> dict[str, str]:
    """Hashes the shards of sources, which DVC knows by these digests alone.

    Shards with the recorded digest are the bytes that were hashed; the records of others are read,
    so that the error names a damaged file. Without a file of digests nothing is compared: no DVC
    has run, which would rely on it.

    Args:
        file: a file of the stage `hash_sources`.
        sources: by source, its shards.

    Returns:
        By source, its digest.

    Raises:
        RoadshiftError: a record is damaged, or the file's digests are of other shards.
    """
    recorded, digests = read_digests(file), {}
    for role, shards in sources.items():
        digests[role] = folder_digest(shards.folder)
        if recorded.get(role) == digests[role]:
            continue
        check_records(shards)
        if file.is_file():
            raise RoadshiftError(
                f"{file}: made of other shards than those in {shards.folder}; run "
                "`dvc repro hash_sources` first"
            )
    return digests
