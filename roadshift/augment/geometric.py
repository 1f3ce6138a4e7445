"""Geometric operations: zoom, place of the crop, mirroring, and the one resampling they share."""

import math

import tensorflow as tf

from roadshift.augment.keys import draw_uniform
from roadshift.augment.registry import Frame, frame_op, pair_op
from roadshift.taxonomy import IGNORE_ID


@frame_op
def scale(frame: Frame, key: tf.Tensor, strength: float) -> Frame:
    """Zooms by a factor log-uniform in 1/(1+strength)..1+strength."""
    largest = math.log1p(strength)
    factor = tf.exp(draw_uniform(key, -largest, largest))
    return frame._replace(factor=factor if frame.factor is None else frame.factor * factor)


@frame_op
def crop(frame: Frame, key: tf.Tensor, strength: float) -> Frame:
    """Moves the window to a uniformly random place with probability `strength`."""
    draws = draw_uniform(key, 0.0, 1.0, (3,))
    return frame._replace(place=tf.where(draws[0] < strength, draws[1:], frame.place))


@pair_op
def flip(
    image: tf.Tensor, label: tf.Tensor, key: tf.Tensor, strength: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mirrors image and label left and right with probability `strength`."""
    return tf.cond(
        draw_uniform(key, 0.0, 1.0) < strength,
        lambda: (tf.reverse(image, [1]), tf.reverse(label, [1])),
        lambda: (image, label),
    )


def cut_frame(
    image: tf.Tensor, label: tf.Tensor, frame: Frame, crop_height: int, crop_width: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Cuts the frame out of a sample, resamples it once, and pads it to the crop's size.

    The region of the source is cut first, at whole pixels, and only it is resampled; its edges
    repeat, as a picture's do. So the zoom is exact to half a source pixel over the whole crop.
    The image is resampled bilinearly, with the kernel widened when shrinking so that thin things
    do not alias; the label takes the nearest pixel. Both place pixels by their centres (pixel i
    covers i..i+1), so they stay aligned.

    Where the zoomed picture is smaller than the crop, the image is padded with the mean of what
    is seen, which leaves that mean as it was, and the label with the ignore id.

    Args:
        image: uint8 (H, W, 3).
        label: uint8 (H, W).
        frame: what to cut.
        crop_height: rows of the result, > 0.
        crop_width: columns of the result, > 0.

    Returns:
        Image float32 (crop_height, crop_width, 3) in 0..255, label uint8
        (crop_height, crop_width), shapes static.
    """
    crop_size = tf.constant([crop_height, crop_width])
    size = tf.shape(label)
    if frame.factor is None:
        taken = shown = tf.minimum(size, crop_size)
    else:
        taken, shown = _region_sizes(size, crop_size, frame.factor)
    start = _offset(size - taken, frame.place)
    stop = start + taken
    image = image[start[0] : stop[0], start[1] : stop[1]]
    label = label[start[0] : stop[0], start[1] : stop[1]]
    if frame.factor is not None:
        image = tf.image.resize(image, shown, "bilinear", antialias=True)
        label = tf.image.resize(label[..., tf.newaxis], shown, "nearest")[..., 0]
    image = tf.cast(image, tf.float32)

    before = _offset(crop_size - shown, frame.place)
    padding = tf.stack([before, crop_size - shown - before], axis=1)
    image = tf.pad(
        image, tf.concat([padding, [[0, 0]]], axis=0), constant_values=tf.reduce_mean(image)
    )
    label = tf.pad(label, padding, constant_values=IGNORE_ID)
    return (
        tf.ensure_shape(image, (crop_height, crop_width, 3)),
        tf.ensure_shape(label, (crop_height, crop_width)),
    )


def _region_sizes(
    size: tf.Tensor, crop_size: tf.Tensor, factor: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows and columns to take from the source, and the rows and columns they fill in the crop."""
    wanted = tf.cast(tf.round(tf.cast(crop_size, tf.float32) / factor), tf.int32)
    zoomed = tf.cast(tf.round(tf.cast(size, tf.float32) * factor), tf.int32)
    taken = tf.clip_by_value(wanted, 1, size)
    # A region smaller than the source is one that fills the crop.
    filling = tf.where(taken < size, crop_size, tf.clip_by_value(zoomed, 1, crop_size))
    return taken, filling


def _offset(room: tf.Tensor, place: tf.Tensor | tuple[float, float]) -> tf.Tensor:
    """Whole pixels before the window, each of the room + 1 offsets an equal share of the place."""
    return tf.minimum(tf.cast(place * tf.cast(room + 1, tf.float32), tf.int32), room)
