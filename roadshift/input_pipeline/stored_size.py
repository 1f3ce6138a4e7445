"""Scales training images down before they are stored, as a training would when it reads them."""

import numpy as np
import tensorflow as tf

from roadshift.inference.resizing import limit_height


def scale_down(
    image: np.ndarray, label: np.ndarray, *, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scales an image and its label down to a height; lower ones stay as they are.

    Args:
        image: uint8 (H, W, 3).
        label: uint8 (H, W).
        height: height limit in pixels, from 1.

    Returns:
        The image and the label, uint8, at most `height` rows high.
    """
    small, small_label = limit_height(tf.constant(image), tf.constant(label), height)
    return small.numpy(), small_label.numpy()
