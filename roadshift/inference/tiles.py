"""Segments images that are too large to pass through a network at once."""

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from roadshift.errors import RoadshiftError
from roadshift.inference.resizing import resize_to_stride
from roadshift.inference.segmenter import Segmentation, Segmenter, most_probable
from roadshift.networks.settings import STRIDE, InferenceSettings

MAX_PIXELS = 2**21
"""Default limit on the pixels that pass through a network at once."""
OVERLAP = 256
"""Number of pixels that neighbouring tiles share along a side; a multiple of the stride."""
MARGIN = 64
"""Pixels at a tile's inner edge have weight 0, since the network sees nothing beyond it."""
MIN_PIXELS = (2 * OVERLAP) ** 2
"""Smallest limit on the pixels of a tile: its sides hold two overlaps."""


class TiledSegmenter:
    """Segments images as `Segmenter` does; the memory for logits does not grow with the image.

    A `Segmenter` segments images of at most `max_pixels`. Larger images are resized as there, and
    pass through the network in tiles if they are still larger; logits are resized to the image's
    own resolution in strips. Tiles begin at multiples of the network's stride and overlap; in the
    overlap, logits fade from one tile into the next, so that no seam shows.

    The logits of one row of tiles are kept. With test-time augmentation those of all views are
    kept instead, at the sizes that the network sees, each of at most `max_pixels`; the views are
    averaged in strips. Instance norm (`model.ibn_stages`) uses a tile's statistics instead of the
    image's; results may differ where the parts of an image do.
    """

    def __init__(
        self,
        network: keras.Model,
        settings: InferenceSettings,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        """Compiles the functions that segment an image.

        Args:
            network: maps images, float32 (N, H, W, 3) in 0..255, to logits (N, H, W, classes).
            settings: height limit and views.
            max_pixels: limit on the pixels that pass through the network at once; a smaller one
                than `MIN_PIXELS` is raised to it.
        """
        self._max_pixels = max(max_pixels, MIN_PIXELS)
        self._segmenter = Segmenter(network, settings)
        flips = sorted({False, settings.tta_flip})
        self._views = [(scale, flipped) for scale in settings.tta_scales for flipped in flips]
        self._classes = network.output_shape[-1]
        image_spec = tf.TensorSpec((None, None, 3), tf.uint8)
        logits = tf.TensorSpec((None, None, None), tf.float32)
        scalar, integer = tf.TensorSpec((), tf.float32), tf.TensorSpec((), tf.int32)

        @tf.function(input_signature=[image_spec, scalar])
        def fit(image: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
            return resize_to_stride(image, settings.max_height, scale)

        @tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.float32)])
        def tile(pixels: tf.Tensor) -> tf.Tensor:
            return network(pixels[tf.newaxis], training=False)[0]

        @tf.function(input_signature=[logits, *[scalar] * 2, *[integer] * 2])
        def strip(
            logits: tf.Tensor,
            factor: tf.Tensor,
            shift: tf.Tensor,
            rows: tf.Tensor,
            width: tf.Tensor,
        ) -> tf.Tensor:
            # Bilinear, with half-pixel centers, as `Segmenter` resizes logits.
            across = tf.cast(width, tf.float32) / tf.cast(tf.shape(logits)[1], tf.float32)
            resized = tf.raw_ops.ScaleAndTranslate(
                images=logits[tf.newaxis],
                size=tf.stack([rows, width]),
                scale=tf.stack([factor, across]),
                translation=tf.stack([shift, 0.0]),
                kernel_type="triangle",
                antialias=False,
            )
            return resized[0]

        self._fit, self._tile, self._strip = fit, tile, strip

    def __call__(self, image: np.ndarray) -> Segmentation:
        """Segments an image.

        Args:
            image: uint8 RGB (H, W, 3).

        Raises:
            RoadshiftError: views are averaged, and the network sees one of them at more than
                `max_pixels`.
        """
        height, width = image.shape[:2]
        if height * width <= self._max_pixels:
            return self._segmenter(image)
        prediction = np.empty((height, width), np.uint8)
        probability = np.empty((height, width), np.float32)
        top = 0
        parts = self._parts(image) if len(self._views) == 1 else self._averaged_parts(image)
        for part in parts:
            rows = slice(top, top + part[0].shape[0])
            prediction[rows], probability[rows] = part
            top = rows.stop
        return Segmentation(prediction, probability)

    def _parts(self, image: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields classes and probabilities, some rows at a time."""
        height, width = image.shape[:2]
        fitted = self._fit(image, self._views[0][0]).numpy()
        factor = height / len(fitted)
        max_rows = max(1, self._max_pixels // width)
        logits = np.empty((0, fitted.shape[1], self._classes), np.float32)
        first = top = 0  # The first row of logits that is kept, and the next row of the image.
        for band in self._bands(fitted):
            logits = np.concatenate([logits, band])
            reached = first + len(logits)
            # A row of the image needs the rows of logits above and below its centre.
            ready = height if reached == len(fitted) else int((reached - 1) * factor)
            while top < ready:
                rows = min(max_rows, ready - top)
                shift = first * factor - top
                found = most_probable(self._strip(logits, factor, shift, rows, width))
                yield found[0].numpy(), found[1].numpy()
                top += rows
            done = max(int(top / factor) - 1 - first, 0)
            logits, first = logits[done:].copy(), first + done

    def _averaged_parts(self, image: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields classes and probabilities of the average of all views, some rows at a time."""
        height, width = image.shape[:2]
        views = [self._view_logits(image, scale, flipped) for scale, flipped in self._views]
        max_rows = max(1, self._max_pixels // width)
        for top in range(0, height, max_rows):
            rows = min(max_rows, height - top)
            total = tf.add_n(
                [
                    tf.nn.softmax(self._strip(logits, height / len(logits), -top, rows, width))
                    for logits in views
                ]
            )
            ids = tf.cast(tf.argmax(total, -1), tf.uint8)
            yield ids.numpy(), (tf.reduce_max(total, -1) / len(views)).numpy()

    def _view_logits(self, image: np.ndarray, scale: float, flipped: bool) -> np.ndarray:
        """Returns the logits of a view, (h, w, classes), at the size that the network sees."""
        fitted = self._fit(image, scale).numpy()
        if fitted.shape[0] * fitted.shape[1] > self._max_pixels:
            raise RoadshiftError(
                f"the network sees an image of {image.shape[1]}x{image.shape[0]} at "
                f"{fitted.shape[1]}x{fitted.shape[0]}; test-time augmentation needs a view of at "
                f"most {self._max_pixels} pixels: give --no-tta-flip and --tta-scale 1, or a "
                "larger --max-pixels"
            )
        pixels = fitted[:, ::-1] if flipped else fitted
        logits = self._tile(pixels).numpy()
        return logits[:, ::-1].copy() if flipped else logits

    def _bands(self, image: np.ndarray) -> Iterator[np.ndarray]:
        """Yields the blended logits of a resized image, (rows, W, classes), from top to bottom."""
        height, width = image.shape[:2]
        # Tiles are as wide as possible, since a row of them is kept.
        side = int(self._max_pixels**0.5) // STRIDE * STRIDE
        tile_height = min(height, side)
        tile_width = min(width, self._max_pixels // tile_height // STRIDE * STRIDE)
        from_above = None
        for top, rows in _spans(height, tile_height):
            band = self._band(image[top : top + rows], tile_width)
            band *= _fade(rows, top > 0, top + rows < height)[:, np.newaxis, np.newaxis]
            if from_above is not None:
                band[:OVERLAP] += from_above
            done = rows if top + rows == height else rows - OVERLAP
            # The copy lets the memory of the band be freed.
            from_above = band[done:].copy()
            yield band[:done]

    def _band(self, pixels: np.ndarray, tile_width: int) -> np.ndarray:
        """Returns the logits of a row of tiles, blended from left to right."""
        rows, width = pixels.shape[:2]
        band = np.zeros((rows, width, self._classes), np.float32)
        for left, columns in _spans(width, tile_width):
            logits = self._tile(pixels[:, left : left + columns]).numpy()
            fade = _fade(columns, left > 0, left + columns < width)
            band[:, left : left + columns] += logits * fade[:, np.newaxis]
        return band


def _spans(length: int, tile: int) -> list[tuple[int, int]]:
    """Returns the start and length of each tile; each but the first overlaps the one before."""
    if length <= tile:
        return [(0, length)]
    starts = range(0, length - OVERLAP, tile - OVERLAP)
    return [(start, min(tile, length - start)) for start in starts]


def _fade(length: int, before: bool, after: bool) -> np.ndarray:
    """Returns the weight of each row or column of a tile; weights of two neighbours sum to 1.

    Args:
        length: number of rows or columns of the tile.
        before: whether there is a tile before it.
        after: whether there is a tile after it.

    Returns:
        float32 (length,).
    """
    position = np.arange(OVERLAP, dtype=np.float32) + 0.5 - MARGIN
    rise = (position / (OVERLAP - 2 * MARGIN)).clip(0, 1)
    weights = np.ones(length, np.float32)
    if before:
        weights[:OVERLAP] *= rise
    if after:
        weights[-OVERLAP:] *= 1 - rise
    return weights
