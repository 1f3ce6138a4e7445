"""Fog, rain and dusk: simple physical models of what lies between a scene and its camera.

No model knows the scene's depth. Fog assumes a flat road under a camera that looks along it; rain
and dusk assume nothing about the scene. The label stays, since the objects do.
"""

import math

import numpy as np
import tensorflow as tf

from roadshift.augment.keys import draw_uniform, operation_key
from roadshift.augment.photometric import FULL_RANGE, LUMA, in_three_channels, mix_channels
from roadshift.augment.registry import operation

# How fast the assumed distance falls with the distance from the horizon, per crop height. Below it
# 1 / (1 + 16 y) is the flat road's 1 / y, kept finite; above it, houses and trees come nearer far
# more slowly.
_ROAD_NEARS, _HOUSES_NEAR = 16.0, 0.8
# A bluish white of luma 1: the light that is left after sunset.
_BLUE_HOUR = (0.80, 0.99, 1.58)


@operation("weather")
def fog(image: tf.Tensor, key: tf.Tensor, strength: float) -> tf.Tensor:
    """Adds fog whose optical thickness at the horizon is U(0, strength).

    The horizon lies at U(0.2, 0.6) of the crop's height, the airlight is a grey of U(0.65, 0.95)
    of the full range, since both are unknown for a crop.
    """
    draws = draw_uniform(key, 0.0, 1.0, (3,))
    return apply_fog(
        image,
        thickness=strength * draws[0],
        horizon=0.2 + 0.4 * draws[1],
        airlight=FULL_RANGE * (0.65 + 0.3 * draws[2]),
    )


def apply_fog(
    image: tf.Tensor, *, thickness: tf.Tensor, horizon: tf.Tensor, airlight: tf.Tensor
) -> tf.Tensor:
    """Applies Koschmieder's law: t image + (1 - t) airlight, with t = exp(-thickness distance).

    One distance is assumed for each row, as a share of the farthest: y crop heights below the
    horizon it is 1 / (1 + 16 y), as on a flat road, y above it 1 / (1 + 0.8 y), as of houses.

    Args:
        image: float32 (H, W, 3).
        thickness: optical thickness at the horizon, >= 0.
        horizon: height of the horizon as a share of the crop's, from the top, 0..1.
        airlight: grey value of the fog, 0..255.
    """
    height = image.shape[0]
    below = (tf.range(height, dtype=tf.float32) + 0.5) / height - horizon
    nears = tf.where(below > 0, _ROAD_NEARS * below, -_HOUSES_NEAR * below)
    transmission = tf.exp(-thickness / (1 + nears))[:, tf.newaxis, tf.newaxis]
    return transmission * image + (1 - transmission) * airlight


@operation("weather")
def rain(image: tf.Tensor, key: tf.Tensor, strength: float) -> tf.Tensor:
    """Adds rain of intensity U(0, strength): a veil, and streaks of falling drops.

    A streak is a column of pixels, sheared by the wind by up to 0.3 columns per row either way. A
    column has streaks with a probability of 0.7 times the intensity: one to three per crop height,
    each 5 to 15 % of the crop's height long and fading towards its ends.
    """
    draws = draw_uniform(key, 0.0, 1.0, (2,))
    intensity = strength * draws[0]
    streaks = _streaks(image.shape[:2], operation_key(key, "rain.streaks"), intensity, draws[1])
    return apply_rain(image, streaks, intensity)


def apply_rain(image: tf.Tensor, streaks: tf.Tensor, intensity: tf.Tensor) -> tf.Tensor:
    """Blends towards a grey of 140 by 0.35 intensity, then towards 225 by 0.35 streaks.

    Many far drops act together as a thin fog, grey like an overcast sky, which lowers contrast; a
    near drop refracts the bright sky (Garg and Nayar, Vision and Rain, IJCV 2007).

    Args:
        image: float32 (H, W, 3).
        streaks: float32 (H, W) in 0..1, the share of a pixel's exposure that a drop fills.
        intensity: intensity of the rain, 0..1.
    """
    veil = 0.35 * intensity
    cover = 0.35 * streaks
    kept = (1 - cover) * (1 - veil)
    added = (1 - cover) * veil * 140.0 + cover * 225.0
    return in_three_channels(kept) * image + in_three_channels(added)


def _streaks(
    size: tuple[int, int], key: tf.Tensor, intensity: tf.Tensor, wind: tf.Tensor
) -> tf.Tensor:
    height, width = size
    slope = 0.6 * wind - 0.3
    lanes = width + math.ceil(0.3 * height) + 1
    has_any, spacing, length, phase = tf.unstack(draw_uniform(key, 0.0, 1.0, (4, lanes)))
    spacing = height * (1 / 3 + 2 / 3 * spacing)
    length = height * (0.05 + 0.1 * length)
    rows = tf.range(height, dtype=tf.float32)[:, tf.newaxis]
    turns = rows / spacing + phase
    along = (turns - tf.floor(turns)) * spacing / length
    field = tf.maximum(4 * along * (1 - along), 0.0)
    field *= tf.cast(has_any < 0.7 * intensity, tf.float32)
    # The shear: each row shows another part of the lanes.
    shift = tf.cast(slope * rows + tf.maximum(-slope, 0.0) * height, tf.int32)
    seen = tf.range(width) + shift + lanes * tf.range(height)[:, tf.newaxis]
    return tf.gather(tf.reshape(field, [-1]), seen)


@operation("weather")
def dusk(image: tf.Tensor, key: tf.Tensor, strength: float) -> tf.Tensor:
    """Turns the image to dusk of depth U(0, strength)."""
    depth = draw_uniform(key, 0.0, strength)
    normal = tf.random.stateless_normal(
        image.shape[:2], operation_key(key, "dusk.noise"), alg="philox"
    )
    return apply_dusk(image, normal, depth)


def apply_dusk(image: tf.Tensor, normal: tf.Tensor, depth: tf.Tensor) -> tf.Tensor:
    """Darkens by exp(-1.2 depth), turns 0.6 depth of the colour to blue, adds noise.

    That share of the colour is replaced by its luma in the bluish white of the sky, which alone
    lights the scene after sunset, without shadows. The noise is that of a camera that amplifies the
    remaining light: it changes brightness alone, with a sigma of 0.025 depth of the full range.

    Args:
        image: float32 (H, W, 3).
        normal: float32 (H, W), standard normal values.
        depth: depth of the dusk, 0 (day) .. 1 (night).
    """
    turned = 0.6 * depth
    blue = np.outer(_BLUE_HOUR, LUMA)
    matrix = (1 - turned) * tf.eye(3) + turned * tf.constant(blue, tf.float32)
    noise = FULL_RANGE * 0.025 * depth * normal
    return mix_channels(image, tf.exp(-1.2 * depth) * matrix) + in_three_channels(noise)
