"""Maps a role's labels to the taxonomy, and accounts for every pixel."""

from roadshift.atomic import atomic_file, atomic_folder
from roadshift.datasets.card import load_card
from roadshift.datasets.remap import remap_set
from roadshift.datasets.splits import SplitConfig
from roadshift.taxonomy import load_taxonomy
from roadshift.workers import usable_cores
from stages.entry import run
from stages.params import Params
from stages.paths import RAW, REMAPPED, audit_file


def main(params: Params, role: str) -> None:
    """Write label images of taxonomy ids, a manifest, and an audit of a role's data set."""
    with atomic_file(audit_file(role)) as audit, atomic_folder(REMAPPED / role) as folder:
        remap_set(
            load_card(params.domains[role]),
            raw=RAW / role,
            taxonomy=load_taxonomy(params.data.taxonomy),
            split_config=SplitConfig(
                by=params.data.split.by[role],
                seed=params.data.split.seed,
                val=params.data.split.val,
                test=params.data.split.test,
            ),
            folder=folder,
            audit_file=audit,
            processes=usable_cores(),
            partial_labels=params.data.partial_labels,
        )


if __name__ == "__main__":
    run(main, "role")
