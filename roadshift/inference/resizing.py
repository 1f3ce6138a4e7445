"""Resizes images before a network sees them.

Training uses `limit_height`; whatever segments whole images uses `resize_to_stride`.
"""

import tensorflow as tf

from roadshift.networks.settings import STRIDE


def limit_height(
    image: tf.Tensor, label: tf.Tensor, max_height: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Scales an image taller than `max_height` down to it; its label by nearest neighbour.

    Args:
        image: uint8 (height, width, 3).
        label: uint8 (height, width).
        max_height: height limit in pixels; 0 for none.

    Returns:
        The image and the label, uint8, at most `max_height` rows high.
    """
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    if max_height == 0:
        return image, label

    def scaled() -> tuple[tf.Tensor, tf.Tensor]:
        ratio = tf.cast(max_height, tf.float64) / tf.cast(height, tf.float64)
        fitted_width = tf.cast(tf.round(tf.cast(width, tf.float64) * ratio), tf.int32)
        size = tf.stack([max_height, tf.maximum(fitted_width, 1)])
        small = tf.image.resize(image, size, method="bilinear", antialias=True)
        nearest = tf.image.resize(label[..., tf.newaxis], size, method="nearest")[..., 0]
        return tf.cast(tf.round(small), tf.uint8), nearest

    return tf.cond(height > max_height, scaled, lambda: (image, label))


def resize_to_stride(
    image: tf.Tensor, max_height: int, scale: float | tf.Tensor = 1.0
) -> tf.Tensor:
    """Resizes an image to the nearest size that a network takes.

    Each side changes by at most half a stride. Padding by repeating the edge instead would show the
    network artefacts that real images lack.

    Args:
        image: uint8 RGB (H, W, 3).
        max_height: height limit in pixels; 0 for none.
        scale: factor on the size after the height limit; default 1.

    Returns:
        The image, float32 (h, w, 3) in 0..255; both sides are multiples of the stride.
    """
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    if max_height:
        size *= tf.minimum(max_height / size[0], 1.0)
    strides = tf.maximum(tf.cast(tf.round(size * scale / STRIDE), tf.int32), 1)
    # If the size stays the same, so do the pixels.
    return tf.image.resize(image, strides * STRIDE, antialias=True)
