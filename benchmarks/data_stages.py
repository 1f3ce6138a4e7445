"""Runs a data stage in a process of its own, for the benchmarks that measure it.

    python -m benchmarks.data_stages shard FOLDER --way fork --processes 2

FOLDER holds a set of `benchmarks.large_sets`, and gets what the stages write.
"""

import argparse
import multiprocessing
import shlex
from functools import partial
from pathlib import Path

from benchmarks.large_sets import empty
from roadshift.datasets.card import load_card
from roadshift.datasets.remap import remap_set
from roadshift.datasets.samples import read_manifest
from roadshift.datasets.splits import SplitConfig
from roadshift.download.dataset import download_dataset
from roadshift.download.fetch import Places
from roadshift.taxonomy import load_taxonomy
from roadshift.workers import parallel_map

TAXONOMY, SPLITS = "driving11", ("train", "val", "test")
WAYS = ("here", "fork", "spawn", "beam")
BEAM = "--runner=DirectRunner --direct_running_mode=multi_processing --direct_num_workers="


def download(folder: Path, processes: int) -> None:
    """Copies the set's files to `raw`."""
    card = load_card(str(folder / "large.yaml"))
    places = Places(folder, folder / "downloads", None)
    download_dataset(card, empty(folder / "raw"), places=places, processes=processes)


def remap(folder: Path, processes: int) -> None:
    """Writes labels and manifest to `remapped`."""
    remap_set(
        load_card(str(folder / "large.yaml")),
        raw=folder / "raw",
        taxonomy=load_taxonomy(TAXONOMY),
        split_config=SplitConfig(by="random", seed=0, val=0.1, test=0.3),
        folder=empty(folder / "remapped"),
        audit_file=folder / "audit.csv",
        processes=processes,
    )


def shard(folder: Path, processes: int, way: str) -> None:
    """Writes shards to `shards`, in one of `WAYS`."""
    # The other stages do not import TensorFlow.
    from roadshift.records.on_beam import over_shards_on_beam
    from roadshift.records.writer import Map, one_by_one, write_shards

    over_shards: Map = partial(parallel_map, processes=processes)
    if way == "here":
        over_shards = one_by_one
    elif way == "beam":
        options = shlex.split(f"{BEAM}{processes}")
        over_shards = partial(over_shards_on_beam, options=options)
    else:
        multiprocessing.set_start_method(way)
    write_shards(
        read_manifest(folder / "remapped/manifest.csv"),
        SPLITS,
        images=folder / "raw",
        labels=folder / "remapped",
        taxonomy=load_taxonomy(TAXONOMY),
        dataset="large",
        shard_megabytes=4,
        folder=empty(folder / "shards"),
        over_shards=over_shards,
    )


def main() -> None:
    """Runs the stage that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stage", choices=("download", "remap", "shard"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--way", choices=WAYS, default="fork")
    options = parser.parse_args()
    folder = options.folder.resolve()
    if options.stage == "shard":
        shard(folder, options.processes, options.way)
    else:
        {"download": download, "remap": remap}[options.stage](folder, options.processes)


if __name__ == "__main__":
    main()
