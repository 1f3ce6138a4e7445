"""Measures distillation: `python -m ablation.distillation FOLDER FOLDER FOLDER`.

Each folder has the networks of one seed, `<mix>.keras`, in the order of the seeds from 0.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from roadshift.atomic import atomic_file
from roadshift.determinism import enable_determinism
from roadshift.errors import RoadshiftError
from roadshift.inference.scorers import score_split
from roadshift.inference.segmenter import Segment, Segmentation, Segmenter
from roadshift.inference.trained_network import TrainedNetwork, load_trained_network
from roadshift.interruption import end_interrupted, raise_on_signals
from roadshift.progress import progress_bar
from roadshift.records.reader import ShardSet, examples, open_shards
from roadshift.scoring.comparison import Variant, compare_variants, comparison_rows
from roadshift.scoring.results import ImageMatrices
from roadshift.scoring.settings import EvaluateSettings
from roadshift.training.distillation import (
    VIEWS,
    DistillationSettings,
    crop_size,
    distil,
    draw_crops,
)
from stages.params import TARGET
from stages.paths import RESULTS, TEST, TRAINVAL

RESULT = RESULTS / "distillation/result.json"
BASE = "one network"


def main() -> None:
    """Compare one network, ensembles and students on the target's test images, over the seeds.

    Students learn from the images of the target's train split, without their labels. The ensembles
    are the mixes of a seed, and one mix by all seeds.
    """
    parser = argparse.ArgumentParser(prog="python -m ablation.distillation")
    parser.description = main.__doc__
    parser.add_argument("folders", type=Path, nargs="+", help="the networks of each seed")
    parser.add_argument("--mix", default="ab", help="mix of the student; default ab")
    parser.add_argument("--steps", type=int, default=120, help="number of steps; default 120")
    given = parser.parse_args()
    raise_on_signals()
    try:
        measure(given.folders, given.mix, given.steps)
    except RoadshiftError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt as interrupt:
        end_interrupted(interrupt)


def measure(folders: Sequence[Path], mix: str, steps: int) -> None:
    """Scores every variant with every seed, and writes the comparison after each variant.

    Args:
        folders: folder with the networks of each seed.
        mix: name of the mix that students begin as.
        steps: number of steps of each distillation.
    """
    enable_determinism(0)
    test, train = open_shards(TEST / TARGET), open_shards(TRAINVAL / TARGET)
    firsts = [folder / f"{mix}.keras" for folder in folders]
    teachers = {
        "one mix by all seeds": [[first, *(f for f in firsts if f != first)] for first in firsts],
        "all mixes of a seed": [
            [first, *sorted(f for f in first.parent.glob("*.keras") if f != first)]
            for first in firsts
        ],
    }
    found = {BASE: [score(_segmenter(load_trained_network(file)), test) for file in firsts]}
    views = [_ensemble([file]) for file in firsts]
    found["one network, views averaged"] = [score(each, test) for each in views]
    settings: dict[str, Any] = {}
    for name, groups in teachers.items():
        if all(len(group) == 1 for group in groups):
            continue  # a folder has one mix alone, or there is one folder
        # The networks of all seeds are one ensemble, which is no several runs.
        different = {tuple(sorted(group)) for group in groups}
        found[f"ensemble: {name}"] = [score(_ensemble(each), test) for each in sorted(different)]
        students = []
        for seed, group in enumerate(groups):
            settings = {"steps": steps, "batch_size": 4, "learning_rate": 3e-4, "threshold": 0.5}
            students.append(score(_student(group, train, settings | {"seed": seed}), test))
        found[f"student: {name}"] = students
        _write(found, test, train, {"mix": mix, "views": [*VIEWS], **settings})


def score(segment: Segment, shards: ShardSet) -> ImageMatrices:
    """Scores a network, or an ensemble, on the test images."""
    return score_split(segment, shards, "test").matrices


def _segmenter(trained: TrainedNetwork, **views: Any) -> Segmenter:
    return Segmenter(trained.network, trained.inference.model_copy(update=views))


def _ensemble(files: Sequence[Path]) -> Segment:
    """Returns a function that segments by the mean probabilities of networks over the views."""
    members = [
        _segmenter(load_trained_network(file), tta_flip=True, tta_scales=VIEWS) for file in files
    ]

    def segment(image: np.ndarray) -> Segmentation:
        found = np.mean([member.probabilities(image) for member in members], axis=0)
        return Segmentation(found.argmax(-1).astype(np.uint8), found.max(-1))

    return segment


def _student(files: Sequence[Path], shards: ShardSet, settings: dict[str, Any]) -> Segment:
    student = load_trained_network(files[0])
    schedule = DistillationSettings(max_height=student.inference.max_height, **settings)
    images = {each.id: each.image for each in examples(shards, "train")}
    size = crop_size([image.shape[:2] for image in images.values()], schedule.max_height)
    crops = draw_crops([*images], images.__getitem__, size, schedule)
    networks = [load_trained_network(file).network for file in files]
    with progress_bar(f"distill into {files[0]}", "step", schedule.steps) as progress:
        distil(student.network, networks, crops, schedule, lambda _: progress.update())
    return _segmenter(student)


def _write(
    found: dict[str, list[ImageMatrices]], test: ShardSet, train: ShardSet, content: dict[str, Any]
) -> None:
    variants = [
        Variant(
            name=name,
            seeds=tuple(range(len(scores))),
            scores={TARGET: scores},
            use="unsupervised" if name.startswith("student") else "",
        )
        for name, scores in found.items()
    ]
    rows = compare_variants(variants, BASE, settings=EvaluateSettings())
    by_seed = {row.variant.name: row.cells[TARGET].by_seed for row in rows}
    content |= {
        "data_set": test.name,
        "images": train.count("train"),
        "scored": test.count("test"),
        "rows": [*_with_seeds(list(comparison_rows(rows)), by_seed)],
    }
    with atomic_file(RESULT) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    for row in content["rows"]:
        print({key: row[key] for key in ("variant", "miou", "difference", "low", "high")})


def _with_seeds(rows: list[dict[str, Any]], by_seed: dict[str, Any]) -> Iterator[dict[str, Any]]:
    kept = ("variant", "miou", "difference", "low", "high", "verdict", "use")
    for row in rows:
        mious = [round(miou, 6) for miou in by_seed[row["variant"]]]
        yield {key: row[key] for key in kept} | {"by_seed": mious}


if __name__ == "__main__":
    main()
