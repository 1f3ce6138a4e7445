"""Gathers the digests of every mix's sources, so that a training depends on these alone."""

import json
from collections.abc import Iterable
from pathlib import Path

from roadshift.atomic import atomic_file, atomic_folder
from stages.entry import run
from stages.params import TARGET, Params
from stages.paths import ALL_SOURCES, SOURCES, digest_file, sources_file


def main(params: Params) -> None:
    """Write, for every mix, a digest of each source's shards, and one file with all sources."""
    with atomic_folder(SOURCES) as folder, atomic_file(ALL_SOURCES) as everything:
        for mix, weights in params.mixes.items():
            _write(folder / sources_file(mix).name, weights)
        _write(everything, {*params.domains} - {TARGET})


def _write(file: Path, roles: Iterable[str]) -> None:
    # The order in which params.yaml names the sources is no reason to train again.
    digests = {role: json.loads(digest_file(role).read_text("utf-8")) for role in sorted(roles)}
    content = {role: digest["shards"] for role, digest in digests.items()}
    file.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    run(main)
