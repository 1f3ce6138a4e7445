"""The height that pictures are brought to before a network sees them."""

import tensorflow as tf


def fit_height(image: tf.Tensor, label: tf.Tensor, max_height: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Scales a picture taller than `max_height` down to it, the label by nearest neighbour.

    Args:
        image: uint8 (height, width, 3).
        label: uint8 (height, width).
        max_height: pixels; 0 leaves every picture as it is.
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
