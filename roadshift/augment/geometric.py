"""Geometric operations: zoom, place of the crop, mirroring, and the one resampling they share."""

import math

import tensorflow as tf

from roadshift.augment.keys import draw_uniform
from roadshift.augment.registry import CropWindow, ImageAndLabel, operation
from roadshift.taxonomy import IGNORE_ID


@operation("crop", stream="scale")
def random_scale(window: CropWindow, key: tf.Tensor, strength: float) -> CropWindow:
    """Zooms by a factor log-uniform in 1/(1+strength)..1+strength."""
    largest = math.log1p(strength)
    factor = tf.exp(draw_uniform(key, -largest, largest))
    return window._replace(factor=factor if window.factor is None else window.factor * factor)


@operation("crop", stream="crop")
def random_crop(window: CropWindow, key: tf.Tensor, strength: float) -> CropWindow:
    """Moves the window to a uniformly random place with probability `strength`."""
    draws = draw_uniform(key, 0.0, 1.0, (3,))
    return window._replace(place=tf.where(draws[0] < strength, draws[1:], window.place))


@operation("crop")
def class_crop(window: CropWindow, key: tf.Tensor, strength: float) -> CropWindow:
    """Moves the window to a pixel of an evenly drawn class with probability `strength`.

    The class is drawn from those in the window's label, ignored pixels apart and a partial label as
    one class more, and the pixel from those of the class. The pixel lies as far down and to the
    right in the window as in the image. Without a class the window stays.
    """
    draws = draw_uniform(key, 0.0, 1.0, (3,))
    ids = tf.cast(tf.reshape(window.label, [-1]), tf.int32)

    def move() -> tf.Tensor:
        present = _indices(tf.math.bincount(ids, minlength=IGNORE_ID)[:IGNORE_ID] > 0)
        pixels = _indices(tf.equal(ids, _drawn(present, draws[1])))
        width = tf.shape(window.label)[1]
        pixel = _drawn(pixels, draws[2])
        middle = tf.stack([pixel // width, pixel % width])
        return (tf.cast(middle, tf.float32) + 0.5) / tf.cast(tf.shape(window.label), tf.float32)

    moves = (draws[0] < strength) & tf.reduce_any(ids != IGNORE_ID)
    return window._replace(place=tf.cond(moves, move, lambda: tf.convert_to_tensor(window.place)))


@operation("geometric")
def flip(image: tf.Tensor, label: tf.Tensor, key: tf.Tensor, strength: float) -> ImageAndLabel:
    """Mirrors image and label left and right with probability `strength`."""
    return tf.cond(
        draw_uniform(key, 0.0, 1.0) < strength,
        lambda: (tf.reverse(image, [1]), tf.reverse(label, [1])),
        lambda: (image, label),
    )


def cut_window(
    image: tf.Tensor, label: tf.Tensor, window: CropWindow, *, crop_height: int, crop_width: int
) -> ImageAndLabel:
    """Cuts the window out of a sample, resamples it once, and pads it to the crop's size.

    The region of the source is cut first, at whole pixels, and only the region is resampled. Beyond
    its edges the outermost pixels repeat, as at the edges of an image. Since the cut is rounded to
    whole pixels, content is at most half a source pixel off.
    The image is resampled bilinearly, with the kernel widened when shrinking so that thin objects
    do not alias; the label takes the nearest pixel. Both place pixels by their centres (pixel i
    covers i..i+1), so they stay aligned.

    If the zoomed image is smaller than the crop, the image is padded with the mean of the region,
    which leaves that mean unchanged, and the label with the ignore id.

    Args:
        image: uint8 (H, W, 3).
        label: uint8 (H, W).
        window: the window to cut.
        crop_height: rows of the result, > 0.
        crop_width: columns of the result, > 0.

    Returns:
        Image float32 (crop_height, crop_width, 3) in 0..255, label uint8
        (crop_height, crop_width), shapes static.
    """
    crop_size = tf.constant([crop_height, crop_width])
    size = tf.shape(label)
    if window.factor is None:
        taken = shown = tf.minimum(size, crop_size)
    else:
        taken, shown = _region_sizes(size, crop_size, window.factor)
    start = _offset(size - taken, window.place)
    stop = start + taken
    image = image[start[0] : stop[0], start[1] : stop[1]]
    label = label[start[0] : stop[0], start[1] : stop[1]]
    if window.factor is not None:
        image = tf.image.resize(image, shown, "bilinear", antialias=True)
        label = tf.image.resize(label[..., tf.newaxis], shown, "nearest")[..., 0]
    image = tf.cast(image, tf.float32)

    before = _offset(crop_size - shown, window.place)
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
    """Returns the size, int32 [2], of the region in the source, and its size in the crop."""
    wanted = tf.cast(tf.round(tf.cast(crop_size, tf.float32) / factor), tf.int32)
    zoomed = tf.cast(tf.round(tf.cast(size, tf.float32) * factor), tf.int32)
    taken = tf.clip_by_value(wanted, 1, size)
    # A region smaller than the source fills the crop.
    filling = tf.where(taken < size, crop_size, tf.clip_by_value(zoomed, 1, crop_size))
    return taken, filling


def _indices(mask: tf.Tensor) -> tf.Tensor:
    """Returns the places, int32, at which a vector is true."""
    return tf.cast(tf.where(mask)[:, 0], tf.int32)


def _drawn(values: tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
    """Returns one of the values, at least one, by a draw uniform in 0..1."""
    number = tf.cast(tf.size(values), tf.float32)
    return values[tf.minimum(tf.cast(draw * number, tf.int32), tf.size(values) - 1)]


def _offset(room: tf.Tensor, place: tf.Tensor | tuple[float, float]) -> tf.Tensor:
    """Returns the pixels before the window: place 0..1 in equal parts gives 0, 1, .. room."""
    return tf.minimum(tf.cast(place * tf.cast(room + 1, tf.float32), tf.int32), room)
