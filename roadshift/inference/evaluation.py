"""Evaluates a network: scores on every domain, and predictions to be shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from roadshift.inference.scorers import Scorers, SplitScores, score_split
from roadshift.inference.segmenter import Segment, Segmentation
from roadshift.records.reader import ShardSet, examples
from roadshift.scoring.domain_metrics import score_domain
from roadshift.scoring.extremes import example_ids
from roadshift.scoring.numbers import percent
from roadshift.scoring.results import (
    DomainScores,
    ExamplePredictions,
    ImageMatrices,
    Method,
    MixMatrices,
)
from roadshift.scoring.settings import EvaluateSettings

KEPT_PIXELS = 32_000_000
"""Upper bound on the pixels of a domain's kept predictions, apart from the example images. Memory
holds those of all domains, one byte a pixel."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The results of evaluating a network.

    Attributes:
        scores: metrics of each role.
        matrices: confusion matrices of all images.
        predictions: predictions on the example images, and on others as far as they are kept.
    """

    scores: dict[str, DomainScores]
    matrices: MixMatrices
    predictions: ExamplePredictions


def evaluate_network(
    scorers: Scorers,
    domains: Mapping[str, ShardSet],
    *,
    settings: EvaluateSettings,
    seed: int,
) -> Evaluation:
    """Scores a network on the test images of every domain, with intervals, and prints each mIoU.

    Args:
        scorers: a function that segments with the network as it was trained, and one that scores
            for each method of test-time adaptation.
        domains: by role (source or target), the shards with its test split.
        settings: number of resamples and level of the confidence intervals.
        seed: seed of the bootstrap.

    Raises:
        RoadshiftError: a domain has no test images, or a record is damaged.
    """
    scores: dict[str, DomainScores] = {}
    plain: dict[str, ImageMatrices] = {}
    adapted: dict[str, dict[str, ImageMatrices]] = {method: {} for method in scorers.adapted}
    predictions: dict[str, dict[str, np.ndarray]] = {}
    for role, shards in domains.items():
        found, predictions[role] = score_and_keep(
            scorers.segment, shards, calibration_bins=scorers.calibration_bins
        )
        plain[role] = found.matrices
        score = describe(role, found, shards, settings=settings, seed=seed)
        by_method, matrices = describe_adapted(
            role, scorers, shards, ["test"], settings=settings, seed=seed
        )
        for method, found_images in matrices.items():
            adapted[method][role] = found_images
        scores[role] = score.model_copy(update={"adapted": by_method})
    return Evaluation(scores, MixMatrices(plain, adapted), ExamplePredictions(predictions))


def describe_adapted(
    name: str,
    scorers: Scorers,
    shards: ShardSet,
    splits: Sequence[str],
    *,
    settings: EvaluateSettings,
    seed: int,
) -> tuple[dict[Method, DomainScores], dict[Method, ImageMatrices]]:
    """Scores a network by each method of test-time adaptation, and prints each mIoU.

    Args:
        name: what each printed line starts with.
        scorers: has a function that scores for each method.
        shards: the data set.
        splits: names of the splits to score.
        settings: number of resamples and level of the confidence interval.
        seed: seed of the bootstrap.

    Returns:
        By method, all metrics, and the confusion matrices of the images.
    """
    scores: dict[Method, DomainScores] = {}
    matrices: dict[Method, ImageMatrices] = {}
    for method, scorer in scorers.adapted.items():
        found = scorer(shards, splits)
        matrices[method] = found.matrices
        scores[method] = describe(f"{name}, {method}", found, shards, settings=settings, seed=seed)
    return scores, matrices


def describe(
    name: str, found: SplitScores, shards: ShardSet, *, settings: EvaluateSettings, seed: int
) -> DomainScores:
    """Computes all metrics from a network's raw scores on a data set, and prints the mIoU.

    Args:
        name: what the printed line starts with.
        found: the raw scores.
        shards: the data set.
        settings: number of resamples and level of the confidence interval.
        seed: seed of the bootstrap.
    """
    score = score_domain(
        found.matrices,
        found.calibration,
        data_set=shards.name,
        class_names=shards.class_names,
        settings=settings,
        seed=seed,
        partial_labels=found.partial_labels,
    )
    joined = f" with joined classes ({'; '.join(score.joined)})" if score.joined else ""
    miou = "none" if score.miou is None else f"{percent(score.miou)} %"
    print(f"{name} ({shards.name}): mIoU {miou}{joined}")
    return score


def score_and_keep(
    segment: Segment, shards: ShardSet, *, calibration_bins: int = 15
) -> tuple[SplitScores, dict[str, np.ndarray]]:
    """Scores every image of a test split, and keeps predictions to be shown.

    Kept are all predictions, or every second, every fourth and so on where `KEPT_PIXELS` do not
    allow for more: the same images for every network. The example images (see `example_ids`), which
    the scores choose, are segmented again if their predictions were not kept.

    Args:
        segment: function that segments an image.
        shards: shards with the test split.
        calibration_bins: number of confidence bins.

    Returns:
        The raw scores; and by image id, the class ids of each kept image, uint8 (H, W), in the
        order of the split.

    Raises:
        RoadshiftError: the split is empty, or a record is damaged.
    """
    kept = _EvenlyKept()

    def segment_and_keep(image: np.ndarray) -> Segmentation:
        result = segment(image)
        kept.add(result.ids)
        return result

    found = score_split(segment_and_keep, shards, "test", calibration_bins=calibration_bins)
    ids = found.matrices.ids
    predictions = {ids[place]: prediction for place, prediction in kept.predictions.items()}
    wanted = {*example_ids(found.matrices)} - {*predictions}
    missing = [place for place, name in enumerate(ids) if name in wanted]
    for example in examples(shards, "test", missing):
        predictions[example.id] = segment(example.image).ids
    return found, {name: predictions[name] for name in ids if name in predictions}


class _EvenlyKept:
    """Predictions at places 0, n, 2n, … for the smallest power of two n that fits `KEPT_PIXELS`."""

    def __init__(self) -> None:
        self.predictions: dict[int, np.ndarray] = {}
        self._seen, self._step = 0, 1

    def add(self, ids: np.ndarray) -> None:
        if self._seen % self._step == 0:
            self.predictions[self._seen] = ids
        self._seen += 1
        while len(self.predictions) > 1 and self._pixels() > KEPT_PIXELS:
            self._step *= 2
            for place in [place for place in self.predictions if place % self._step]:
                del self.predictions[place]

    def _pixels(self) -> int:
        return sum(ids.size for ids in self.predictions.values())
