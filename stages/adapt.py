"""Sets aside what trainings may see of the target: pictures of its train split."""

import csv
from pathlib import Path

from roadshift.errors import RoadshiftError
from roadshift.outputs import whole_folder
from roadshift.records.contents import read_contents
from stages.entry import run
from stages.params import TARGET, Params
from stages.paths import ADAPT, trainval


def main(params: Params) -> None:
    """Copy the target pictures that adaptation asks for, and list them in manifest.csv.

    A stage of its own, and always the same output where nothing is asked for: so no training
    depends on the target, but for these pictures.
    """
    with whole_folder(ADAPT) as folder:
        used = dict[str, list[str]]()
        if params.adapt.labelled.samples or params.adapt.self_training.weight:
            used = _copy_pictures(params, folder)
        with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as sink:
            rows = ((name, use) for use, names in used.items() for name in names)
            csv.writer(sink, lineterminator="\n").writerows([("id", "use"), *rows])
    for use, names in used.items():
        print(f"target, {use}: {len(names)} pictures of its train split")


def _copy_pictures(params: Params, folder: Path) -> dict[str, list[str]]:
    # TensorFlow takes seconds to import, which a run without adaptation need not spend.
    from roadshift.records.reader import open_shards
    from roadshift.records.subset import draw_ids, write_subset

    seed = params.data.split.seed
    shards = open_shards(trainval(TARGET))
    number = shards.count("train")
    if not number:
        raise RoadshiftError(
            f"adapt: the target, data set '{shards.name}', has no train split by "
            f"'{params.data.split.by[TARGET]}', and its test pictures are not for training; set "
            "data.split.by.target=random, here and in every run to compare with"
        )
    used = {}
    if samples := params.adapt.labelled.samples:
        used["labelled"] = draw_ids(shards, "train", number if samples == "all" else samples, seed)
    if params.adapt.self_training.weight:
        used["unlabelled"] = draw_ids(shards, "train", number, seed)
    for use, ids in used.items():
        splits = {"train": ids}
        if use == "labelled" and params.adapt.labelled.alone:
            # Without sources the epoch is chosen by the target's own val split.
            names = read_contents(shards.folder, "val", shards.class_names).ids
            splits["val"] = list(names)
        (folder / use).mkdir()
        write_subset(shards, splits, use == "labelled", params.data.shard_megabytes, folder / use)
    return used


if __name__ == "__main__":
    run(main)
