"""The probabilities of all classes on a regular grid of an image's pixels.

An estimate is a mean over pixels, and neighbours are alike: a grid of them gives it as well as all
of them do, in memory that does not grow with the image.
"""

from collections.abc import Callable, Iterable
from math import ceil, sqrt
from typing import NamedTuple

import numpy as np

from roadshift.inference.tiles import ProbabilityPart

GRID_PIXELS = 2**16
"""Default limit on the pixels of a grid."""

Parts = Callable[[np.ndarray], Iterable[ProbabilityPart]]
"""A function that segments an image, uint8 RGB (H, W, 3), in parts."""


class ProbabilityGrid(NamedTuple):
    """Probabilities on every `step`-th pixel of an image, down and across.

    Attributes:
        probabilities: float32 (h, w, classes).
        step: distance of the grid's pixels, in pixels of the image.
        offset: row and column of the first of them.
    """

    probabilities: np.ndarray
    step: int
    offset: int

    @property
    def ids(self) -> np.ndarray:
        """Class ids of the grid, uint8 (h, w)."""
        return self.probabilities.argmax(-1).astype(np.uint8)

    def on_grid(self, pixels: np.ndarray) -> np.ndarray:
        """Returns the grid's pixels of an array (H, W, …) of the image's size."""
        return pixels[self.offset :: self.step, self.offset :: self.step]


def probability_grid(
    parts: Parts, image: np.ndarray, *, classes: int, limit: int = GRID_PIXELS
) -> ProbabilityGrid:
    """Segments an image, and keeps the probabilities on a grid.

    Args:
        parts: function that segments an image in parts.
        image: uint8 RGB (H, W, 3).
        classes: number of classes.
        limit: largest number of the grid's pixels, from 1; default 65536.

    Raises:
        RoadshiftError: the image cannot be segmented.
    """
    height, width = image.shape[:2]
    step = grid_step(height, width, limit)
    offset = min(step // 2, height - 1, width - 1)
    rows, columns = len(range(offset, height, step)), len(range(offset, width, step))
    found = np.empty((rows, columns, classes), np.float32)
    for part in parts(image):
        (top, bottom), (left, right) = (
            (ceil((side.start - offset) / step), ceil((side.stop - offset) / step))
            for side in (part.rows, part.columns)
        )
        first = offset + top * step - part.rows.start, offset + left * step - part.columns.start
        found[top:bottom, left:right] = part.probabilities[first[0] :: step, first[1] :: step]
    return ProbabilityGrid(found, step, offset)


def grid_step(height: int, width: int, limit: int) -> int:
    """Returns the smallest step whose grid has at most `limit` pixels, wherever it begins."""
    step = max(1, int(sqrt(height * width / limit)))
    while ceil(height / step) * ceil(width / step) > limit:
        step += 1
    return step
