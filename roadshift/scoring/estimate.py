"""Values with their intervals: differences, shares of a gap, and what an interval is made of.

How an interval is made is in `roadshift.scoring.bootstrap`.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, stdtrit

_SMALLEST_P = 1e-9


class Difference(NamedTuple):
    """A difference in mIoU with its confidence interval, as shares, -1..1.

    Attributes:
        difference: mIoU of the second run minus mIoU of the first; None without a labelled pixel.
        low: lower end of the confidence interval; None if there is none.
        high: upper end of the confidence interval; None if there is none.
        p_value: the smallest 1 - level, 0..1, at which the interval excludes 0; None without one.
    """

    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None = None


class Share(NamedTuple):
    """A share of a gap with its confidence interval.

    Attributes:
        value: the share, 0 for none of it and 1 for all; it may lie outside of 0..1. None where it
            is not known.
        low: lower end of the confidence interval; None if there is none.
        high: upper end of the confidence interval; None if there is none.
    """

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Estimate:
    """A value with all that its interval is made of.

    Attributes:
        value: the value with each image once.
        resampled: float64 (S,), the value of each resample; S may be 0.
        images: number of images.
        seed_error: standard error over the seeds; 0 where there is one seed.
        freedom: degrees of freedom of that error.
    """

    value: float
    resampled: np.ndarray
    images: int
    seed_error: float
    freedom: float

    @property
    def has_interval(self) -> bool:
        """Whether there are resamples to take an interval from."""
        return bool(self.resampled.size)

    @cached_property
    def _image_error(self) -> float:
        # The resamples' variance is that of a mean, n - 1 instead of n in its denominator.
        return float(self.resampled.std()) * np.sqrt(self.images / (self.images - 1))

    def interval(self, outside: float) -> tuple[float, float]:
        """Returns the ends of the interval; `outside` is 1 - level, in 0..1."""
        quantile = stdtrit(self.images - 1, outside / 2)
        tail = ndtr(np.sqrt(self.images / (self.images - 1)) * quantile)
        low, high = np.quantile(self.resampled, [tail, 1 - tail])
        by_images = -quantile * self._image_error
        by_seeds = -stdtrit(self.freedom, outside / 2) * self.seed_error if self.seed_error else 0.0
        below = np.hypot(max(by_images, self.value - low), by_seeds)
        above = np.hypot(max(by_images, high - self.value), by_seeds)
        return self.value - float(below), self.value + float(above)

    def shifted(self, value: float) -> "Estimate":
        """Returns an estimate of the same spread about another value."""
        return replace(self, value=value, resampled=self.resampled + (value - self.value))

    def p_value(self) -> float:
        """Returns the smallest 1 - level at which the interval excludes 0."""

        def distance(outside: float) -> float:
            low, high = self.interval(outside)
            return low if self.value > 0 else -high

        if distance(_SMALLEST_P) > 0:
            return _SMALLEST_P
        if distance(1.0) <= 0:
            return 1.0
        return float(brentq(distance, _SMALLEST_P, 1.0, xtol=1e-6))
