"""Scores the network of a mix on the test split of every domain."""

import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from roadshift.determinism import be_deterministic
from roadshift.environment import write_record
from roadshift.errors import RoadshiftError
from roadshift.networks.files import load_network
from roadshift.networks.network import check_classes
from roadshift.outputs import whole_file
from roadshift.records.contents import read_contents
from roadshift.records.reader import ShardSet, examples, open_shards, same_classes
from roadshift.scoring.adaptation import TentSegmenter, adapted_statistics
from roadshift.scoring.inference import PictureScores, Segment, Segmenter, score_pictures
from roadshift.scoring.report import score_domain
from roadshift.scoring.tables import confusion_rows
from stages.entry import run
from stages.params import TARGET, Params
from stages.paths import (
    CODE,
    confusion,
    environment,
    history,
    network,
    pictures,
    scores,
    test,
)


def main(params: Params, mix: str) -> None:
    """Score a mix's network on all domains, keeping a confusion matrix of every picture."""
    be_deterministic(params.seed)
    domains = {role: open_shards(test(role)) for role in params.domains}
    taxonomy, class_names = same_classes(domains.values())
    model = load_network(network(mix))
    check_classes(model, network(mix), taxonomy, class_names)
    used = target_pictures(mix, domains[TARGET])
    max_height, how = params.data.max_height, params.evaluate
    segmenter = Segmenter(model, max_height, how.flip, how.scales)

    def score(segment: Segment, shards: ShardSet) -> PictureScores:
        return score_pictures(segment, shards, "test", how.calibration_bins)

    def score_adabn(shards: ShardSet) -> PictureScores:
        unlabelled = (example.image for example in examples(shards, "test"))
        with adapted_statistics(model, unlabelled, max_height):
            return score(segmenter, shards)

    def describe(scored: PictureScores) -> dict[str, Any]:
        found = scored.ids, scored.matrices, scored.calibration
        return score_domain(*found, class_names, how, params.seed)

    methods: dict[str, Callable[[ShardSet], PictureScores]] = {}
    if params.adapt.adabn:
        methods["adabn"] = score_adabn
    if params.adapt.tent_steps:
        tent = TentSegmenter(
            model,
            max_height,
            params.adapt.tent_steps,
            params.adapt.tent_learning_rate,
            how.flip,
            how.scales,
        )
        methods["tent"] = partial(score, tent)

    report: dict[str, dict[str, Any]] = {}
    rows: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for role, shards in domains.items():
        scored = score(segmenter, shards)
        report[role] = {"data_set": shards.name, **describe(scored)}
        rows += [{"domain": role, **row} for row in confusion_rows(scored.matrices, class_names)]
        arrays |= {f"{role}/ids": np.array(scored.ids), f"{role}/matrices": scored.matrices}
        print(f"{mix} on {role} ({shards.name}): mIoU {report[role]['miou']}")
        for name, method in methods.items():
            scored = method(shards)
            adapted = report[role].setdefault("adapted", {})
            adapted[name] = describe(scored)
            arrays[f"{role}/{name}/matrices"] = scored.matrices
            print(f"{mix} on {role} ({shards.name}), {name}: mIoU {adapted[name]['miou']}")

    with whole_file(scores(mix)) as file:
        counts = {use: len(ids) for use, ids in used.items()}
        content = {
            "mix": mix, "taxonomy": taxonomy, "target_pictures": counts, "domains": report,
        }  # fmt: skip
        file.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    write_record(environment("evaluate", mix), scores(mix), Path(), CODE)
    with whole_file(pictures(mix)) as file, file.open("wb") as sink:
        np.savez_compressed(sink, allow_pickle=False, **arrays)
    with whole_file(confusion(mix)) as file, file.open("w", encoding="utf-8", newline="") as table:
        writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def target_pictures(mix: str, scored: ShardSet) -> dict[str, list[str]]:
    """The target's pictures that training was given, by their use; none of them is scored.

    Raises:
        RoadshiftError: one of them is among those to be scored.
    """
    used = json.loads(history(mix).read_text("utf-8"))["target_pictures"]
    asked = {*read_contents(scored.folder, "test", scored.class_names).ids}
    for use, ids in used.items():
        if seen := sorted(asked & {*ids}):
            raise RoadshiftError(
                f"{history(mix)}: training was given picture '{seen[0]}' of the target ({use}), "
                "which is to be scored; run the train stage again"
            )
    return used


if __name__ == "__main__":
    run(main, "mix")
