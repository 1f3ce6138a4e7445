"""Packs a role's images and remapped labels into TFRecord shards."""

import os
from functools import partial
from pathlib import Path

from roadshift.atomic import atomic_folder
from roadshift.datasets.card import card_name
from roadshift.datasets.samples import check_labels, read_manifest
from roadshift.input_pipeline.stored_size import scale_down
from roadshift.records.on_beam import beam_options, over_shards_on_beam
from roadshift.records.writer import Map, one_by_one, write_shards
from roadshift.taxonomy import load_taxonomy
from roadshift.workers import parallel_map, usable_cores
from stages.entry import run
from stages.params import Params
from stages.paths import RAW, REMAPPED, TEST, TRAINVAL


def main(params: Params, role: str) -> None:
    """Write a role's shards: train and val apart from test, so that no training can see test."""
    # TensorFlow would reserve a GPU's memory in each process, and none is of use here.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    options = beam_options()
    cores = usable_cores()
    over_shards: Map = partial(parallel_map, processes=cores) if cores > 1 else one_by_one
    if options:
        over_shards = partial(over_shards_on_beam, options=options)
    # Beam's workers may run in other folders.
    project = Path.cwd() if options else Path()
    samples = read_manifest(REMAPPED / role / "manifest.csv")
    check_labels(samples, REMAPPED / role)
    taxonomy = load_taxonomy(params.data.taxonomy)
    height = params.data.stored_height
    # Val and test are scored at their own resolution.
    scaled = {"train": partial(scale_down, height=height)} if height else {}
    for splits, place in ((("train", "val"), TRAINVAL / role), (("test",), TEST / role)):
        with atomic_folder(project / place) as folder:
            write_shards(
                samples,
                splits,
                images=project / RAW / role,
                labels=project / REMAPPED / role,
                taxonomy=taxonomy,
                dataset=card_name(params.domains[role]),
                shard_megabytes=params.data.shard_megabytes,
                folder=folder,
                over_shards=over_shards,
                scale_down=scaled,
            )


if __name__ == "__main__":
    run(main, "role")
