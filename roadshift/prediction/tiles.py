"""Segmenting pictures that are too large to pass through a network at once."""

from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from roadshift.errors import RoadshiftError
from roadshift.networks.settings import STRIDE
from roadshift.scoring.inference import Segmenter, fit_picture, most_probable

MAX_PIXELS = 2**21
"""Pixels that pass through a network at once, unless another number is asked for."""
OVERLAP = 256
"""Pixels that neighbouring tiles share; a multiple of the stride."""
MARGIN = 64
"""Pixels at a tile's inner edge that do not count, since the network sees nothing beyond it."""
LEAST_PIXELS = (2 * OVERLAP) ** 2
"""Tiles do not get smaller than this."""


class TiledSegmenter:
    """A `Segmenter` whose memory does not grow with the picture.

    Pictures of at most `max_pixels` are left to a `Segmenter`. Larger ones are stretched as there,
    pass through the network in tiles where they are still larger, and are brought back to their
    own resolution in strips. Tiles begin at multiples of the network's stride and overlap; there,
    logits fade from one tile into the next, so that no seam shows.

    Of logits, those of one row of tiles are kept. Instance norm (`model.instance_norm`) takes a
    tile's statistics for the picture's, and may differ where a picture's parts do.
    """

    def __init__(
        self,
        network: keras.Model,
        max_height: int,
        max_pixels: int = MAX_PIXELS,
        flip: bool = False,
        scales: Sequence[float] = (1.0,),
    ) -> None:
        """Compiles the way from picture to classes.

        Args:
            network: pictures float32 (N, H, W, 3) in 0..255 to logits (N, H, W, classes).
            max_height: pixels, 0 for no limit.
            max_pixels: at least `LEAST_PIXELS`.
            flip: whether each scale is also seen mirrored, and the views averaged.
            scales: of the size that a picture has after `max_height`; all are averaged.
        """
        self._max_height, self._max_pixels = max_height, max(max_pixels, LEAST_PIXELS)
        self._segmenter = Segmenter(network, max_height, flip, scales)
        self._plain = not flip and tuple(scales) == (1.0,)
        self._classes = network.output_shape[-1]
        picture = tf.TensorSpec((None, None, 3), tf.uint8)
        logits = tf.TensorSpec((None, None, None), tf.float32)
        scalar, whole_number = tf.TensorSpec((), tf.float32), tf.TensorSpec((), tf.int32)

        @tf.function(input_signature=[picture])
        def fit(image: tf.Tensor) -> tf.Tensor:
            return fit_picture(image, max_height)

        @tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.float32)])
        def tile(pixels: tf.Tensor) -> tf.Tensor:
            return network(pixels[tf.newaxis], training=False)[0]

        @tf.function(input_signature=[logits, *[scalar] * 2, *[whole_number] * 2])
        def strip(
            logits: tf.Tensor,
            factor: tf.Tensor,
            shift: tf.Tensor,
            rows: tf.Tensor,
            width: tf.Tensor,
        ) -> tuple[tf.Tensor, tf.Tensor]:
            # Bilinear, with half-pixel centers, as `Segmenter` stretches logits back.
            across = tf.cast(width, tf.float32) / tf.cast(tf.shape(logits)[1], tf.float32)
            resized = tf.raw_ops.ScaleAndTranslate(
                images=logits[tf.newaxis],
                size=tf.stack([rows, width]),
                scale=tf.stack([factor, across]),
                translation=tf.stack([shift, 0.0]),
                kernel_type="triangle",
                antialias=False,
            )
            return most_probable(resized[0])

        self._fit, self._tile, self._strip = fit, tile, strip

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Segments a picture.

        Args:
            image: uint8 RGB (H, W, 3).

        Returns:
            Class ids, uint8 (H, W), and the probability of each, float32 (H, W) in 0..1.

        Raises:
            RoadshiftError: several views are to be averaged of a picture that is too large.
        """
        height, width = image.shape[:2]
        if height * width <= self._max_pixels:
            return self._segmenter(image)
        if not self._plain:
            raise RoadshiftError(
                f"a picture of {width}x{height} is above {self._max_pixels} pixels, and what is "
                "larger passes in tiles, of which there is one view: leave the flip and the "
                "scales out, or let more pixels through at once"
            )
        prediction = np.empty((height, width), np.uint8)
        probability = np.empty((height, width), np.float32)
        top = 0
        for part in self._parts(image):
            rows = slice(top, top + part[0].shape[0])
            prediction[rows], probability[rows] = part
            top = rows.stop
        return prediction, probability

    def _parts(self, image: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Classes and probabilities, some rows at a time."""
        height, width = image.shape[:2]
        fitted = self._fit(image).numpy()
        factor = height / len(fitted)
        most = max(1, self._max_pixels // width)
        logits = np.empty((0, fitted.shape[1], self._classes), np.float32)
        first = top = 0  # Of the logits' rows that are kept, and of the picture's that are next.
        for band in self._bands(fitted):
            logits = np.concatenate([logits, band])
            reached = first + len(logits)
            # A row of the picture needs those of the logits above and below its centre.
            ready = height if reached == len(fitted) else int((reached - 1) * factor)
            while top < ready:
                rows = min(most, ready - top)
                shift = first * factor - top
                prediction, probability = self._strip(logits, factor, shift, rows, width)
                yield prediction.numpy(), probability.numpy()
                top += rows
            done = max(int(top / factor) - 1 - first, 0)
            logits, first = logits[done:].copy(), first + done

    def _bands(self, image: np.ndarray) -> Iterator[np.ndarray]:
        """Logits (rows, W, classes) of a picture that fits, blended, from top to bottom."""
        height, width = image.shape[:2]
        # As wide as fits: a row of tiles is what is kept.
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
            # A copy, which does not keep the band alive.
            from_above = band[done:].copy()
            yield band[:done]

    def _band(self, pixels: np.ndarray, tile_width: int) -> np.ndarray:
        """Logits of a row of tiles, blended from left to right."""
        rows, width = pixels.shape[:2]
        band = np.zeros((rows, width, self._classes), np.float32)
        for left, columns in _spans(width, tile_width):
            logits = self._tile(pixels[:, left : left + columns]).numpy()
            fade = _fade(columns, left > 0, left + columns < width)
            band[:, left : left + columns] += logits * fade[:, np.newaxis]
        return band


def _spans(length: int, tile: int) -> list[tuple[int, int]]:
    """Where tiles begin and how long they are; each but the first overlaps the one before."""
    if length <= tile:
        return [(0, length)]
    starts = range(0, length - OVERLAP, tile - OVERLAP)
    return [(start, min(tile, length - start)) for start in starts]


def _fade(length: int, before: bool, after: bool) -> np.ndarray:
    """How much each line of a tile counts, float32 (length,); two neighbours' sum is 1.

    Args:
        length: lines of the tile.
        before: whether there is a tile before it.
        after: whether there is one after it.
    """
    place = np.arange(OVERLAP, dtype=np.float32) + 0.5 - MARGIN
    rise = (place / (OVERLAP - 2 * MARGIN)).clip(0, 1)
    weights = np.ones(length, np.float32)
    if before:
        weights[:OVERLAP] *= rise
    if after:
        weights[-OVERLAP:] *= 1 - rise
    return weights
