"""Confidence intervals of mIoU over images and seeds, and of differences between runs.

**Images.** Images, not pixels, are resampled, since the pixels of an image are not independent.
Each resample draws as many images as there are, with replacement, adds up their confusion matrices
and takes the mIoU over the classes in its own ground truth. Percentiles of these values are too
narrow for few images: by simulation, 95 % intervals of eight images hold the truth in 85 % of the
cases. Two corrections for few images are known: percentiles farther out, by which the interval of
a mean has the width of Student's (Hesterberg 2015, arXiv 1411.5279, section 4.4), and Student's
interval itself with the standard deviation of the resamples. The first follows the skew, the second
does not end where the resamples do. Each end of an interval is the farther one of the two.

**Seeds.** The runs of a recipe with other seeds differ, too. The variance over them gives an
interval of their mean by Student's distribution, with the degrees of freedom of Welch 1947 for two
recipes. Both intervals are joined by the method of variance estimates recovery (Zou and Donner
2008): the squared distance of each end is the sum of the squared distances of the two. A run by one
seed has no such part: its interval is of that network alone.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from roadshift.errors import RoadshiftError
from roadshift.scoring.estimate import Difference, Estimate, Share
from roadshift.scoring.metrics import class_iou, mean_of_present

# Bounds the memory of a chunk of resamples; the results do not depend on it.
_CHUNK = 1000
Score = Callable[[np.ndarray], np.ndarray]
"""A score of confusion matrices, (S, C, C) to float64 (S,), nan where it is not defined."""


def miou_of(matrices: np.ndarray) -> np.ndarray:
    """Returns the mIoU of matrices (S, C, C), float64 (S,), nan without a labelled pixel."""
    return mean_of_present(class_iou(matrices))


class Cell(NamedTuple):
    """The runs of two recipes on one domain, as a part of a mean over domains.

    Attributes:
        a: int64 (R, N, C, C), the matrices of the first recipe's runs.
        b: the same for the second recipe, for the same images in the same order.
        weight: weight in the mean; the weights of all parts add up to 1.
        images: what tells the images apart from those of other parts; parts of the same images are
            resampled together.
    """

    a: np.ndarray
    b: np.ndarray
    weight: float
    images: Hashable


def bootstrap_miou(
    matrices: np.ndarray, *, samples: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float] | None:
    """Computes the confidence interval of the mIoU of a set of images.

    Args:
        matrices: int64 (N, C, C), one confusion matrix for each image; or (R, N, C, C) for R runs
            with other seeds, whose mean mIoU the interval is of.
        samples: number of resamples, >= 0.
        seed: seed of the draws.
        level: share of such intervals that hold the true value, 0..1.

    Returns:
        Lower and upper end, 0..1. None where no interval exists: fewer than two images, no
        resample, or no labelled pixel.
    """
    runs = _runs(matrices)
    once, resampled = _mean_score(runs, samples=samples, seed=seed)
    error, freedom = _error_over_seeds([runs])
    estimate = Estimate(once, _known(resampled), runs.shape[1], error, freedom)
    if not estimate.has_interval:
        return None
    low, high = estimate.interval(1 - level)
    return max(low, 0.0), min(high, 1.0)


def paired_bootstrap(
    a: np.ndarray,
    b: np.ndarray,
    *,
    samples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    score: Score = miou_of,
) -> Difference:
    """Computes the difference in mIoU of two recipes on the same images, with its interval.

    Both are resampled with the same draws. The difficulty of an image, which both share, cancels
    out, so the interval is far narrower than their own intervals suggest. Recipes that ran with
    several seeds are compared by their means over the seeds.

    Args:
        a: int64 (N, C, C), one confusion matrix of the first recipe for each image; or
            (R, N, C, C) for R seeds.
        b: the same for the second recipe, with the images in the same order.
        samples: number of resamples, >= 0.
        seed: seed of the draws.
        level: share of such intervals that hold the true difference, 0..1.
        score: the score that is compared; default mIoU.

    Returns:
        Score of b minus score of a, and the ends of its interval. The interval is over images and
        seeds if both have several seeds, else of these networks alone.

    Raises:
        RoadshiftError: the two were not scored on the same ground truth.
    """
    cell = Cell(_runs(a), _runs(b), weight=1.0, images=0)
    estimate = mean_difference([cell], samples=samples, seed=seed, score=score)
    return difference_of(estimate, level=level)


def mean_difference(
    cells: Sequence[Cell], *, samples: int = 1000, seed: int = 0, score: Score = miou_of
) -> Estimate | None:
    """Estimates the mean over domains of the difference in mIoU of two recipes.

    Images are resampled within each domain. The interval is that of the domain with the fewest
    images as to its width for few images, which is too wide rather than too narrow. Over the seeds
    counts how far the means over the domains vary.

    Args:
        cells: the parts of the mean; each recipe has the same seeds, in the same order, in all.
        samples: number of resamples, >= 0.
        seed: seed of the draws.
        score: the score that is compared; default mIoU.

    Returns:
        The estimate; None without a labelled pixel.

    Raises:
        RoadshiftError: the two were not scored on the same ground truth.
    """
    seeds: dict[Hashable, int | tuple[int, int]] = {}
    value, resampled = 0.0, np.zeros(samples)
    by_seed: tuple[np.ndarray, np.ndarray] = (np.zeros(len(cells[0].a)), np.zeros(len(cells[0].b)))
    for cell in cells:
        truth = cell.a[0].sum(axis=-1)
        if cell.a.shape[1:] != cell.b.shape[1:] or not all(
            np.array_equal(run.sum(axis=-1), truth) for run in (*cell.a, *cell.b)
        ):
            raise RoadshiftError(
                "the two runs were not scored on the same images and labels and cannot be "
                "compared; evaluate both on the same data"
            )
        draws = seeds.setdefault(cell.images, (seed, len(seeds)) if seeds else seed)
        first, resampled_first = _mean_score(cell.a, samples=samples, seed=draws, score=score)
        second, resampled_second = _mean_score(cell.b, samples=samples, seed=draws, score=score)
        value += cell.weight * (second - first)
        found = cell.weight * (resampled_second - resampled_first)
        resampled = resampled + found if found.size else np.full(samples, np.nan)
        for sums, runs in zip(by_seed, (cell.a, cell.b), strict=True):
            sums += cell.weight * np.array([_once(run, score) for run in runs])
    if np.isnan(value):
        return None
    error, freedom = _welch(by_seed)
    images = min(cell.a.shape[1] for cell in cells)
    return Estimate(value, _known(resampled), images, error, freedom)


def difference_of(estimate: Estimate | None, *, level: float) -> Difference:
    """Returns a difference with its interval at a level, 0..1; of None, one without a value."""
    if estimate is None:
        return Difference(None, None, None)
    if not estimate.has_interval:
        return Difference(estimate.value, None, None)
    low, high = estimate.interval(1 - level)
    return Difference(estimate.value, low, high, estimate.p_value())


def gap_closed(
    baseline: np.ndarray,
    here: np.ndarray,
    oracle: np.ndarray,
    *,
    samples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Share | None:
    """Computes the share of the gap from a baseline to an oracle that a recipe closes.

    Args:
        baseline: int64 (N, C, C) or (R, N, C, C), as of `paired_bootstrap`.
        here: the same of the recipe, for the same images.
        oracle: the same of the oracle.
        samples: number of resamples, >= 0; the three are resampled with the same draws.
        seed: seed of the draws.
        level: share of such intervals that hold the true share, 0..1.

    Returns:
        (here - baseline) / (oracle - baseline) by mIoU. It has no interval where the oracle is not
        above the baseline in every resample. None where it is not above it, or without a labelled
        pixel.
    """
    recipes = [_runs(matrices) for matrices in (baseline, here, oracle)]
    values, resampled = zip(
        *(_mean_score(runs, samples=samples, seed=seed) for runs in recipes), strict=True
    )
    low, middle, high = values
    if np.isnan(middle) or not high > low:
        return None
    share = float((middle - low) / (high - low))
    gaps = _known(resampled[2] - resampled[0])
    if not gaps.size or not gaps.min() > 0:
        return Share(share, None, None)
    # By the delta method, how much the share moves with the mean of each recipe.
    factors = [(share - 1) / (high - low), 1 / (high - low), -share / (high - low)]
    error, freedom = _error_over_seeds(recipes, factors)
    draws = _known((resampled[1] - resampled[0]) / (resampled[2] - resampled[0]))
    estimate = Estimate(share, draws, recipes[0].shape[1], error, freedom)
    return Share(share, *estimate.interval(1 - level))


def jackknife_error(matrices: np.ndarray) -> float:
    """Computes the standard error of the mIoU of a set of images, by the jackknife.

    Each image is left out in turn (Efron and Tibshirani 1993, chapter 11).

    Args:
        matrices: int64 (N, C, C), one confusion matrix for each image.

    Returns:
        The standard error, as a share; 0 for fewer than two images.
    """
    images = len(matrices)
    if images < 2:
        return 0.0
    known = _known(mean_of_present(class_iou(matrices.sum(axis=0) - matrices)))
    return float(np.sqrt((images - 1) * known.var())) if known.size else 0.0


def _runs(matrices: np.ndarray) -> np.ndarray:
    """Returns int64 (R, N, C, C), also for one run (N, C, C)."""
    return matrices if matrices.ndim == 4 else matrices[np.newaxis]


def _once(run: np.ndarray, score: Score = miou_of) -> float:
    """Returns the score with each image once; nan where it is not defined."""
    return float(score(_sums(np.ones((1, len(run))), run))[0])


def _mean_score(
    runs: np.ndarray, *, samples: int, seed: int | tuple[int, int], score: Score = miou_of
) -> tuple[float, np.ndarray]:
    """Returns the mean score over runs with each image once, and that of each resample."""
    images = runs.shape[1]
    once = np.mean([_once(run, score) for run in runs])
    resampled = [
        np.mean([score(_sums(weights, run)) for run in runs], axis=0)
        for weights in _weights(images, samples, seed)
    ]
    return float(once), np.concatenate(resampled) if resampled else np.empty(0)


def _error_over_seeds(
    recipes: Sequence[np.ndarray], factors: Sequence[float] | None = None
) -> tuple[float, float]:
    """Returns the standard error over the seeds, and its degrees of freedom.

    Args:
        recipes: the runs of each recipe.
        factors: the factor of each recipe's mean in the estimate, up to its sign; None for 1.
    """
    return _welch([np.array([_once(run) for run in runs]) for runs in recipes], factors)


def _welch(
    recipes: Sequence[np.ndarray], factors: Sequence[float] | None = None
) -> tuple[float, float]:
    """Returns the same from the value of each seed of each recipe (Welch 1947)."""
    if min(len(by_seed) for by_seed in recipes) < 2:
        return 0.0, 1.0
    squares, sizes = [], []
    for by_seed, factor in zip(recipes, factors or [1.0] * len(recipes), strict=True):
        squares.append(factor**2 * float(np.var(by_seed, ddof=1)) / len(by_seed))
        sizes.append(len(by_seed))
    total = sum(squares)
    if not total > 0:
        return 0.0, 1.0
    spread = sum(square**2 / (size - 1) for square, size in zip(squares, sizes, strict=True))
    return float(np.sqrt(total)), total**2 / spread


def _weights(images: int, samples: int, seed: int | tuple[int, int]) -> Iterator[np.ndarray]:
    """Yields how often each resample draws each image, in chunks of int64 (resamples, images)."""
    if images < 2:
        return
    generator = np.random.default_rng(seed)
    shares = np.full(images, 1 / images)
    for start in range(0, samples, _CHUNK):
        yield generator.multinomial(images, shares, size=min(_CHUNK, samples - start))


def _sums(weights: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Returns the confusion matrix of each resample, float64 (resamples, classes, classes)."""
    images, classes, _ = matrices.shape
    # NumPy multiplies float64 by BLAS, unlike int64; pixel counts stay exact up to 2^53.
    flat = weights.astype(np.float64) @ matrices.reshape(images, classes**2).astype(np.float64)
    return flat.reshape(-1, classes, classes)


def _known(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]
