"""Gathers the digests of every mix's sources, so that a training depends on these alone."""

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from roadshift.atomic import atomic_file, atomic_folder
from roadshift.errors import RoadshiftError
from roadshift.settings import Settings
from stages.entry import run
from stages.params import TARGET, Params
from stages.paths import ALL_SOURCES, SOURCES, digest_file, sources_file


class _Digest(Settings):
    shards: str


def main(params: Params) -> None:
    """Write, for every mix, a digest of each source's shards, and one file with all sources."""
    with atomic_folder(SOURCES) as folder, atomic_file(ALL_SOURCES) as everything:
        for mix, weights in params.mixes.items():
            _write(folder / sources_file(mix).name, weights)
        _write(everything, {*params.domains} - {TARGET})


def _write(file: Path, roles: Iterable[str]) -> None:
    # The order in which params.yaml names the sources is no reason to train again.
    content = {role: _read(digest_file(role)) for role in sorted(roles)}
    file.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def _read(file: Path) -> str:
    again = "run `dvc repro hash_sources`"
    try:
        return _Digest.model_validate_json(file.read_bytes()).shards
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing; {again}") from None
    except ValidationError:
        raise RoadshiftError(
            f"{file}: not the digest of a source's shards; delete it and {again}"
        ) from None


if __name__ == "__main__":
    run(main)
