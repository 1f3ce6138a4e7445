"""Scores a network on the sources: on all that it has not seen, but for test."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from roadshift.inference.evaluation import describe, describe_adapted
from roadshift.inference.scorers import Scorers, score_split
from roadshift.records.reader import ShardSet
from roadshift.scoring.results import ImageMatrices, MixMatrices
from roadshift.scoring.settings import EvaluateSettings
from roadshift.scoring.transfer import SourceScores

HELD_OUT_SPLITS = ("train", "val")
OWN_SPLITS = ("val",)


@dataclass(frozen=True, eq=False)
class Transfer:
    """The scores of a network on the sources.

    Attributes:
        scores: metrics by role of a source.
        matrices: confusion matrices of all images.
    """

    scores: dict[str, SourceScores]
    matrices: MixMatrices


def score_transfer(
    scorers: Scorers,
    sources: Mapping[str, ShardSet],
    *,
    own: Collection[str],
    settings: EvaluateSettings,
    seed: int,
) -> Transfer:
    """Scores a network on train and val of the sources it never saw, and on val of its own.

    A source without images in these splits is left out, and said so.

    Args:
        scorers: a function that segments with the network as it was trained, and one that scores
            for each method of test-time adaptation.
        sources: by role, the shards with its train and val splits.
        own: roles of the sources that the network was trained on.
        settings: number of resamples and level of the confidence intervals.
        seed: seed of the bootstrap.

    Raises:
        RoadshiftError: a record is damaged.
    """
    scores: dict[str, SourceScores] = {}
    plain: dict[str, ImageMatrices] = {}
    adapted: dict[str, dict[str, ImageMatrices]] = {method: {} for method in scorers.adapted}
    for role, shards in sources.items():
        held_out = role not in own
        wanted = HELD_OUT_SPLITS if held_out else OWN_SPLITS
        splits = [split for split in wanted if shards.count(split)]
        if not splits:
            print(f"{role} ({shards.name}): no image in {' or '.join(wanted)}, so no score")
            continue
        title = f"{role}, {' and '.join(splits)}"
        found = score_split(
            scorers.segment, shards, *splits, calibration_bins=scorers.calibration_bins
        )
        plain[role] = found.matrices
        score = describe(title, found, shards, settings=settings, seed=seed)
        by_method, matrices = describe_adapted(
            title, scorers, shards, splits, settings=settings, seed=seed
        )
        for method, found_images in matrices.items():
            adapted[method][role] = found_images
        scores[role] = SourceScores(
            **{**dict(score), "adapted": by_method}, held_out=held_out, splits=splits
        )
    return Transfer(scores, MixMatrices(plain, adapted))
