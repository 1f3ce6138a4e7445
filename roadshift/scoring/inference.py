"""Running a network on whole pictures, and scoring it against their labels."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from roadshift.records.pipeline import fit_height
from roadshift.records.reader import Example, ShardSet, examples
from roadshift.scoring.calibration import CalibrationSums, calibration_sums, no_pixels
from roadshift.scoring.confusion import confusion_matrix

STRIDE = 32
"""Networks take pictures whose sides are multiples of this."""
Segment = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From a picture, uint8 RGB (H, W, 3), to class ids, uint8, and their probabilities, float32."""


class Segmenter:
    """A network made ready for whole pictures of any size.

    A picture taller than `max_height` is scaled down to it; its right and bottom edges are
    repeated up to a multiple of the stride; logits are resized to the picture's own resolution
    before the classes compete.
    """

    def __init__(self, network: keras.Model, max_height: int) -> None:
        """Compiles the way from picture to classes.

        Args:
            network: pictures float32 (N, H, W, 3) in 0..255 to logits (N, H, W, classes).
            max_height: pixels, 0 for no limit.
        """

        @tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)])
        def segment(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            padded, height, width = fit_picture(image, max_height)
            logits = network(padded[tf.newaxis], training=False)[:, :height, :width]
            if max_height:
                logits = tf.image.resize(logits, tf.shape(image)[:2])
            return most_probable(logits[0])

        self._segment = segment

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Segments a picture.

        Args:
            image: uint8 RGB (H, W, 3).

        Returns:
            Class ids, uint8 (H, W), and the probability of each, float32 (H, W) in 0..1.
        """
        prediction, confidence = self._segment(image)
        return prediction.numpy(), confidence.numpy()


def fit_picture(image: tf.Tensor, max_height: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Makes a picture one that a network takes.

    Args:
        image: uint8 RGB (H, W, 3).
        max_height: pixels; a taller picture is scaled down to it; 0 for no limit.

    Returns:
        The picture, float32, its right and bottom edges repeated up to a multiple of the stride;
        and the height and width of it that are not repeated.
    """
    fitted, _ = fit_height(image, image[..., 0], max_height)
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
