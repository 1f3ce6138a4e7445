"""Operations that give an image the look of another: Fourier amplitudes, colour statistics."""

import math

import numpy as np
import tensorflow as tf

from roadshift.augment.keys import draw_uniform
from roadshift.augment.photometric import FULL_RANGE, mix_channels
from roadshift.augment.registry import operation

# RGB to the cones' responses, and the logarithms of those to the axes l, alpha, beta (rows), which
# are orthonormal: the inverse is the transpose.
_CONES = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
_AXES = np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]]) / np.sqrt([[3], [6], [2]])
# An image with less spread has none to stretch: that would only amplify rounding.
_LEAST_SPREAD = 1e-4
_LARGEST_LOG = 50.0
_EVERY = 4


@operation("transfer", stream="statistics")
def colour_transfer(
    image: tf.Tensor, other_image: tf.Tensor, key: tf.Tensor, strength: float
) -> tf.Tensor:
    """Takes a share U(0, strength) of the partner's colour statistics."""
    return transfer_colours(image, other_image, draw_uniform(key, 0.0, strength))


def transfer_colours(image: tf.Tensor, other: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """Moves mean and standard deviation of each axis of lαβ towards another image's.

    Reinhard et al., Color Transfer between Images, IEEE CG&A 2001, in their own space: the
    logarithms of the cones' responses, turned to axes l, α, β that are nearly uncorrelated in
    images of nature. Black has no logarithm, so values are clipped to 1..255 first. Statistics are
    taken from every fourth row.

    Args:
        image: float32 (H, W, 3).
        other: float32 (H, W, 3), the image whose statistics are taken.
        share: share of the other's statistics, 0 (the image's own) .. 1.

    Returns:
        float32 (H, W, 3) in 0..255.
    """
    mean, spread = _log_statistics(image)
    other_mean, other_spread = _log_statistics(other)
    ratio = tf.where(spread > _LEAST_SPREAD, other_spread / spread, 1.0)
    factor = 1 + share * (ratio - 1)
    axes, inverse = tf.constant(_AXES, tf.float32), tf.constant(_AXES.T, tf.float32)
    # Means are subtracted and added as factors of the matrices on either side of the logarithm,
    # which saves two passes over the image.
    to_cones = tf.exp(-mean)[:, tf.newaxis] * tf.constant(_CONES, tf.float32)
    from_cones = tf.constant(np.linalg.inv(_CONES), tf.float32)
    from_cones *= tf.exp(mean + share * (other_mean - mean))
    centred = tf.math.log(mix_channels(tf.clip_by_value(image, 1.0, FULL_RANGE), to_cones))
    stretched = mix_channels(centred, inverse @ (factor[:, tf.newaxis] * axes))
    cones = tf.exp(tf.minimum(stretched, _LARGEST_LOG))
    return tf.clip_by_value(mix_channels(cones, from_cones), 0.0, FULL_RANGE)


def _log_statistics(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the mean of the cones' log responses [3], the standard deviation of l, α, β [3]."""
    seen = tf.clip_by_value(image[::_EVERY], 1.0, FULL_RANGE)
    logs = tf.math.log(mix_channels(seen, tf.constant(_CONES, tf.float32)))
    mean = tf.reduce_mean(logs, [0, 1])
    turned = mix_channels(logs - mean, tf.constant(_AXES, tf.float32))
    return mean, tf.math.reduce_std(turned, [0, 1])


@operation("transfer", name="fda_beta", stream="fourier")
def fda(image: tf.Tensor, other_image: tf.Tensor, key: tf.Tensor, strength: float) -> tf.Tensor:
    """FDA (https://arxiv.org/abs/2004.05498) with β = `strength`; nothing is drawn.

    The window's half width is ⌊β min(H, W)⌋: below one pixel only the mean colour is exchanged.
    """
    return exchange_amplitudes(image, other_image, math.floor(strength * min(image.shape[:2])))


def exchange_amplitudes(image: tf.Tensor, other: tf.Tensor, half_width: int) -> tf.Tensor:
    """Replaces the amplitudes of the lowest frequencies by another image's, and keeps phases.

    A frequency is low if it is at most `half_width` periods per crop in both directions. Each
    channel has its own transform. A frequency that the image lacks has the phase 0.

    Args:
        image: float32 (H, W, 3).
        other: float32 (H, W, 3).
        half_width: half width h of the window of (2 h + 1) × (2 h + 1) frequencies, below half of
            either side.

    Returns:
        float32 (H, W, 3), not clipped.

    Raises:
        ValueError: the window is larger than the spectrum.
    """
    height, width = image.shape[:2]
    if 2 * half_width + 1 > min(height, width):
        raise ValueError(f"half width {half_width} is too large for {height}×{width} pixels")
    # Few frequencies change: products with a few waves cost less than three whole transforms.
    # Row frequencies start at 0, since the negative ones are their conjugates.
    down = _waves(height, range(half_width + 1))
    across = tf.constant(_waves(width, range(-half_width, half_width + 1)), tf.complex64)
    down = np.concatenate([down.real, down.imag], axis=1).astype(np.float32)

    def low(values: tf.Tensor) -> tf.Tensor:
        flat = tf.matmul(down, tf.reshape(values, [height, -1]), transpose_a=True)
        parts = tf.reshape(flat, [2, half_width + 1, width, 3])
        rows = tf.transpose(tf.complex(parts[0], parts[1]), [0, 2, 1])
        return tf.reshape(rows, [-1, width]) @ across

    own = low(image)
    amplitude = tf.abs(own)
    phase = tf.where(amplitude > 0, own / tf.cast(amplitude, tf.complex64), 1.0)
    change = tf.cast(tf.abs(low(other)) - amplitude, tf.complex64) * phase
    rows = tf.reshape(tf.matmul(change, across, adjoint_b=True), [half_width + 1, 3, width])
    # A frequency and its conjugate together are twice its real part; 0 is its own conjugate.
    weights = np.where(np.arange(half_width + 1) == 0, 1, 2) / (height * width)
    rows = tf.transpose(rows, [0, 2, 1]) * tf.constant(weights, tf.complex64)[:, None, None]
    parts = tf.reshape(tf.concat([tf.math.real(rows), tf.math.imag(rows)], axis=0), [-1, width * 3])
    return image + tf.reshape(tf.matmul(down, parts), [height, width, 3])


def _waves(length: int, frequencies: range) -> np.ndarray:
    """Returns exp(-2πi f x / length), complex (length, frequencies)."""
    return np.exp(-2j * np.pi * np.outer(np.arange(length), frequencies) / length)
