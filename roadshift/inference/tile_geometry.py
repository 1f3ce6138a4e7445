"""Where the tiles of a large image lie, and how they fade into each other."""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from roadshift.networks.settings import STRIDE

OVERLAP = 256
"""Number of pixels that neighbouring tiles share along a side; a multiple of the stride."""
MARGIN = 64
"""Pixels at a tile's inner edge have weight 0, since the network sees nothing beyond it."""


@dataclass(frozen=True)
class Side:
    """A side of an image, and of what the network sees of it.

    Attributes:
        length: number of the image's pixels.
        fitted: number of pixels that the network sees.
    """

    length: int
    fitted: int

    @property
    def factor(self) -> float:
        """Size of a pixel that the network sees, in pixels of the image."""
        return self.length / self.fitted

    @property
    def scale(self) -> float:
        """Size of a pixel of the image, in pixels that the network sees."""
        return self.fitted / self.length

    def source(self, start: int, pixels: int) -> slice:
        """Returns the image's pixels that a tile, of what the network sees, is resized from."""
        # Antialiasing weighs whatever is nearer than a pixel of the coarser of the two.
        reach = ceil(max(self.factor, 1)) + 1
        first = floor(start * self.factor) - reach
        last = ceil((start + pixels) * self.factor) + reach
        return slice(max(first, 0), min(last, self.length))

    def ready(self, reached: int) -> int:
        """Returns how many of the image's pixels need no more than the first `reached` logits."""
        # A pixel needs the logits before and after its centre.
        return self.length if reached == self.fitted else max(int((reached - 1) * self.factor), 0)


def fitted_sides(image: np.ndarray, max_height: int, scale: float) -> tuple[Side, Side]:
    """Returns the height and width of an image, and those of what `resize_to_stride` makes of it.

    Args:
        image: uint8 RGB (H, W, 3).
        max_height: height limit in pixels; 0 for none.
        scale: factor on the size after the height limit.
    """
    # In the same steps and precision as there.
    size = np.array(image.shape[:2], np.float32)
    if max_height:
        size *= min(np.float32(max_height) / size[0], np.float32(1))
    strides = np.maximum(np.round(size * np.float32(scale) / np.float32(STRIDE)), 1).astype(int)
    height, width = (STRIDE * strides).tolist()
    return Side(image.shape[0], height), Side(image.shape[1], width)


def tile_spans(length: int, tile: int) -> list[tuple[int, int]]:
    """Returns the start and length of each tile; each but the first overlaps the one before."""
    if length <= tile:
        return [(0, length)]
    starts = range(0, length - OVERLAP, tile - OVERLAP)
    return [(start, min(tile, length - start)) for start in starts]


def fade(length: int, before: bool, after: bool) -> np.ndarray:
    """Returns the weight of each row or column of a tile; weights of two neighbours sum to 1.

    Args:
        length: number of rows or columns of the tile.
        before: whether there is a tile before it.
        after: whether there is a tile after it.

    Returns:
        float32 (length,).
    """
    position = np.arange(OVERLAP, dtype=np.float32) + 0.5 - MARGIN
    rise = (position / (OVERLAP - 2 * MARGIN)).clip(0, 1)
    weights = np.ones(length, np.float32)
    if before:
        weights[:OVERLAP] *= rise
    if after:
        weights[-OVERLAP:] *= 1 - rise
    return weights
