"""Running a network on whole pictures, and scoring it against their labels."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from roadshift.errors import RoadshiftError
from roadshift.networks.settings import STRIDE
from roadshift.records.reader import Example, ShardSet, examples
from roadshift.scoring.calibration import CalibrationSums, calibration_sums, no_pixels
from roadshift.scoring.confusion import confusion_matrix

Segment = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From a picture, uint8 RGB (H, W, 3), to class ids, uint8, and their probabilities, float32."""


class Segmenter:
    """A network made ready for whole pictures of any size.

    A picture is stretched to the nearest size that the network takes (`fit_picture`); logits are
    stretched back to the picture's own resolution before the classes compete. With a flip or
    several scales the probabilities of all views are averaged there, one view after the other, so
    that memory does not grow with their number.
    """

    def __init__(
        self,
        network: keras.Model,
        max_height: int,
        flip: bool = False,
        scales: Sequence[float] = (1.0,),
    ) -> None:
        """Prepares the way from picture to classes.

        Args:
            network: pictures float32 (N, H, W, 3) in 0..255 to logits (N, H, W, classes).
            max_height: pixels, 0 for no limit.
            flip: whether each scale is also seen mirrored left and right.
            scales: of the size that the picture has after `max_height`; each is made from the
                picture itself, so that one above 1 shows detail that a lower height hides.
        """
        self._network, self._max_height = network, max_height
        picture = tf.TensorSpec((None, None, 3), tf.uint8)
        scalar, truth = tf.TensorSpec((), tf.float32), tf.TensorSpec((), tf.bool)

        @tf.function(input_signature=[picture, scalar, truth])
        def segment(
            image: tf.Tensor, scale: tf.Tensor, flipped: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            return most_probable(self._logits(image, scale, flipped))

        @tf.function(input_signature=[picture, scalar, truth])
        def view(image: tf.Tensor, scale: tf.Tensor, flipped: tf.Tensor) -> tf.Tensor:
            return tf.nn.softmax(self._logits(image, scale, flipped))

        self._segment, self._view = segment, view
        self._views = [(scale, flipped) for scale in scales for flipped in sorted({False, flip})]

    def _logits(self, image: tf.Tensor, scale: tf.Tensor, flipped: tf.Tensor) -> tf.Tensor:
        """Logits (H, W, classes) of a picture, seen scaled and perhaps mirrored."""
        fitted = _mirrored(fit_picture(image, self._max_height, scale), flipped)
        logits = self._network(fitted[tf.newaxis], training=False)[0]
        return tf.image.resize(_mirrored(logits, flipped), tf.shape(image)[:2])

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Segments a picture.

        Args:
            image: uint8 RGB (H, W, 3).

        Returns:
            Class ids, uint8 (H, W), and the probability of each, float32 (H, W) in 0..1.
        """
        if len(self._views) == 1:
            prediction, confidence = self._segment(image, *self._views[0])
            return prediction.numpy(), confidence.numpy()
        total = self._view(image, *self._views[0])
        for view in self._views[1:]:
            total += self._view(image, *view)
        prediction = tf.cast(tf.argmax(total, -1), tf.uint8)
        return prediction.numpy(), (tf.reduce_max(total, -1) / len(self._views)).numpy()


def fit_picture(image: tf.Tensor, max_height: int, scale: float | tf.Tensor = 1.0) -> tf.Tensor:
    """Stretches a picture to the nearest size that a network takes.

    Stretching changes each side by half a stride at the most. To fill a picture up instead, with
    its last rows and columns, shows the network an edge that no street has.

    Args:
        image: uint8 RGB (H, W, 3).
        max_height: pixels; a taller picture is scaled down to it; 0 for no limit.
        scale: of the size that it then has.

    Returns:
        The picture, float32 (h, w, 3) in 0..255, both sides multiples of the stride.
    """
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    if max_height:
        size *= tf.minimum(max_height / size[0], 1.0)
    strides = tf.maximum(tf.cast(tf.round(size * scale / STRIDE), tf.int32), 1)
    # Where the size stays as it is, so do the pixels.
    return tf.image.resize(image, strides * STRIDE, antialias=True)


def _mirrored(pixels: tf.Tensor, flipped: tf.Tensor) -> tf.Tensor:
    return tf.cond(flipped, lambda: tf.reverse(pixels, [1]), lambda: pixels)


def most_probable(logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The class of the highest probability, uint8, and that probability, over the last axis."""
    # The largest softmax value, without the other ones.
    confidence = tf.exp(tf.reduce_max(logits, -1) - tf.reduce_logsumexp(logits, -1))
    return tf.cast(tf.argmax(logits, -1), tf.uint8), confidence


@dataclass(frozen=True)
class PictureScores:
    """What scoring a split comes to, picture by picture."""

    ids: list[str]
    matrices: np.ndarray
    """int64 (pictures, classes, classes): rows are the truth, columns the prediction."""
    calibration: CalibrationSums


def score_pictures(
    segmenter: Segment, shards: ShardSet, split: str, calibration_bins: int = 15
) -> PictureScores:
    """Scores every picture of a split at its label's own resolution.

    Raises:
        RoadshiftError: the split is empty, or a record is damaged.
    """
    classes = len(shards.class_names)
    return score_examples(segmenter, examples(shards, split), classes, calibration_bins)


def score_examples(
    segmenter: Segment, found: Iterable[Example], classes: int, calibration_bins: int = 15
) -> PictureScores:
    """Scores pictures, at least one, at their labels' own resolution.

    Raises:
        RoadshiftError: a picture cannot be segmented.
    """
    ids, matrices, calibration = [], [], no_pixels(calibration_bins)
    for example in found:
        try:
            prediction, confidence = segmenter(example.image)
        except RoadshiftError as error:
            raise RoadshiftError(f"{example.id}: {error}") from None
        ids.append(example.id)
        matrices.append(confusion_matrix(example.label, prediction, classes))
        calibration += calibration_sums(example.label, prediction, confidence, calibration_bins)
    return PictureScores(ids, np.stack(matrices), calibration)
