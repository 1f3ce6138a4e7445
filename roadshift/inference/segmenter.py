"""Segments whole images of any size with a network."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from roadshift.inference.resizing import resize_to_stride
from roadshift.networks.settings import InferenceSettings


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A segmented image.

    Attributes:
        ids: class ids, uint8 (H, W).
        confidence: probability of each pixel's class, float32 (H, W) in 0..1.
    """

    ids: np.ndarray
    confidence: np.ndarray


Segment = Callable[[np.ndarray], Segmentation]
"""A function that segments an image, uint8 RGB (H, W, 3)."""


class Segmenter:
    """Segments images of any size with a network.

    An image is resized to the nearest size that the network takes (`resize_to_stride`). Logits are
    resized to the image's own resolution before the most probable class is chosen. With test-time
    augmentation the probabilities of all views are averaged there, one view after the other, so
    that memory does not grow with their number.
    """

    def __init__(self, network: keras.Model, settings: InferenceSettings) -> None:
        """Compiles the functions that segment an image.

        Args:
            network: maps images, float32 (N, H, W, 3) in 0..255, to logits (N, H, W, classes).
            settings: height limit and views. Each view is resized from the image itself, so that a
                scale above 1 shows detail that the height limit hides.
        """
        self._network, self._max_height = network, settings.max_height
        image_spec = tf.TensorSpec((None, None, 3), tf.uint8)
        scalar, boolean = tf.TensorSpec((), tf.float32), tf.TensorSpec((), tf.bool)

        @tf.function(input_signature=[image_spec, scalar, boolean])
        def segment(
            image: tf.Tensor, scale: tf.Tensor, flipped: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            return most_probable(self._logits(image, scale, flipped))

        @tf.function(input_signature=[image_spec, scalar, boolean])
        def view(image: tf.Tensor, scale: tf.Tensor, flipped: tf.Tensor) -> tf.Tensor:
            return tf.nn.softmax(self._logits(image, scale, flipped))

        self._segment, self._view = segment, view
        flips = sorted({False, settings.tta_flip})
        self._views = [(scale, flipped) for scale in settings.tta_scales for flipped in flips]

    def _logits(self, image: tf.Tensor, scale: tf.Tensor, flipped: tf.Tensor) -> tf.Tensor:
        """Returns the logits of a view of an image, (H, W, classes)."""
        fitted = _mirrored(resize_to_stride(image, self._max_height, scale), flipped)
        logits = self._network(fitted[tf.newaxis], training=False)[0]
        return tf.image.resize(_mirrored(logits, flipped), tf.shape(image)[:2])

    def __call__(self, image: np.ndarray) -> Segmentation:
        """Segments an image, uint8 RGB (H, W, 3), at its own resolution."""
        if len(self._views) == 1:
            ids, confidence = self._segment(image, *self._views[0])
            return Segmentation(ids.numpy(), confidence.numpy())
        total = self._summed(image)
        ids = tf.cast(tf.argmax(total, -1), tf.uint8)
        confidence = tf.reduce_max(total, -1) / len(self._views)
        return Segmentation(ids.numpy(), confidence.numpy())

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """Returns the probabilities of all classes at an image's own resolution.

        Args:
            image: uint8 RGB (H, W, 3).

        Returns:
            float32 (H, W, classes), the mean over the views.
        """
        return (self._summed(image) / len(self._views)).numpy()

    def _summed(self, image: np.ndarray) -> tf.Tensor:
        total = self._view(image, *self._views[0])
        for view in self._views[1:]:
            total += self._view(image, *view)
        return total


def _mirrored(pixels: tf.Tensor, flipped: tf.Tensor) -> tf.Tensor:
    return tf.cond(flipped, lambda: tf.reverse(pixels, [1]), lambda: pixels)


def most_probable(logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the most probable class, uint8, and its probability, float32; classes lie last."""
    # This is the largest softmax value; the others are not computed.
    confidence = tf.exp(tf.reduce_max(logits, -1) - tf.reduce_logsumexp(logits, -1))
    return tf.cast(tf.argmax(logits, -1), tf.uint8), confidence
