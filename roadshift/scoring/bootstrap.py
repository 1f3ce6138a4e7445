"""Confidence intervals of mIoU, by the bootstrap over pictures.

Pictures, not pixels, are resampled, since the pixels of a picture are not independent. Each
resample draws as many pictures as there are, with replacement, adds up their confusion matrices
and takes the mIoU over the classes in its own ground truth; the interval lies between the
percentiles of these (Efron and Tibshirani 1993, chapter 13).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from roadshift.errors import RoadshiftError
from roadshift.scoring.metrics import class_iou, mean_of_present

# Bounds the memory of a chunk of resamples; the results do not depend on it.
_CHUNK = 1000


class Difference(NamedTuple):
    """How much the second of two runs is better than the first, in mIoU.

    Attributes:
        difference: mIoU of the second run less that of the first; None without any pixel.
        low: lower end of the confidence interval; None if there is none.
        high: its upper end.
    """

    difference: float | None
    low: float | None
    high: float | None


def bootstrap_miou(
    matrices: np.ndarray, samples: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float] | None:
    """Confidence interval of the mIoU of a set of pictures.

    Args:
        matrices: int64 (N, C, C), a confusion matrix a picture.
        samples: number of resamples, >= 0.
        seed: seed of the draws.
        level: share of the resamples inside the interval, 0..1.

    Returns:
        Its two ends, or None where no interval exists: fewer than two pictures, no resample, or
        no pixel.
    """
    values = [_miou(weights, matrices) for weights in _weights(len(matrices), samples, seed)]
    return _interval(values, level)


def paired_bootstrap(
    a: np.ndarray, b: np.ndarray, samples: int = 1000, seed: int = 0, level: float = 0.95
) -> Difference:
    """Difference in mIoU of two runs on the same pictures, with its confidence interval.

    Both runs are resampled with the same draws, so that what makes a picture hard for both
    cancels out: the interval is far narrower than the two runs' own suggest. Of a run that was
    repeated with other seeds, the mean mIoU of the repetitions is compared; the interval is over
    pictures all the same, and tells nothing of seeds that were not run.

    Args:
        a: int64 (N, C, C), the first run's confusion matrices, one a picture; or (R, N, C, C), of
            its R repetitions.
        b: the second run's, likewise, in the same order of pictures.
        samples: number of resamples, >= 0.
        seed: seed of the draws.
        level: share of the resamples inside the interval, 0..1.

    Returns:
        mIoU of b less mIoU of a, and the ends of its interval.

    Raises:
        RoadshiftError: the two were not scored on the same ground truth.
    """
    a, b = (matrices.reshape(-1, *matrices.shape[-3:]) for matrices in (a, b))
    truth = a[0].sum(axis=-1)
    if a.shape[1:] != b.shape[1:] or not all(
        np.array_equal(repetition.sum(axis=-1), truth) for repetition in (*a, *b)
    ):
        raise RoadshiftError(
            "the two runs were not scored on the same pictures and labels, so that they cannot "
            "be compared: evaluate both on the same data"
        )
    pictures = a.shape[1]
    values = [
        _mean_miou(weights, b) - _mean_miou(weights, a)
        for weights in _weights(pictures, samples, seed)
    ]
    # All pictures once: the difference itself. Without any pixel it is nan.
    once = np.ones((1, pictures), np.int64)
    difference = float((_mean_miou(once, b) - _mean_miou(once, a))[0])
    low, high = _interval(values, level) or (None, None)
    return Difference(None if np.isnan(difference) else difference, low, high)


def _weights(pictures: int, samples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each picture is drawn: chunks of int64 (resamples, pictures)."""
    if pictures < 2:
        return
    generator = np.random.default_rng(seed)
    shares = np.full(pictures, 1 / pictures)
    for start in range(0, samples, _CHUNK):
        yield generator.multinomial(pictures, shares, size=min(_CHUNK, samples - start))


def _miou(weights: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """The mIoU of each resample: float64 (resamples,), nan without any pixel."""
    pictures, classes, _ = matrices.shape
    # In float64 the product is BLAS's, and counts of pixels stay exact up to 2^53.
    flat = weights.astype(np.float64) @ matrices.reshape(pictures, -1).astype(np.float64)
    return mean_of_present(class_iou(flat.reshape(-1, classes, classes)))


def _mean_miou(weights: np.ndarray, repetitions: np.ndarray) -> np.ndarray:
    """As `_miou`, the mean over repetitions: int64 (repetitions, pictures, classes, classes)."""
    return np.mean([_miou(weights, matrices) for matrices in repetitions], axis=0)


def _interval(values: list[np.ndarray], level: float) -> tuple[float, float] | None:
    all_values = np.concatenate(values) if values else np.empty(0)
    all_values = all_values[~np.isnan(all_values)]
    if not all_values.size:
        return None
    low, high = np.quantile(all_values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
