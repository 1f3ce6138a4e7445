"""Photometric operations, in the order in which light and a camera make an image.

Tone and colour of the light come first, then the lens (blur), the sensor (noise) and the file
(JPEG). Each registered operation makes its draws and passes them to the function that applies
them, so that the formula can be tested without chance. All act on float32 (H, W, 3) RGB images,
nominally in 0..255; `roadshift.augment.registry` says where values are clipped.
"""

import math

import numpy as np
import tensorflow as tf

from roadshift.augment.keys import draw_uniform, operation_key
from roadshift.augment.registry import operation

FULL_RANGE = 255.0
"""Largest value of an image."""
FULL_QUALITY = 100.0
"""Highest quality of a JPEG."""

# ITU-R BT.601 luma and the I and Q axes of NTSC's YIQ: rows Y, I, Q over columns R, G, B.
LUMA = (0.299, 0.587, 0.114)
_YIQ = np.array([LUMA, (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135)])


@operation("photometric")
def gamma(image: tf.Tensor, key: tf.Tensor, strength: float) -> tf.Tensor:
    """Raises values, as shares of the range, to the exponent exp(U(-strength, strength))."""
    return apply_gamma(image, tf.exp(draw_uniform(key, -strength, strength)))


def apply_gamma(image: tf.Tensor, exponent: tf.Tensor) -> tf.Tensor:
    """Returns 255 (image / 255)^exponent of the clipped image: negative values have no power."""
    share = tf.clip_by_value(image / FULL_RANGE, 0.0, 1.0)
    # A third of the time of tf.pow; log 0 = -inf gives exp(-inf) = 0, as it should.
    return FULL_RANGE * tf.exp(exponent * tf.math.log(share))


@operation("photometric")
def brightness(image: tf.Tensor, key: tf.Tensor, strength: float) -> tf.Tensor:
    """Shifts all values by U(-strength, strength) of the full range."""
    return apply_brightness(image, draw_uniform(key, -strength, strength))


