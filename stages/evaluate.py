"""Scores the network of a mix on the test split of every domain."""

import csv
import json
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
from roadshift.records.reader import ShardSet, open_shards, same_classes
from roadshift.scoring.report import score_domain
from roadshift.scoring.tables import confusion_rows
from roadshift.scoring.ways import PLAIN, ways_of_scoring
from roadshift.training.history import read_target_pictures
from stages.entry import run
from stages.params import TARGET, Params
from stages.paths import CODE, confusion, environment, history, network, pictures, scores, test


def main(params: Params, mix: str) -> None:
    """Score a mix's network on all domains, keeping a confusion matrix of every picture."""
    be_deterministic(params.seed)
    domains = {role: open_shards(test(role)) for role in params.domains}
    taxonomy, class_names = same_classes(domains.values())
    model = load_network(network(mix))
    check_classes(model, network(mix), taxonomy, class_names)
    seen = target_pictures(mix, domains[TARGET])
    how = params.evaluate
    ways = ways_of_scoring(
        model,
        params.data.max_height,
        how,
        params.adapt.adabn,
        params.adapt.tent_steps,
        params.adapt.tent_learning_rate,
    )
    report: dict[str, dict[str, Any]] = {}
    rows: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for role, shards in domains.items():
        for name, way in ways.items():
            scored = way(shards)
            found = scored.ids, scored.matrices, scored.calibration
            described = score_domain(*found, class_names, how, params.seed)
            print(f"{mix} on {role} ({shards.name}), {name}: mIoU {described['miou']}")
            if name == PLAIN:
                report[role] = {"data_set": shards.name, **described}
                pairs = confusion_rows(scored.matrices, class_names)
                rows += [{"domain": role, **pair} for pair in pairs]
                arrays |= {f"{role}/ids": np.array(scored.ids), f"{role}/matrices": scored.matrices}
            else:
                report[role].setdefault("adapted", {})[name] = described
                arrays[f"{role}/{name}/matrices"] = scored.matrices

    content = {"mix": mix, "taxonomy": taxonomy, "target_pictures": seen, "domains": report}
    with whole_file(scores(mix)) as file:
        file.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    with whole_file(pictures(mix)) as file, file.open("wb") as sink:
        np.savez_compressed(sink, allow_pickle=False, **arrays)
    with whole_file(confusion(mix)) as file, file.open("w", encoding="utf-8", newline="") as table:
        writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_record(environment("evaluate", mix), scores(mix), Path(), CODE)


def target_pictures(mix: str, scored: ShardSet) -> dict[str, int]:
    """How many pictures of the target training was given, by their use; none is to be scored."""
    used = read_target_pictures(history(mix))
    asked = {*read_contents(scored.folder, "test", scored.class_names).ids}
    for use, ids in used.items():
        if both := sorted(asked & {*ids}):
            raise RoadshiftError(
                f"{history(mix)}: training was given picture '{both[0]}' of the target ({use}), "
                "which is to be scored; run the train stage again"
            )
    return {use: len(ids) for use, ids in used.items()}


if __name__ == "__main__":
    run(main, "mix")
