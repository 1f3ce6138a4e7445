"""Confidence intervals of mIoU, by the bootstrap over images.

Images, not pixels, are resampled, since the pixels of an image are not independent. Each
resample draws as many images as there are, with replacement, adds up their confusion matrices
and takes the mIoU over the classes in its own ground truth. The ends of the interval are
percentiles of these values (Efron and Tibshirani 1993, chapter 13).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from roadshift.errors import RoadshiftError
from roadshift.scoring.metrics import class_iou, mean_of_present

# Bounds the memory of a chunk of resamples; the results do not depend on it.
_CHUNK = 1000


class Difference(NamedTuple):
    """A difference in mIoU with its confidence interval, as shares, -1..1.

    Attributes:
        difference: mIoU of the second run minus mIoU of the first; None without a labelled pixel.
        low: lower end of the confidence interval; None if there is none.
        high: upper end of the confidence interval; None if there is none.
    """

    difference: float | None
    low: float | None
    high: float | None


def bootstrap_miou(
    matrices: np.ndarray, *, samples: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float] | None:
    """Computes the confidence interval of the mIoU of a set of images.

    Args:
        matrices: int64 (N, C, C), one confusion matrix for each image.
        samples: number of resamples, >= 0.
        seed: seed of the draws.
        level: share of the resamples inside the interval, 0..1.

    Returns:
        Lower and upper end, 0..1. None where no interval exists: fewer than two images, no
        resample, or no labelled pixel.
    """
    values = [_miou(weights, matrices) for weights in _weights(len(matrices), samples, seed)]
    return _interval(values, level)


def paired_bootstrap(
    a: np.ndarray, b: np.ndarray, *, samples: int = 1000, seed: int = 0, level: float = 0.95
) -> Difference:
    """Computes the difference in mIoU of two runs on the same images, with its interval.

    Both runs are resampled with the same draws. The difficulty of an image, which both share,
    cancels out, so the interval is far narrower than the runs' own intervals suggest. If a run
    was repeated with other seeds, the mean mIoU of its repetitions is compared. The interval is
    over images in this case too and says nothing about seeds that were not run.

    Args:
        a: int64 (N, C, C), one confusion matrix of the first run for each image; or
            (R, N, C, C) for R repetitions.
        b: the same for the second run, with the images in the same order.
        samples: number of resamples, >= 0.
        seed: seed of the draws.
        level: share of the resamples inside the interval, 0..1.

    Returns:
        mIoU of b minus mIoU of a, and the ends of its interval.

    Raises:
        RoadshiftError: the two were not scored on the same ground truth.
    """
    a, b = (matrices.reshape(-1, *matrices.shape[-3:]) for matrices in (a, b))
    truth = a[0].sum(axis=-1)
    if a.shape[1:] != b.shape[1:] or not all(
        np.array_equal(repetition.sum(axis=-1), truth) for repetition in (*a, *b)
    ):
        raise RoadshiftError(
            "the two runs were not scored on the same images and labels and cannot be compared; "
            "evaluate both on the same data"
        )
    images = a.shape[1]
    values = [
        _mean_miou(weights, b) - _mean_miou(weights, a)
        for weights in _weights(images, samples, seed)
    ]
    # Every image counts once: the difference itself. It is nan without a labelled pixel.
    once = np.ones((1, images), np.int64)
    difference = float((_mean_miou(once, b) - _mean_miou(once, a))[0])
    low, high = _interval(values, level) or (None, None)
    return Difference(None if np.isnan(difference) else difference, low, high)


def _weights(images: int, samples: int, seed: int) -> Iterator[np.ndarray]:
    """Yields how often each resample draws each image, in chunks of int64 (resamples, images)."""
    if images < 2:
        return
    generator = np.random.default_rng(seed)
    shares = np.full(images, 1 / images)
    for start in range(0, samples, _CHUNK):
        yield generator.multinomial(images, shares, size=min(_CHUNK, samples - start))


def _miou(weights: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Returns the mIoU of each resample, float64 (resamples,), nan without a labelled pixel."""
    images, classes, _ = matrices.shape
    # NumPy multiplies float64 by BLAS, unlike int64; pixel counts stay exact up to 2^53.
    flat = weights.astype(np.float64) @ matrices.reshape(images, -1).astype(np.float64)
    return mean_of_present(class_iou(flat.reshape(-1, classes, classes)))


def _mean_miou(weights: np.ndarray, repetitions: np.ndarray) -> np.ndarray:
    """Returns the mean of `_miou` over repetitions, int64 (repetitions, images, C, C)."""
    return np.mean([_miou(weights, matrices) for matrices in repetitions], axis=0)


def _interval(values: list[np.ndarray], level: float) -> tuple[float, float] | None:
    all_values = np.concatenate(values) if values else np.empty(0)
    all_values = all_values[~np.isnan(all_values)]
    if not all_values.size:
        return None
    low, high = np.quantile(all_values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
