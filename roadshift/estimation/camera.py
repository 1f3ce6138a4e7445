"""Traits of a camera, measured on its images: light, colour, sharpness, horizon, scale."""

from collections.abc import Mapping, Sequence
from math import ceil, sqrt

import numpy as np
from PIL import Image
from scipy.ndimage import find_objects, label

from roadshift.settings import Settings
from roadshift.taxonomy import Taxonomy

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in the brightness that is seen (ITU-R BT.601)."""
MEASURED_PIXELS = 2**17
"""Images are reduced to this many pixels before light, colour and sharpness are measured."""
MIN_OBJECT = 12
"""Least number of grid pixels of a vehicle that is measured."""
QUANTILES = (0.05, 0.5, 0.95)
_DIGITS = 6

TRAITS = {
    "brightness": "mean brightness, 0 black to 1 white",
    "contrast": "standard deviation of the brightness",
    "saturation": "mean distance between the strongest and the weakest of red, green and blue",
    "warmth": "mean of red minus mean of blue",
    "sharpness": "mean slope of the brightness between neighbouring pixels, by its contrast",
    "horizon": "height of the horizon in the image, 0 top to 1 bottom, by predicted road and sky",
    "scale": "median height of predicted vehicles, share of the image's height",
    "aspect": "width by height",
    "height": "height in pixels",
}
"""Meaning of each trait of an image. Shares of the predicted classes come after them."""


class Range(Settings):
    """The range of a trait over images of the sources.

    Attributes:
        low: its 5 % quantile.
        median: its median.
        high: its 95 % quantile.
    """

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Range":
        """Returns the range of values, at least one."""
        low, median, high = (round(float(q), _DIGITS) for q in np.quantile(values, QUANTILES))
        return cls(low=low, median=median, high=high)

    def holds(self, value: float) -> bool:
        """Returns whether a value is in the range, by the digits that the range has."""
        return self.low <= round(value, _DIGITS) <= self.high


def traits(image: np.ndarray, ids: np.ndarray, taxonomy: Taxonomy) -> dict[str, float]:
    """Measures an image.

    Args:
        image: uint8 RGB (H, W, 3).
        ids: predicted class ids on a regular grid of the image's pixels, uint8 (h, w).
        taxonomy: taxonomy of the ids.

    Returns:
        The traits of `TRAITS`, without those that the image has no pixels for; then by 'share of
        <class>' the share of each predicted class.
    """
    small = _reduced(image).astype(np.float32) / 255
    luma = small @ LUMA
    contrast = float(luma.std())
    steps = [np.diff(luma, axis=axis) for axis in (0, 1)]
    slopes = [float(np.abs(step).mean()) for step in steps if step.size]
    found = {
        "brightness": float(luma.mean()),
        "contrast": contrast,
        "saturation": float((small.max(-1) - small.min(-1)).mean()),
        "warmth": float((small[..., 0] - small[..., 2]).mean()),
        "sharpness": sum(slopes) / max(2 * contrast, 1e-3),
    }
    horizon, scale = _horizon(ids, taxonomy), _scale(ids, taxonomy)
    if horizon is not None:
        found["horizon"] = horizon
    if scale is not None:
        found["scale"] = scale
    height, width = image.shape[:2]
    found |= {"aspect": width / height, "height": float(height)}
    shares = np.bincount(ids.ravel(), minlength=len(taxonomy.classes)) / ids.size
    names = taxonomy.class_names
    return found | {f"share of {name}": float(s) for name, s in zip(names, shares, strict=False)}


def trait_ranges(images: Sequence[Mapping[str, float]]) -> dict[str, Range]:
    """Returns the range of each trait over images, of those that have it."""
    names = dict.fromkeys(name for each in images for name in each)
    return {name: Range.of([each[name] for each in images if name in each]) for name in names}


def _reduced(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    factor = ceil(sqrt(max(1.0, height * width / MEASURED_PIXELS)))
    return np.asarray(Image.fromarray(image).reduce(factor)) if factor > 1 else image


def _horizon(ids: np.ndarray, taxonomy: Taxonomy) -> float | None:
    """Returns the height between the lowest sky and the highest road, without the outermost 5 %."""
    edges = []
    for member, quantile in (("sky", 0.95), ("road", 0.05)):
        class_id = _class_of(member, taxonomy)
        rows = np.nonzero(ids == class_id)[0]
        if rows.size >= MIN_OBJECT:
            edges.append((float(np.quantile(rows, quantile)) + 0.5) / len(ids))
    return sum(edges) / len(edges) if edges else None


def _scale(ids: np.ndarray, taxonomy: Taxonomy) -> float | None:
    regions, _ = label(ids == _class_of("car", taxonomy))
    sizes = np.bincount(regions.ravel())[1:]
    heights = [
        place[0].stop - place[0].start
        for place, size in zip(find_objects(regions), sizes, strict=True)
        if size >= MIN_OBJECT
    ]
    return float(np.median(heights)) / len(ids) if heights else None


def _class_of(member: str, taxonomy: Taxonomy) -> int | None:
    """Returns the class of a universal name; None if there is none, or it has buildings, too."""
    for class_id, entry in enumerate(taxonomy.classes.values()):
        if member in entry.members and "building" not in entry.members:
            return class_id
    return None
