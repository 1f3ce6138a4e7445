"""Near copies: images of one place from one camera, seconds apart, found without their names."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image, ImageFilter

MOST_BITS = 24
"""Largest number of the 128 bits of a hash in which near copies differ.

It admits candidates, and `LEAST_CORRELATION` decides. Measured: KITTI's images of one crossing,
while the car rolls up to it, differ in up to 23 bits, CamVid's of a standing car in up to 16.
"""
LEAST_CORRELATION = 0.6
"""Smallest correlation of near copies.

Measured: the ten pairs of KITTI's mirror that show one place have 0.62 to 0.83, the next pair, of
one road, 0.58, and CamVid's standing car has 0.9 and more. Of the 460 000 pairs of different drives
in half of IDD Lite, six pass both bounds; all show empty motorways.
"""
CANDIDATES = 8
"""Nearest images by hash that are compared by correlation; a static scene would have thousands."""
WIDTH, HEIGHT = 64, 32
"""Size at which images are correlated, in pixels."""
SHIFT_X, SHIFT_Y = 5, 3
"""Largest shift between near copies at that size: 8 % of the width, 9 % of the height."""
ZOOMS = (1.0, 1.1, 1.2)
"""Scales between near copies; the camera may have moved towards what it sees."""


class Thumbnail:
    """What is kept of an image for comparing it with others.

    Attributes:
        digest: digest of the image's pixels and size.
        is_blank: whether all pixels have one colour.
        bits: hash of 128 bits, uint8 (16,): whether the image grows brighter between the cells of
            a grid (dHash), 64 bits across and 64 down.
    """

    def __init__(self, image: np.ndarray) -> None:
        """Reduces an image, uint8 RGB (height, width, 3)."""
        digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=16)
        digest.update(image.tobytes())
        self.digest = digest.digest()
        self.is_blank = bool((image == image[:1, :1]).all())
        grey = Image.fromarray(image).convert("L")
        across = np.asarray(grey.resize((9, 8), Image.Resampling.BOX))
        down = np.asarray(grey.resize((8, 9), Image.Resampling.BOX))
        brighter = [across[:, 1:] > across[:, :-1], down[1:] > down[:-1]]
        self.bits = np.packbits(brighter)
        # Twice what is correlated, for the zooms.
        self._grey = grey.resize((2 * WIDTH, 2 * HEIGHT), Image.Resampling.BOX)

    def correlation(self, other: "Thumbnail") -> float:
        """Returns the largest correlation of two images over small shifts and zooms, -1..1."""
        first, second = self._zoomed, other._zoomed
        pairs = [(first[0], each) for each in second] + [(each, second[0]) for each in first[1:]]
        return max(_shifted_correlation(one, another) for one, another in pairs)

    @cached_property
    def _zoomed(self) -> list[np.ndarray]:
        return [_details(self._grey, zoom) for zoom in ZOOMS]

    def __getstate__(self) -> dict[str, object]:
        """Returns what goes to another process: not what is made again from it."""
        return {name: value for name, value in vars(self).items() if name != "_zoomed"}


def _details(grey: Image.Image, zoom: float) -> np.ndarray:
    """Returns the middle of an image without its slow changes, float32 (HEIGHT, WIDTH)."""
    margin = (1 - 1 / zoom) / 2
    box = (
        grey.width * margin,
        grey.height * margin,
        grey.width * (1 - margin),
        grey.height * (1 - margin),
    )
    middle = grey.resize((WIDTH, HEIGHT), Image.Resampling.BOX, box=box)
    blurred = middle.filter(ImageFilter.BoxBlur(4))
    return np.asarray(middle, np.float32) - np.asarray(blurred, np.float32)


def _shifted_correlation(first: np.ndarray, second: np.ndarray) -> float:
    inner = second[SHIFT_Y : HEIGHT - SHIFT_Y, SHIFT_X : WIDTH - SHIFT_X]
    inner = inner - inner.mean()
    windows = sliding_window_view(first, inner.shape)
    products = np.einsum("ijkl,kl->ij", windows, inner)
    energy = windows.var((2, 3)) * inner.size * (inner**2).sum()
    # A flat part correlates with nothing.
    return float((products / np.sqrt(np.maximum(energy, 1e-6))).max())


class NearCopy(NamedTuple):
    """An image that has a near copy among others.

    Attributes:
        image: index of the image.
        other: index of its nearest copy.
        correlation: how much the two are alike, `LEAST_CORRELATION`..1.
    """

    image: int
    other: int
    correlation: float


def find_near_copies(images: Sequence[Thumbnail], others: Sequence[Thumbnail]) -> list[NearCopy]:
    """Finds the images that have a near copy among others, and the nearest copy of each.

    Images with the same pixels are no near copies; their digests tell them.
    """
    if not others:
        return []
    bits = np.stack([each.bits for each in others])
    found = []
    for index, image in enumerate(images):
        distances = np.unpackbits(bits ^ image.bits, axis=1).sum(1)
        near = np.argsort(distances, kind="stable")[:CANDIDATES]
        copies = [
            NearCopy(index, int(other), image.correlation(others[other]))
            for other in near
            if distances[other] <= MOST_BITS and others[other].digest != image.digest
        ]
        best = max(copies, key=lambda copy: copy.correlation, default=None)
        if best and best.correlation >= LEAST_CORRELATION:
            found.append(best)
    return found
