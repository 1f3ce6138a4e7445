"""Scores a network on labelled images: as it was trained, and adapted at test time."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import keras
import numpy as np

from roadshift.errors import RoadshiftError
from roadshift.inference.segmenter import Segment, Segmenter
from roadshift.inference.test_time import TentSegmenter, adapted_batch_norm
from roadshift.networks.settings import InferenceSettings
from roadshift.records.reader import Example, ShardSet, examples
from roadshift.scoring.calibration import CalibrationSums, calibration_sums, no_pixels
from roadshift.scoring.confusion import confusion_matrix, joined_matrices, partial_rows
from roadshift.scoring.results import ImageMatrices, Method
from roadshift.taxonomy import IGNORE_ID, PartialLabel


@dataclass(frozen=True, eq=False)
class SplitScores:
    """A network's raw scores on the images of a split.

    Attributes:
        matrices: confusion matrix of each image, in the order of the images.
        calibration: calibration sums over all images, of the pixels with exact labels.
        partial_labels: the partial labels that occur in the images, whose classes are joined in
            `matrices`.
    """

    matrices: ImageMatrices
    calibration: CalibrationSums
    partial_labels: tuple[PartialLabel, ...] = ()


def score_examples(
    segment: Segment,
    labelled: Iterable[Example],
    *,
    classes: int,
    calibration_bins: int = 15,
    partial_labels: Sequence[PartialLabel] = (),
) -> SplitScores:
    """Scores images at their labels' own resolution.

    Classes that the partial labels in the images do not tell apart are joined: label and prediction
    count as the first of them.

    Args:
        segment: function that segments an image.
        labelled: images with labels, at least one.
        classes: number of classes.
        calibration_bins: number of confidence bins.
        partial_labels: the partial labels that may occur among the labels; default none.

    Raises:
        RoadshiftError: an image cannot be segmented, or a label has an id of no label.
    """
    ids, matrices, rows, calibration = [], [], [], no_pixels(calibration_bins)
    partial_ids = [partial.id for partial in partial_labels]
    for example in labelled:
        try:
            result = segment(example.image)
        except RoadshiftError as error:
            raise RoadshiftError(f"{example.id}: {error}") from None
        label, prediction = example.label, result.ids
        rows.append(partial_rows(label, prediction, partial_labels, classes))
        if rows[-1].any():
            label = np.where(np.isin(label, partial_ids), np.uint8(IGNORE_ID), label)
        ids.append(example.id)
        matrices.append(confusion_matrix(label, prediction, classes))
        calibration += calibration_sums(label, prediction, result.confidence, bins=calibration_bins)
    found = [k for k in range(len(partial_labels)) if any(each[k].any() for each in rows)]
    occurring = tuple(partial_labels[k] for k in found)
    total = np.stack(matrices)
    if occurring:
        # Which classes are joined is known only now that all images have been seen.
        total = joined_matrices(total, np.stack(rows)[:, found], occurring)
    return SplitScores(ImageMatrices(tuple(ids), total), calibration, occurring)


def score_split(
    segment: Segment, shards: ShardSet, *splits: str, calibration_bins: int = 15
) -> SplitScores:
    """Scores every image of a split, or of several, at its label's own resolution.

    Raises:
        RoadshiftError: a split is empty, or a record is damaged.
    """
    return score_examples(
        segment,
        chain.from_iterable(examples(shards, split) for split in splits),
        classes=len(shards.class_names),
        calibration_bins=calibration_bins,
        partial_labels=shards.partial_labels,
    )


Scorer = Callable[[ShardSet, Sequence[str]], SplitScores]
"""A function that scores a network on some splits of a data set."""


@dataclass(frozen=True)
class Scorers:
    """The functions that score a network.

    Attributes:
        segment: function that segments an image with the network as it was trained.
        calibration_bins: number of confidence bins.
        adapted: scorer of each method of test-time adaptation; it restores the network.
    """

    segment: Segment
    calibration_bins: int
    adapted: dict[Method, Scorer]


def build_scorers(
    network: keras.Model,
    settings: InferenceSettings,
    *,
    calibration_bins: int,
    adabn: bool,
    tent_steps: int,
    tent_learning_rate: float,
) -> Scorers:
    """Builds the scorers that the parameters ask for.

    Args:
        network: maps images, float32 (N, H, W, 3) in 0..255, to logits (N, H, W, classes).
        settings: height limit and views.
        calibration_bins: number of confidence bins.
        adabn: whether to score AdaBN, too.
        tent_steps: number of TENT's optimizer steps on each scored image; 0 leaves TENT out.
        tent_learning_rate: learning rate of TENT.
    """
    segment = Segmenter(network, settings)

    def score(segmenter: Segment, shards: ShardSet, splits: Sequence[str]) -> SplitScores:
        return score_split(segmenter, shards, *splits, calibration_bins=calibration_bins)

    def score_adabn(shards: ShardSet, splits: Sequence[str]) -> SplitScores:
        unlabelled = (each.image for split in splits for each in examples(shards, split))
        with adapted_batch_norm(network, unlabelled, settings.max_height):
            return score(segment, shards, splits)

    adapted: dict[Method, Scorer] = {}
    if adabn:
        adapted["adabn"] = score_adabn
    if tent_steps:
        tent = TentSegmenter(network, settings, steps=tent_steps, learning_rate=tent_learning_rate)
        adapted["tent"] = partial(score, tent)
    return Scorers(segment, calibration_bins, adapted)
