"""Sets aside the target images that trainings may see, all from the target's train split."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from roadshift.atomic import atomic_folder
from roadshift.errors import RoadshiftError
from roadshift.records.contents import read_contents
from stages.entry import run
from stages.params import TARGET, Params
from stages.paths import ADAPT, TRAINVAL

if TYPE_CHECKING:
    from roadshift.records.reader import ShardSet


def main(params: Params) -> None:
    """Copy the target images that adaptation asks for, and list them in manifest.csv.

    A training depends on no other image of the target. If `adapt` asks for none, the output of this
    stage is always the same, so no training depends on the target at all.
    """
    with atomic_folder(ADAPT) as folder:
        ids_by_use = dict[str, list[str]]()
        if params.adapt.labelled.samples or params.adapt.self_training.weight:
            ids_by_use = _copy_images(params, folder)
        with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as sink:
            rows = ((image_id, use) for use, ids in ids_by_use.items() for image_id in ids)
            csv.writer(sink, lineterminator="\n").writerows([("id", "use"), *rows])
    for use, ids in ids_by_use.items():
        print(f"target, {use}: {len(ids)} images of its train split")


def _copy_images(params: Params, folder: Path) -> dict[str, list[str]]:
    # TensorFlow takes seconds to import, and a run without adaptation does not need it.
    from roadshift.records.reader import open_shards
    from roadshift.records.subset import draw_ids, write_subset

    shards = open_shards(TRAINVAL / TARGET)
    number = shards.count("train")
    if not number:
        raise RoadshiftError(
            f"adapt: the target, data set '{shards.name}', has no train split by "
            f"'{params.data.split.by[TARGET]}', and its test images must not be trained on; set "
            "data.split.by.target=random, here and in every run that this one is compared with"
        )
    ids_by_use = {}
    if samples := params.adapt.labelled.samples:
        wanted = number if samples == "all" else samples
        ids_by_use["labelled"] = _chosen_ids(params, shards, wanted)
    if params.adapt.self_training.weight:
        ids_by_use["unlabelled"] = draw_ids(shards, "train", number=number, seed=params.seed)
    for use, ids in ids_by_use.items():
        splits = {"train": ids}
        if use == "labelled" and params.adapt.labelled.target_only:
            # Without sources, the target's own val split validates, and may select, the epochs.
            splits["val"] = list(read_contents(shards.folder, "val", shards.label_names).ids)
        (folder / use).mkdir()
        write_subset(
            shards,
            splits,
            labelled=use == "labelled",
            shard_megabytes=params.data.shard_megabytes,
            folder=folder / use,
        )
    return ids_by_use


def _chosen_ids(params: Params, shards: "ShardSet", number: int) -> list[str]:
    """Returns the ids of the images to be labelled, sorted; nothing looks at their labels."""
    from roadshift.records.subset import draw_ids

    # Another seed draws others, since the luck of the draw is a part of what seeds show.
    choice, seed = params.adapt.labelled.choice, params.seed
    if choice == "random" or number >= shards.count("train"):
        return draw_ids(shards, "train", number=number, seed=seed)
    from roadshift.determinism import enable_determinism
    from roadshift.estimation.choosing import choose_ids
    from roadshift.networks.build import build_network, check_classes
    from roadshift.networks.files import load_network

    enable_determinism(params.seed)
    taxonomy, class_names = shards.taxonomy, shards.class_names
    if choice in ("weighed", "uncertain"):
        file = Path(params.model.weights)
        network = load_network(file)
        check_classes(network, file, taxonomy=taxonomy, class_names=class_names)
    else:
        network = build_network(params.model, class_names, taxonomy=taxonomy, seed=params.seed)
    height = params.data.max_height
    return choose_ids(network, shards, choice=choice, number=number, seed=seed, max_height=height)


if __name__ == "__main__":
    run(main)
