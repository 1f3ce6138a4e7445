"""Packs a role's images and remapped labels into TFRecord shards."""

from roadshift.atomic import atomic_folder
from roadshift.datasets.card import card_name
from roadshift.datasets.samples import check_labels, read_manifest
from roadshift.records.writer import write_shards
from roadshift.taxonomy import load_taxonomy
from stages.entry import run
from stages.params import Params
from stages.paths import RAW, REMAPPED, TEST, TRAINVAL


def main(params: Params, role: str) -> None:
    """Write a role's shards: train and val apart from test, so that no training can see test."""
    samples = read_manifest(REMAPPED / role / "manifest.csv")
    check_labels(samples, REMAPPED / role)
    taxonomy = load_taxonomy(params.data.taxonomy)
    for splits, place in ((("train", "val"), TRAINVAL / role), (("test",), TEST / role)):
        with atomic_folder(place) as folder:
            write_shards(
                samples,
                splits,
                images=RAW / role,
                labels=REMAPPED / role,
                taxonomy=taxonomy,
                dataset=card_name(params.domains[role]),
                shard_megabytes=params.data.shard_megabytes,
                folder=folder,
            )


if __name__ == "__main__":
    run(main, "role")
