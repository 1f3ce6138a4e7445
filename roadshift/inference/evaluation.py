"""Evaluates a network: scores on every domain, and predictions to be shown."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from roadshift.inference.scorers import Scorers, SplitScores
from roadshift.inference.segmenter import Segment
from roadshift.records.reader import ShardSet, examples
from roadshift.scoring.domain_metrics import score_domain
from roadshift.scoring.extremes import example_ids
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
        scorers: one function that scores the network as it was trained, and one for each method of
            test-time adaptation.
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

        def describe(name: str, found: SplitScores, shards: ShardSet = shards) -> DomainScores:
            score = score_domain(
                found.matrices,
                found.calibration,
                data_set=shards.name,
                class_names=shards.class_names,
                settings=settings,
                seed=seed,
            )
            print(f"{name} ({shards.name}): mIoU {score.miou}")
            return score

        found = scorers.plain(shards)
        plain[role] = found.matrices
        by_method: dict[Method, DomainScores] = {}
        score = describe(role, found)
        for method, scorer in scorers.adapted.items():
            found = scorer(shards)
            adapted[method][role] = found.matrices
            by_method[method] = describe(f"{role}, {method}", found)
        scores[role] = score.model_copy(update={"adapted": by_method})
        predictions[role] = segment_examples(scorers.segment, shards, plain[role])
    return Evaluation(scores, MixMatrices(plain, adapted), ExamplePredictions(predictions))


def segment_examples(
    segment: Segment, shards: ShardSet, matrices: ImageMatrices
) -> dict[str, np.ndarray]:
    """Segments the example images of a test split (see `example_ids`), and as many as may be kept.

    Where `KEPT_PIXELS` do not allow for all images, the others are spread evenly over the split, in
    the same places for every network.

    Args:
        segment: function that segments an image.
        shards: shards with the test split.
        matrices: confusion matrix of each image of the split, by which the examples are chosen.

    Returns:
        By image id, the class ids of each kept image, uint8 (H, W), in the order of the split.
    """
    chosen = example_ids(matrices)
    places = {place for place, name in enumerate(matrices.ids) if name in chosen}
    found = _segmented(segment, shards, places)
    number, pixels = len(matrices.ids), sum(ids.size for ids in found.values())
    room = min(number, KEPT_PIXELS * len(found) // pixels)
    spread = {k * number // room for k in range(room)}
    found |= _segmented(segment, shards, spread - places)
    return {name: found[name] for name in matrices.ids if name in found}


def _segmented(segment: Segment, shards: ShardSet, places: set[int]) -> dict[str, np.ndarray]:
    found = examples(shards, "test", sorted(places))
    return {example.id: segment(example.image).ids for example in found}
