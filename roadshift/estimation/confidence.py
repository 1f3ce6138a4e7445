"""Calibrated confidence: what the sources' val images say of a network's probabilities.

All that is learned here comes from labelled val images of a network's own sources. Estimates on
other images (`roadshift.estimation.estimates`) need no labels.
"""

from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.optimize import minimize_scalar

from roadshift.errors import RoadshiftError
from roadshift.settings import Settings

MIN_PIXELS = 100
"""Least number of val pixels predicted as a class from which the class has figures of its own."""
_SMALLEST = float(np.finfo(np.float32).tiny)
"""Smallest probability, so that logarithms are finite: the smallest float32 of all digits, since a
temperature above 1 makes much of differences between small ones."""
_LOG_TEMPERATURES = (-2.0, 2.0)
Share = Annotated[float, Field(ge=0, le=1)]


class Threshold(Settings):
    """A threshold of confidence.

    Attributes:
        value: pixels of a higher confidence count.
        at_value: share of the pixels of exactly this confidence that count, so that the threshold
            holds for networks that are equally sure of many pixels, too.
    """

    value: float
    at_value: Share

    def counted(self, confidence: np.ndarray) -> np.ndarray:
        """Returns the share of each pixel that counts, float64 of the shape of `confidence`."""
        exactly = np.where(confidence == np.float32(self.value), self.at_value, 0.0)
        return np.where(confidence > np.float32(self.value), 1.0, exactly)


class Calibration(Settings):
    """Calibration of a network's confidence by val images of its sources.

    Confidence is the probability of the predicted class after temperature scaling. Figures by class
    are by the *predicted* class; a class that is predicted on too few val pixels has the figures of
    all classes.

    Attributes:
        temperature: T > 0 that probabilities are scaled by.
        pixels: number of val pixels that all this is from.
        accuracy: share of them that are recognized.
        confidence: their mean confidence.
        threshold: the confidence that as many of them reach as are recognized.
        class_gaps: by class id, mean confidence minus accuracy of the pixels predicted as it.
        class_thresholds: by class id, the threshold of the pixels predicted as it.
    """

    temperature: float = Field(gt=0)
    pixels: int = Field(gt=0)
    accuracy: Share
    confidence: Share
    threshold: Threshold
    class_gaps: list[float]
    class_thresholds: list[Threshold]


def fit_calibration(probabilities: np.ndarray, labels: np.ndarray) -> Calibration:
    """Learns the calibration from labelled pixels.

    Temperature scaling: Guo et al., ICML 2017, https://arxiv.org/abs/1706.04599; T minimizes the
    negative log-likelihood. The thresholds are those of average thresholded confidence, Garg et
    al., ICLR 2022, https://arxiv.org/abs/2201.04234; the figures by class follow Li et al., MICCAI
    2022, https://arxiv.org/abs/2207.09957.

    Args:
        probabilities: float32 (N, classes), N >= 1.
        labels: class ids, uint8 (N,), without ignored ones.

    Raises:
        RoadshiftError: probabilities are not numbers.
    """
    if not np.isfinite(probabilities).all():
        raise RoadshiftError(
            "the network's probabilities on val are not numbers: its training has diverged; lower "
            "train.learning_rate, or set train.clip_norm=1"
        )
    temperature = _fit_temperature(probabilities, labels)
    scaled = temper(probabilities, temperature)
    predicted = scaled.argmax(-1)
    confidence = scaled.max(-1)
    correct = predicted == labels
    accuracy = float(correct.mean())
    threshold = _threshold(confidence, int(correct.sum()))
    mean = float(confidence.mean(dtype=np.float64))
    gaps, thresholds = [], []
    for class_id in range(probabilities.shape[1]):
        here = predicted == class_id
        if here.sum() < MIN_PIXELS:
            gaps.append(mean - accuracy)
            thresholds.append(threshold)
            continue
        own = float(correct[here].mean())
        gaps.append(float(confidence[here].mean(dtype=np.float64)) - own)
        thresholds.append(_threshold(confidence[here], int(correct[here].sum())))
    return Calibration(
        temperature=temperature,
        pixels=len(labels),
        accuracy=accuracy,
        confidence=min(mean, 1.0),
        threshold=threshold,
        class_gaps=gaps,
        class_thresholds=thresholds,
    )


def temper(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Scales probabilities by a temperature: the softmax of their logarithms divided by it.

    Of a single view this is temperature scaling of the logits; of averaged views, that of the
    logarithm of their mean, which has the same most probable class.

    Args:
        probabilities: float32 (…, classes).
        temperature: T > 0; 1 leaves them as they are, a larger one evens them out.

    Returns:
        float32 (…, classes).
    """
    logits = np.log(np.maximum(probabilities, _SMALLEST)) / np.float32(temperature)
    logits -= logits.max(-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(-1, keepdims=True)
    return logits


def _fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = temper(probabilities, float(np.exp(log_temperature)))[rows, labels]
        return -float(np.log(np.maximum(scaled, _SMALLEST)).mean(dtype=np.float64))

    # The likelihood has one optimum, since the loss is convex in 1 / T.
    found = minimize_scalar(
        loss, bounds=_LOG_TEMPERATURES, method="bounded", options={"xatol": 1e-3}
    )
    return float(np.exp(found.x))


def _threshold(confidence: np.ndarray, number: int) -> Threshold:
    """Returns the threshold that `number` of the pixels reach."""
    if not number:
        return Threshold(value=2.0, at_value=0.0)
    value = np.partition(confidence, len(confidence) - number)[len(confidence) - number]
    above, exactly = int((confidence > value).sum()), int((confidence == value).sum())
    return Threshold(value=float(value), at_value=(number - above) / exactly)
