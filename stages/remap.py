"""Maps a role's labels to the taxonomy, and accounts for every pixel."""

import os

from roadshift.datasets.card import load_card
from roadshift.datasets.remap import remap_set
from roadshift.datasets.splits import Parting
from roadshift.outputs import whole_file, whole_folder
from roadshift.taxonomy import load_taxonomy
from stages.entry import run
from stages.params import Params
from stages.paths import RAW, REMAPPED, audit


def main(params: Params, role: str) -> None:
    """Write label pictures of taxonomy ids, a manifest, and an audit of a role's data set."""
    with whole_file(audit(role)) as audit_file, whole_folder(REMAPPED / role) as folder:
        remap_set(
            load_card(params.domains[role]),
            RAW / role,
            load_taxonomy(params.data.taxonomy),
            Parting(
                by=params.data.split.by[role],
                seed=params.data.split.seed,
                val=params.data.split.val,
                test=params.data.split.test,
            ),
            folder,
            audit_file,
            os.cpu_count() or 1,
        )


if __name__ == "__main__":
    run(main, "role")
