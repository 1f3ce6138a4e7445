"""Running a network on whole pictures, and scoring it against their labels."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from roadshift.networks.settings import STRIDE
from roadshift.records.height import fit_height
from roadshift.records.reader import Example, ShardSet, examples
from roadshift.scoring.calibration import CalibrationSums, calibration_sums, no_pixels
from roadshift.scoring.confusion import confusion_matrix

Segment = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From a picture, uint8 RGB (H, W, 3), to class ids, uint8, and their probabilities, float32."""


class Segmenter:
    """A network made ready for whole pictures of any size.

    A picture taller than `max_height` is scaled down to it; its right and bottom edges are
    repeated up to a multiple of the stride; logits are resized to the picture's own resolution
    before the classes compete. With a flip or several scales the probabilities of all passes are
    averaged there, one pass after the other, so that memory does not grow with their number.
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
            flip: whether each scale is also passed mirrored left and right.
            scales: of the size that the picture has after `max_height`; each is made from the
                picture itself, so that one above 1 shows detail that a lower height hides.
        """
        self._network, self._max_height = network, max_height
        picture = tf.TensorSpec((None, None, 3), tf.uint8)

        @tf.function(input_signature=[picture])
        def segment(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return most_probable(self._logits(image, scales[0], False))

        def build_pass(scale: float, flipped: bool) -> Callable[[tf.Tensor], tf.Tensor]:
            return tf.function(
                lambda image: tf.nn.softmax(self._logits(image, scale, flipped)),
                input_signature=[picture],
            )

        self._segment = segment
        self._passes = [
            build_pass(scale, flipped)
            for scale in scales
            for flipped in ((False, True) if flip else (False,))
        ]

    def _logits(self, image: tf.Tensor, scale: float, flipped: bool) -> tf.Tensor:
        """Logits (H, W, classes) of a picture, seen scaled and mirrored."""
        padded, height, width = fit_picture(image, self._max_height, scale, flipped)
        logits = self._network(padded[tf.newaxis], training=False)[:, :height, :width]
        if flipped:
            logits = tf.reverse(logits, [2])
        if self._max_height or scale != 1:
            logits = tf.image.resize(logits, tf.shape(image)[:2])
        return logits[0]

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Segments a picture.

        Args:
            image: uint8 RGB (H, W, 3).

        Returns:
            Class ids, uint8 (H, W), and the probability of each, float32 (H, W) in 0..1.
        """
        if len(self._passes) == 1:
            prediction, confidence = self._segment(image)
            return prediction.numpy(), confidence.numpy()
        total = self._passes[0](image)
        for one_pass in self._passes[1:]:
            total += one_pass(image)
        prediction = tf.cast(tf.argmax(total, -1), tf.uint8)
        return prediction.numpy(), (tf.reduce_max(total, -1) / len(self._passes)).numpy()


def fit_picture(
    image: tf.Tensor, max_height: int, scale: float = 1.0, flipped: bool = False
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Makes a picture one that a network takes.

    Args:
        image: uint8 RGB (H, W, 3).
        max_height: pixels; a taller picture is scaled down to it; 0 for no limit.
        scale: of the size that it then has.
        flipped: whether it is mirrored left and right.

    Returns:
        The picture, float32, its right and bottom edges repeated up to a multiple of the stride;
        and the height and width of it that are not repeated.
    """
    fitted, _ = fit_height(image, image[..., 0], max_height)
    if scale != 1:
        size = tf.round(tf.cast(tf.shape(fitted)[:2], tf.float32) * scale)
        fitted = tf.image.resize(image, tf.maximum(tf.cast(size, tf.int32), 1), antialias=True)
    if flipped:
        fitted = tf.reverse(fitted, [1])
    height, width = tf.shape(fitted)[0], tf.shape(fitted)[1]
    rows = tf.minimum(tf.range(_rounded_up(height)), height - 1)
    columns = tf.minimum(tf.range(_rounded_up(width)), width - 1)
    padded = tf.gather(tf.gather(fitted, rows, axis=0), columns, axis=1)
    return tf.cast(padded, tf.float32), height, width


def most_probable(logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The class of the highest probability, uint8, and that probability, over the last axis."""
    # The largest softmax value, without the other ones.
    confidence = tf.exp(tf.reduce_max(logits, -1) - tf.reduce_logsumexp(logits, -1))
    return tf.cast(tf.argmax(logits, -1), tf.uint8), confidence


def _rounded_up(length: tf.Tensor) -> tf.Tensor:
    return (length + STRIDE - 1) // STRIDE * STRIDE


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
    """Scores pictures, at least one, at their labels' own resolution."""
    ids, matrices, calibration = [], [], no_pixels(calibration_bins)
    for example in found:
        prediction, confidence = segmenter(example.image)
        ids.append(example.id)
        matrices.append(confusion_matrix(example.label, prediction, classes))
        calibration += calibration_sums(example.label, prediction, confidence, calibration_bins)
    return PictureScores(ids, np.stack(matrices), calibration)
