"""Scores the network of a mix on the test split of every domain."""

import csv
import json
from typing import Any

import numpy as np

from roadshift.determinism import be_deterministic
from roadshift.networks.files import load_network
from roadshift.networks.network import check_classes
from roadshift.outputs import whole_file
from roadshift.records.reader import open_shards, same_classes
from roadshift.scoring.inference import Segmenter, score_pictures
from roadshift.scoring.report import score_domain
from roadshift.scoring.tables import confusion_rows
from stages.entry import run
from stages.params import Params
from stages.paths import confusion, network, pictures, scores, test


def main(params: Params, mix: str) -> None:
    """Score a mix's network on all domains, keeping a confusion matrix of every picture."""
    be_deterministic(params.seed)
    domains = {role: open_shards(test(role)) for role in params.domains}
    taxonomy, class_names = same_classes(domains.values())
    model = load_network(network(mix))
    check_classes(model, taxonomy, class_names)
    segmenter = Segmenter(model, params.data.max_height)

    report: dict[str, dict[str, Any]] = {}
    rows: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for role, shards in domains.items():
        scored = score_pictures(segmenter, shards, "test", params.evaluate.calibration_bins)
        report[role] = {
            "data_set": shards.name,
            **score_domain(
                scored.ids,
                scored.matrices,
                scored.calibration,
                class_names,
                params.evaluate,
                params.seed,
            ),
        }
        rows += [{"domain": role, **row} for row in confusion_rows(scored.matrices, class_names)]
        arrays |= {f"{role}/ids": np.array(scored.ids), f"{role}/matrices": scored.matrices}
        print(f"{mix} on {role} ({shards.name}): mIoU {report[role]['miou']}")

    with whole_file(scores(mix)) as file:
        content = {"mix": mix, "taxonomy": taxonomy, "domains": report}
        file.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    with whole_file(pictures(mix)) as file, file.open("wb") as sink:
        np.savez_compressed(sink, allow_pickle=False, **arrays)
    with whole_file(confusion(mix)) as file, file.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.DictWriter(sink, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    run(main, "mix")