def apply_brightness(image: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """Returns image + 255 shift."""
    return image + FULL_RANGE * shift


@operation("photometric")
def contrast(image: tf.Tensor, key: tf.Tensor, strength: float) -> tf.Tensor:
    """Stretches values about the image's mean by U(1-strength, 1+strength)."""
    return apply_contrast(image, draw_uniform(key, 1 - strength, 1 + strength))


def apply_contrast(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Returns mean + factor (image - mean), with one mean over all pixels and channels."""
    mean = tf.reduce_mean(image)
    return factor * image + (1 - factor) * mean


@operation("photometric")
def saturation(image: tf.Tensor, key: tf.Tensor, strength: float) -> tf.Tensor:
    """Stretches colours away from their grey by U(1-strength, 1+strength)."""
    return apply_saturation(image, draw_uniform(key, 1 - strength, 1 + strength))


def apply_saturation(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Returns grey + factor (image - grey), where grey is the pixel's BT.601 luma."""
    identity, to_grey = np.eye(3), np.outer(np.ones(3), LUMA)
    return mix_channels(
        image,
        factor * tf.constant(identity, tf.float32)
        + (1 - factor) * tf.constant(to_grey, tf.float32),
    )


@operation("photometric")
def hue(image: tf.Tensor, key: tf.Tensor, strength: float) -> tf.Tensor:
    """Rotates the hue by U(-strength, strength) turns."""
    return apply_hue(image, draw_uniform(key, -strength, strength))


def apply_hue(image: tf.Tensor, turns: tf.Tensor) -> tf.Tensor:
    """Rotates the chroma plane of YIQ by the given turns.

    This is one 3×3 matrix instead of a conversion to HSV: it is linear, has no kink at grey, and
    keeps luma, so that hue does not act as brightness. The result may leave 0..255.
    """
    angle = 2 * math.pi * turns
    cosine, sine = tf.cos(angle), tf.sin(angle)
    inverse = np.linalg.inv(_YIQ)
    # Y stays; (I, Q) turn: the sum of three constant matrices, weighted by 1, cosine and sine.
    fixed, kept, turned = (
        tf.constant(inverse @ np.array(part) @ _YIQ, tf.float32)
        for part in (
            [[1, 0, 0], [0, 0, 0], [0, 0, 0]],
            [[0, 0, 0], [0, 1, 0], [0, 0, 1]],
            [[0, 0, 0], [0, 0, -1], [0, 1, 0]],
        )
    )
    return mix_channels(image, fixed + cosine * kept + sine * turned)


def mix_channels(image: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """Applies a 3×3 matrix (rows: channels out) to every pixel."""
    flat = tf.matmul(tf.reshape(image, [-1, 3]), matrix, transpose_b=True)
    return tf.reshape(flat, tf.shape(image))


def in_three_channels(field: tf.Tensor) -> tf.Tensor:
    """Repeats a float32 (H, W) field in each channel of (H, W, 3)."""
    # A matrix product: broadcasting over a last axis of three takes twenty times as long.
    flat = tf.matmul(tf.reshape(field, [-1, 1]), tf.ones([1, 3]))
    return tf.reshape(flat, [*field.shape, 3])


@operation("photometric", stream="cast")
def colour_cast(image: tf.Tensor, key: tf.Tensor, strength: float) -> tf.Tensor:
    """Casts a colour over the image: each channel's gain is exp(U(-strength, strength))."""
    return apply_colour_cast(image, tf.exp(draw_uniform(key, -strength, strength, (3,))))


def apply_colour_cast(image: tf.Tensor, gains: tf.Tensor) -> tf.Tensor:
    """Multiplies each channel by its gain, float32 [3]."""
    return image * gains


@operation("photometric")
def blur(image: tf.Tensor, key: tf.Tensor, strength: float) -> tf.Tensor:
    """Blurs with a Gaussian of sigma U(0, strength) pixels."""
    return apply_blur(image, draw_uniform(key, 0.0, strength))


def apply_blur(image: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    """Convolves with a Gaussian cut at 3 sigma, renormalized where it reaches over the edge.

    The kernel is separable: rows first, then columns. A sigma of 0 changes nothing.
    """
    sigma = tf.maximum(sigma, 1e-3)
    radius = tf.math.ceil(3 * sigma)
    distance = tf.range(-radius, radius + 1)
    taps = tf.exp(-0.5 * tf.square(distance / sigma))
    for _ in range(2):
        image = tf.transpose(_convolve_first_axis(image, taps), [1, 0, 2])
    return image


def _convolve_first_axis(image: tf.Tensor, taps: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(image)
    # Columns and colours as channels: a depthwise kernel over three channels is twice as slow.
    rows = tf.reshape(image, [1, shape[0], 1, -1])
    smoothed = _depthwise(rows, taps)
    weight = _depthwise(tf.ones_like(rows[..., :1]), taps)
    return tf.reshape(smoothed / weight, shape)


def _depthwise(rows: tf.Tensor, taps: tf.Tensor) -> tf.Tensor:
    kernel = tf.tile(taps[:, tf.newaxis, tf.newaxis, tf.newaxis], [1, 1, tf.shape(rows)[3], 1])
    return tf.nn.depthwise_conv2d(rows, kernel, strides=[1, 1, 1, 1], padding="SAME")


@operation("photometric")
def noise(image: tf.Tensor, key: tf.Tensor, strength: float) -> tf.Tensor:
    """Adds independent Gaussian noise to each value, of sigma U(0, strength) of the full range."""
    sigma = draw_uniform(key, 0.0, strength)
    # A key of its own: the same key would tie the first values of the noise to its sigma.
    normal = tf.random.stateless_normal(
        tf.shape(image), operation_key(key, "noise.values"), alg="philox"
    )
    return apply_noise(image, normal, sigma)


def apply_noise(image: tf.Tensor, normal: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    """Returns image + 255 sigma normal, for standard normal values of the image's shape."""
    return image + FULL_RANGE * sigma * normal


@operation("photometric")
def jpeg(image: tf.Tensor, key: tf.Tensor, strength: float) -> tf.Tensor:
    """Compresses as JPEG of a quality uniform in 100-strength..100, rounded."""
    quality = tf.math.round(draw_uniform(key, FULL_QUALITY - strength, FULL_QUALITY))
    return apply_jpeg(image, tf.cast(quality, tf.int32))


def apply_jpeg(image: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
    """Encodes as JPEG of a quality in 1..100 and decodes; values are clipped and rounded first."""
    values = tf.cast(tf.round(tf.clip_by_value(image, 0.0, FULL_RANGE)), tf.uint8)
    # The method is named, since the default may differ between builds of TensorFlow.
    decoded = tf.image.adjust_jpeg_quality(values, quality, dct_method="INTEGER_ACCURATE")
    return tf.cast(decoded, tf.float32)
