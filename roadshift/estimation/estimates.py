"""Estimates of a network's accuracy on images without labels.

All come from sums over pixels, which can be added in any order, so that any number of images is
estimated in memory for one.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from roadshift.estimation.confidence import Calibration, temper
from roadshift.scoring.metrics import class_iou, mean_of_present

Estimator = Literal[
    "average_confidence",
    "difference_of_confidences",
    "class_difference_of_confidences",
    "thresholded_confidence",
    "class_thresholded_confidence",
]
ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)
HEADLINE: Estimator = "class_thresholded_confidence"
"""The estimator whose figures are shown first, and whose misses make the error bar. It missed least
on the sources' held-out images of the default, and gives IoU, too."""
PRESENT = 1e-4
"""Least expected share of the pixels from which a class counts as present."""
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class ConfidenceSums:
    """Sums over the pixels of one image, or of several.

    Attributes:
        soft: float64 (classes, classes). Column j adds up the probabilities of all classes on the
            pixels predicted as class j, so the matrix is the confusion matrix to be expected if the
            probabilities were true.
        above: number of pixels whose confidence reaches the threshold of all classes.
        class_above: float64 (classes,), number of pixels predicted as a class whose confidence
            reaches the threshold of that class.
    """

    soft: np.ndarray
    above: float
    class_above: np.ndarray

    def __add__(self, other: "ConfidenceSums") -> "ConfidenceSums":
        return ConfidenceSums(
            self.soft + other.soft, self.above + other.above, self.class_above + other.class_above
        )

    def __mul__(self, factor: float) -> "ConfidenceSums":
        return ConfidenceSums(self.soft * factor, self.above * factor, self.class_above * factor)

    @property
    def predicted(self) -> np.ndarray:
        """Number of pixels predicted as each class, float64 (classes,)."""
        return self.soft.sum(axis=0)

    @property
    def pixels(self) -> float:
        """Number of pixels."""
        return float(self.soft.sum())


def no_sums(classes: int) -> ConfidenceSums:
    """Returns the sums before the first image, all 0."""
    return ConfidenceSums(np.zeros((classes, classes)), 0.0, np.zeros(classes))


@dataclass(frozen=True, eq=False)
class CalibratedPixels:
    """Pixels with calibrated probabilities.

    Attributes:
        probabilities: float32 (N, classes), after temperature scaling.
        ids: int64 (N,), class ids of the prediction.
        confidence: float32 (N,), probability of that class.
        counted: float64 (N,), whether the confidence reaches the threshold of its class, 0 or 1; a
            share for pixels exactly at it.
    """

    probabilities: np.ndarray
    ids: np.ndarray
    confidence: np.ndarray
    counted: np.ndarray


def calibrated_pixels(probabilities: np.ndarray, calibration: Calibration) -> CalibratedPixels:
    """Calibrates pixels, and says which of them are taken for recognized.

    Args:
        probabilities: float32 (…, classes), as the network gives them.
        calibration: what the sources say of the network's confidence.
    """
    scaled = temper(probabilities.reshape(-1, probabilities.shape[-1]), calibration.temperature)
    ids, confidence = scaled.argmax(-1), scaled.max(-1)
    counted = np.zeros(len(ids))
    for class_id in np.unique(ids):
        here = ids == class_id
        counted[here] = calibration.class_thresholds[class_id].counted(confidence[here])
    return CalibratedPixels(scaled, ids, confidence, counted)


def confidence_sums(pixels: CalibratedPixels, calibration: Calibration) -> ConfidenceSums:
    """Adds up pixels."""
    classes, ids = pixels.probabilities.shape[1], pixels.ids
    columns = pixels.probabilities.astype(np.float64).T
    soft = np.stack([np.bincount(ids, column, classes) for column in columns])
    # Softmax in float32 sums to 1 but for rounding; a column is to count its pixels exactly.
    counts, sums = np.bincount(ids, minlength=classes), soft.sum(axis=0)
    soft *= np.divide(counts, sums, out=np.ones(classes), where=sums > 0)
    return ConfidenceSums(
        soft,
        float(calibration.threshold.counted(pixels.confidence).sum()),
        np.bincount(ids, pixels.counted, classes),
    )


def expected_matrix(sums: ConfidenceSums) -> np.ndarray:
    """Returns the confusion matrix to be expected, by class-wise thresholded confidence.

    Of the pixels predicted as class j as many are taken for recognized as reach the threshold of j
    (Li et al., https://arxiv.org/abs/2207.09957); the others are shared out among the other classes
    in proportion to their probabilities there.

    Returns:
        float64 (classes, classes); rows are the truth, columns the prediction.
    """
    others = sums.soft * (1 - np.eye(len(sums.soft)))
    total = others.sum(axis=0)
    wrong = sums.predicted - sums.class_above
    # A sum of probabilities is a number of pixels but for rounding, which is no error.
    wrong[wrong < _ROUNDING * sums.predicted] = 0
    # Where the network gives the other classes nothing at all, its errors have no row to go to.
    shares = np.divide(others, total, out=np.zeros_like(others), where=total > 0)
    unplaced = np.where(total > 0, 0.0, wrong)
    return shares * wrong + np.diag(sums.class_above + unplaced)


def accuracies(sums: ConfidenceSums, calibration: Calibration) -> dict[Estimator, float]:
    """Estimates the pixel accuracy, 0..1, by each estimator.

    - Average confidence: the mean confidence after temperature scaling.
    - Difference of confidences: the accuracy on val, less what the mean confidence lost since
      (Guillory et al., ICCV 2021, https://arxiv.org/abs/2107.03315).
    - Thresholded confidence (ATC): the share of the pixels whose confidence reaches the threshold
      (Garg et al., ICLR 2022, https://arxiv.org/abs/2201.04234).
    - The last two with figures of each predicted class (Li et al., MICCAI 2022,
      https://arxiv.org/abs/2207.09957).

    Args:
        sums: sums over at least one pixel.
        calibration: what the sources say of the network's confidence.
    """
    shares = sums.predicted / sums.pixels
    confidence = float(np.trace(sums.soft)) / sums.pixels
    values: dict[Estimator, float] = {
        "average_confidence": confidence,
        "difference_of_confidences": calibration.accuracy - calibration.confidence + confidence,
        "class_difference_of_confidences": confidence
        - float(shares @ np.array(calibration.class_gaps)),
        "thresholded_confidence": sums.above / sums.pixels,
        "class_thresholded_confidence": float(sums.class_above.sum()) / sums.pixels,
    }
    return {name: min(max(value, 0.0), 1.0) for name, value in values.items()}


@dataclass(frozen=True, eq=False)
class ExpectedIou:
    """IoU to be expected, without labels.

    Attributes:
        iou: float64 (classes,) in 0..1; nan for a class that is not expected to be present.
        miou: mean of `iou`.
        upper_bound: mean IoU by the probabilities as they are (soft confusion), over the same
            classes. Networks are overconfident out of their domain, so it is too high.
    """

    iou: np.ndarray
    miou: float
    upper_bound: float


def expected_iou(sums: ConfidenceSums) -> ExpectedIou:
    """Estimates IoU by class from the expected confusion matrix."""
    matrix = expected_matrix(sums)
    present = matrix.sum(axis=1) >= PRESENT * sums.pixels
    iou, soft = (np.where(present, class_iou(m), np.nan) for m in (matrix, sums.soft))
    return ExpectedIou(iou, float(mean_of_present(iou)), float(mean_of_present(soft)))
