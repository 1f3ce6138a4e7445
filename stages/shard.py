"""Packs a role's pictures and remapped labels into TFRecord shards."""

from roadshift.datasets.samples import check_labels, read_manifest
from roadshift.outputs import whole_folder
from roadshift.records.writer import write_shards
from roadshift.taxonomy import load_taxonomy
from stages.entry import run
from stages.params import Params
from stages.paths import RAW, REMAPPED, test, trainval


def main(params: Params, role: str) -> None:
    """Write a role's shards: train and val apart from test, so that no training can see test."""
    samples = read_manifest(REMAPPED / role / "manifest.csv")
    check_labels(samples, REMAPPED / role)
    taxonomy = load_taxonomy(params.data.taxonomy)
    for splits, place in ((("train", "val"), trainval(role)), (("test",), test(role))):
        with whole_folder(place) as folder:
            write_shards(
                samples,
                splits,
                RAW / role,
                REMAPPED / role,
                taxonomy,
                params.domains[role],
                params.data.shard_megabytes,
                folder,
            )


if __name__ == "__main__":
    run(main, "role")
