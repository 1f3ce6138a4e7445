"""Hashes the shards of every mix's sources, so that a training depends on these alone."""

import json
from functools import cache

from roadshift.atomic import atomic_folder
from roadshift.checksum import folder_digest
from stages.entry import run
from stages.params import Params
from stages.paths import SOURCES, TRAINVAL, sources_file


def main(params: Params) -> None:
    """Write, for every mix, a digest of each source's shards; other roles are not read."""
    digest = cache(lambda role: folder_digest(TRAINVAL / role))
    with atomic_folder(SOURCES) as folder:
        for mix, weights in params.mixes.items():
            # The order in which params.yaml names the sources is no reason to train again.
            digests = {role: digest(role) for role in sorted(weights)}
            file = folder / sources_file(mix).name
            file.write_text(json.dumps(digests, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    run(main)
