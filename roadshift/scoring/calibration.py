"""Expected calibration error, from sums that can be added in any order."""

from dataclasses import dataclass

import numpy as np

from roadshift.taxonomy import IGNORE_ID

# Confidences are summed as whole multiples of this, since sums of floats depend on their order.
# It is as fine as float32 just below 1, and 2^39 pixels of confidence 1 still fit into an int64.
_CONFIDENCE_UNIT = 2.0**-24


@dataclass(frozen=True, eq=False)
class CalibrationSums:
    """Sums over pixels in bins of equal width over confidence 0..1; bin m is (m/M, (m+1)/M].

    Attributes:
        pixels: int64 (M,), number of pixels in each bin.
        correct: int64 (M,), number of pixels in each bin that are recognized.
        confidence_units: int64 (M,), sum of the confidences in each bin, in units of 2^-24.
    """

    pixels: np.ndarray
    correct: np.ndarray
    confidence_units: np.ndarray

    def __add__(self, other: "CalibrationSums") -> "CalibrationSums":
        return CalibrationSums(
            self.pixels + other.pixels,
            self.correct + other.correct,
            self.confidence_units + other.confidence_units,
        )

    def expected_calibration_error(self) -> float | None:
        """Computes the mean distance of confidence and accuracy over bins, weighted by pixels.

        ECE of Guo et al. 2017, arXiv 1706.04599, equation 3.

        Returns:
            The error, 0..1; None without any pixel.
        """
        pixels = int(self.pixels.sum())
        if not pixels:
            return None
        confidence = self.confidence_units * _CONFIDENCE_UNIT
        return float(np.abs(self.correct - confidence).sum() / pixels)


def no_pixels(bins: int = 15) -> CalibrationSums:
    """Returns the sums before the first image, all 0.

    Args:
        bins: number of bins M, >= 1.
    """
    return CalibrationSums(*(np.zeros(bins, np.int64) for _ in range(3)))


def calibration_sums(
    label: np.ndarray,
    prediction: np.ndarray,
    confidence: np.ndarray,
    *,
    bins: int = 15,
    ignore_id: int = IGNORE_ID,
) -> CalibrationSums:
    """Computes the calibration sums of one image.

    Args:
        label: uint8 (H, W), class ids or `ignore_id`.
        prediction: uint8 (H, W), id of the class with the highest probability.
        confidence: float (H, W), that probability, 0..1.
        bins: number of bins M, >= 1.
        ignore_id: label id of the pixels that do not count.

    Returns:
        The sums of the image; add those of all images.

    Raises:
        ValueError: shapes differ, or a counted confidence is not within 0..1.
    """
    if not label.shape == prediction.shape == confidence.shape:
        raise ValueError(
            f"label has shape {label.shape}, prediction {prediction.shape}, "
            f"confidence {confidence.shape}"
        )
    counted = label != ignore_id
    correct = label[counted] == prediction[counted]
    values = confidence[counted].astype(np.float64)
    # Rounding may lift a float32 softmax above 1.
    if not np.all((values >= 0) & (values <= 1 + 1e-5)):
        raise ValueError("confidence is not within 0..1: pass probabilities, not logits")
    values = np.minimum(values, 1.0)
    index = np.clip(np.ceil(values * bins).astype(np.int64) - 1, 0, bins - 1)
    # Weighted bincount sums in float64, which holds integers exactly up to 2^53.
    units = np.bincount(index, np.rint(values / _CONFIDENCE_UNIT), minlength=bins)
    return CalibrationSums(
        pixels=np.bincount(index, minlength=bins).astype(np.int64, copy=False),
        correct=np.bincount(index[correct], minlength=bins).astype(np.int64, copy=False),
        confidence_units=units.astype(np.int64),
    )
