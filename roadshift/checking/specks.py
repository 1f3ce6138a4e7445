"""Specks in a label: the trace of a mask that was resized by blending, or saved with loss."""

from typing import NamedTuple

import numpy as np

STEPS = ((0, 1), (1, -1), (1, 0), (1, 1))
"""A pixel's neighbours to the right and below, as (rows, columns); the others mirror them."""
MOST_PER_1000 = 45
"""Largest number of specks at 1000 boundary steps of a sharp mask.

Measured on files of seven real and rendered sets: in CamVid, KITTI, IDD Lite and CARLA no label
has more than 35, nor after scaling by 0.7 to the nearest pixel more than 43. Of labels whose ids
were scaled by 0.7 with blending, the median is 48 (IDD Lite) to 185 (CamVid in 32 colours), and of
those whose ids went through JPEG at quality 95, 60 to 170.
"""
LEAST_SPECKS = 10
"""Smallest number of specks that is told; a few are noise in a label with a short boundary."""


class Specks(NamedTuple):
    """The specks of a label.

    Attributes:
        number: regions of one or two pixels; pixels that touch at a corner are of one region.
        boundary: pairs of pixels side by side that differ in value.
    """

    number: int
    boundary: int

    @property
    def per_1000(self) -> float:
        """Specks at 1000 boundary steps; a larger label has more of both."""
        return 1000 * self.number / self.boundary if self.boundary else 0.0

    @property
    def is_suspect(self) -> bool:
        """Whether there are more than a sharp mask has."""
        return self.number >= LEAST_SPECKS and self.per_1000 > MOST_PER_1000


def find_specks(values: np.ndarray) -> Specks:
    """Counts the specks of a label.

    Args:
        values: ids or packed colours, (height, width).
    """
    alike = np.zeros(values.shape, np.uint8)
    same_by_step = []
    for step in STEPS:
        here, there = _neighbours(values, step)
        same = here == there
        for part in _neighbours(alike, step):
            part += same
        same_by_step.append(same)
    number = int((alike == 0).sum())
    for step, same in zip(STEPS, same_by_step, strict=True):
        here, there = _neighbours(alike, step)
        number += int((same & (here == 1) & (there == 1)).sum())
    boundary = (values[:, 1:] != values[:, :-1]).sum() + (values[1:] != values[:-1]).sum()
    return Specks(number, int(boundary))


def _neighbours(array: np.ndarray, step: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Returns views of the pixels that have a neighbour at a step, and of these neighbours."""
    rows, columns = step
    height, width = array.shape
    left, right = max(0, -columns), min(width, width - columns)
    here = array[: height - rows, left:right]
    return here, array[rows:, left + columns : right + columns]
