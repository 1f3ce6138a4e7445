"""Segments images that are too large to pass through a network at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor

import keras
import numpy as np
import tensorflow as tf

from roadshift.errors import RoadshiftError
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
HALO = 4
"""Number of logits before a block, along a side, that resizing the block may need."""


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a segmented image.

    Attributes:
        rows: its rows in the image.
        columns: its columns in the image.
        ids: class ids, uint8 (rows, columns).
        confidence: probability of each pixel's class, float32 (rows, columns) in 0..1.
    """

    rows: slice
    columns: slice
    ids: np.ndarray
    confidence: np.ndarray


@dataclass(frozen=True, eq=False)
class _Block:
    """Logits of a part of what the network sees, where tiles are blended.

    Attributes:
        top: first row.
        left: first column.
        logits: float32 (rows, columns, classes).
    """

    top: int
    left: int
    logits: np.ndarray


@dataclass(frozen=True)
class _Side:
    """A side of an image, and of what the network sees of it.

    Attributes:
        length: number of the image's pixels.
        fitted: number of pixels that the network sees.
    """

    length: int
    fitted: int

    @property
    def factor(self) -> float:
        """Size of a pixel that the network sees, in pixels of the image."""
        return self.length / self.fitted

    @property
    def scale(self) -> float:
        """Size of a pixel of the image, in pixels that the network sees."""
        return self.fitted / self.length

    def source(self, start: int, pixels: int) -> slice:
        """Returns the image's pixels that a tile, of what the network sees, is resized from."""
        # Antialiasing weighs whatever is nearer than a pixel of the coarser of the two.
        reach = ceil(max(self.factor, 1)) + 1
        first = floor(start * self.factor) - reach
        last = ceil((start + pixels) * self.factor) + reach
        return slice(max(first, 0), min(last, self.length))

    def ready(self, reached: int) -> int:
        """Returns how many of the image's pixels need no more than the first `reached` logits."""
        # A pixel needs the logits before and after its centre.
        return self.length if reached == self.fitted else max(int((reached - 1) * self.factor), 0)


class TiledSegmenter:
    """Segments images as `Segmenter` does; the memory for logits does not grow with the image.

    A `Segmenter` segments images of at most `max_pixels`. Larger images are resized as there, and
    pass through the network in tiles if they are still larger; logits are resized to the image's
    own resolution in strips. Tiles begin at multiples of the network's stride and overlap; in the
    overlap, logits fade from one tile into the next, so that no seam shows.

    Beside a tile's logits, those that it shares with later tiles are kept: `OVERLAP` lines along
    the shorter side of the image. With test-time augmentation the logits of all views are kept
    instead, at the sizes that the network sees, each of at most `max_pixels`; the views are
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
        self._max_height = settings.max_height
        self._segmenter = Segmenter(network, settings)
        flips = sorted({False, settings.tta_flip})
        self._views = [(scale, flipped) for scale in settings.tta_scales for flipped in flips]
        self._classes = network.output_shape[-1]
        image_spec = tf.TensorSpec((None, None, 3), tf.uint8)
        logits = tf.TensorSpec((None, None, None), tf.float32)
        integers, floats = tf.TensorSpec((2,), tf.int32), tf.TensorSpec((2,), tf.float32)

        @tf.function(input_signature=[image_spec, integers, floats, floats])
        def fit(image: tf.Tensor, size: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
            # As `resize_to_stride` does.
            return _resized(image, size, scale=scale, shift=shift, antialias=True)

        @tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.float32)])
        def tile(pixels: tf.Tensor) -> tf.Tensor:
            return network(pixels[tf.newaxis], training=False)[0]

        @tf.function(input_signature=[logits, integers, floats, floats])
        def strip(
            logits: tf.Tensor, size: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor
        ) -> tf.Tensor:
            # As `Segmenter` resizes logits.
            return _resized(logits, size, scale=scale, shift=shift, antialias=False)

        self._fit, self._tile, self._strip = fit, tile, strip

    def __call__(self, image: np.ndarray) -> Segmentation:
        """Segments an image.

        Args:
            image: uint8 RGB (H, W, 3).

        Raises:
            RoadshiftError: views are averaged, and the network sees one of them at more than
                `max_pixels`.
        """
        ids = np.empty(image.shape[:2], np.uint8)
        confidence = np.empty(image.shape[:2], np.float32)
        for part in self.parts(image):
            ids[part.rows, part.columns] = part.ids
            confidence[part.rows, part.columns] = part.confidence
        return Segmentation(ids, confidence)

    def parts(self, image: np.ndarray) -> Iterator[Part]:
        """Segments an image, and yields it in parts that cover it without overlap.

        Args:
            image: uint8 RGB (H, W, 3).

        Raises:
            RoadshiftError: views are averaged, and the network sees one of them at more than
                `max_pixels`.
        """
        height, width = image.shape[:2]
        if height * width <= self._max_pixels:
            found = self._segmenter(image)
            yield Part(slice(0, height), slice(0, width), found.ids, found.confidence)
        elif len(self._views) > 1:
            yield from self._averaged_parts(image)
        else:
            yield from self._tiled_parts(image)

    def _tiled_parts(self, image: np.ndarray) -> Iterator[Part]:
        """Yields parts of an image that passes through the network in tiles, or as a whole."""
        rows, columns = fitted_sides(image, self._max_height, self._views[0][0])
        # What is kept lies along a row of tiles, so a wide image is gone through sideways.
        turned = columns.fitted > rows.fitted and rows.fitted * columns.fitted > self._max_pixels
        if turned:
            rows, columns = columns, rows
        # The last rows of the blocks above, and the last columns of the block before.
        above = np.empty((HALO, columns.fitted, self._classes), np.float32)
        next_above, before = above.copy(), above[:, :0]
        for block in self._blocks(image, rows, columns, turned=turned):
            top, left, known = block.top, block.left, block.logits
            if left == 0:
                above, next_above = next_above, above
            bottom, right = top + known.shape[0], left + known.shape[1]
            next_above[:, left:right] = known[-HALO:]
            following = known[:, -HALO:].copy()
            if left:
                known = np.concatenate([before, known], 1)
            if top:
                known = np.concatenate([above[:, right - known.shape[1] : right], known])
            before = following
            first, last = columns.ready(left), columns.ready(right)
            end = rows.ready(bottom)
            step = max(1, self._max_pixels // (last - first))
            for start in range(rows.ready(top), end, step):
                size = min(step, end - start), last - first
                shift = (
                    (bottom - known.shape[0]) * rows.factor - start,
                    (right - known.shape[1]) * columns.factor - first,
                )
                scale = rows.factor, columns.factor
                found = most_probable(self._strip(known, size, scale, shift))
                ids, confidence = found[0].numpy(), found[1].numpy()
                place = slice(start, start + size[0]), slice(first, last)
                if turned:
                    yield Part(place[1], place[0], ids.T, confidence.T)
                else:
                    yield Part(*place, ids, confidence)

    def _blocks(
        self, image: np.ndarray, rows: _Side, columns: _Side, *, turned: bool
    ) -> Iterator[_Block]:
        """Yields blended logits in blocks that cover what the network sees, row by row.

        Args:
            image: uint8 RGB (H, W, 3).
            rows: side that rows lie along.
            columns: side that columns lie along.
            turned: whether rows of blocks are columns of the image.
        """
        side = int(self._max_pixels**0.5) // STRIDE * STRIDE
        height = min(columns.fitted if turned else rows.fitted, side)
        width = self._max_pixels // height // STRIDE * STRIDE
        tile_rows, tile_columns = (width, height) if turned else (height, width)
        row_spans = _spans(rows.fitted, min(tile_rows, rows.fitted))
        column_spans = _spans(columns.fitted, min(tile_columns, columns.fitted))
        # What a row of tiles shares with the next one.
        shared = np.empty((OVERLAP, columns.fitted, self._classes), np.float32)
        for top, row_count in row_spans:
            down = top + row_count < rows.fitted
            done_rows = row_count - OVERLAP * down
            beside = shared[:, :0]
            for left, column_count in column_spans:
                on = left + column_count < columns.fitted
                done_columns = column_count - OVERLAP * on
                spans = (top, row_count), (left, column_count)
                logits = self._tile_logits(image, rows, columns, spans, turned=turned)
                blended = logits * _fade(column_count, left > 0, on)[:, np.newaxis]
                if left:
                    blended[:, :OVERLAP] += beside
                beside = blended[:, done_columns:].copy()
                blended = blended[:, :done_columns]
                blended *= _fade(row_count, top > 0, down)[:, np.newaxis, np.newaxis]
                here = slice(left, left + done_columns)
                if top:
                    blended[:OVERLAP] += shared[:, here]
                if down:
                    shared[:, here] = blended[done_rows:]
                yield _Block(top, left, blended[:done_rows])

    def _tile_logits(
        self,
        image: np.ndarray,
        rows: _Side,
        columns: _Side,
        spans: tuple[tuple[int, int], tuple[int, int]],
        *,
        turned: bool,
    ) -> np.ndarray:
        """Returns the logits of a tile, float32 (rows, columns, classes).

        Args:
            image: uint8 RGB (H, W, 3).
            rows: side that the tile's rows lie along.
            columns: side that the tile's columns lie along.
            spans: start and number of the tile's rows, and those of its columns.
            turned: whether the tile's rows are columns of the image.
        """
        if turned:
            rows, columns, spans = columns, rows, spans[::-1]
        sources = [side.source(*span) for side, span in zip((rows, columns), spans, strict=True)]
        fitted = self._fit(
            image[sources[0], sources[1]],
            [pixels for _, pixels in spans],
            [rows.scale, columns.scale],
            [
                source.start * side.scale - start
                for side, source, (start, _) in zip((rows, columns), sources, spans, strict=True)
            ],
        )
        logits = self._tile(fitted).numpy()
        return logits.swapaxes(0, 1) if turned else logits

    def _averaged_parts(self, image: np.ndarray) -> Iterator[Part]:
        """Yields parts of an image whose views are averaged."""
        height, width = image.shape[:2]
        views = [self._view_logits(image, scale, flipped) for scale, flipped in self._views]
        max_rows = max(1, self._max_pixels // width)
        for top in range(0, height, max_rows):
            size = min(max_rows, height - top), width
            total = tf.add_n(
                [
                    tf.nn.softmax(
                        self._strip(
                            logits,
                            size,
                            [height / logits.shape[0], width / logits.shape[1]],
                            [-top, 0],
                        )
                    )
                    for logits in views
                ]
            )
            ids = tf.cast(tf.argmax(total, -1), tf.uint8).numpy()
            confidence = (tf.reduce_max(total, -1) / len(views)).numpy()
            yield Part(slice(top, top + size[0]), slice(0, width), ids, confidence)

    def _view_logits(self, image: np.ndarray, scale: float, flipped: bool) -> np.ndarray:
        """Returns the logits of a view, (h, w, classes), at the size that the network sees."""
        rows, columns = fitted_sides(image, self._max_height, scale)
        if rows.fitted * columns.fitted > self._max_pixels:
            raise RoadshiftError(
                f"the network sees an image of {columns.length}x{rows.length} at "
                f"{columns.fitted}x{rows.fitted}; test-time augmentation needs a view of at "
                f"most {self._max_pixels} pixels: give --no-tta-flip and --tta-scale 1, or a "
                "larger --max-pixels"
            )
        size, scales = (rows.fitted, columns.fitted), (rows.scale, columns.scale)
        fitted = self._fit(image, size, scales, [0, 0]).numpy()
        pixels = fitted[:, ::-1] if flipped else fitted
        logits = self._tile(pixels).numpy()
        return logits[:, ::-1].copy() if flipped else logits


def fitted_sides(image: np.ndarray, max_height: int, scale: float) -> tuple[_Side, _Side]:
    """Returns the height and width of an image, and those of what `resize_to_stride` makes of it.

    Args:
        image: uint8 RGB (H, W, 3).
        max_height: height limit in pixels; 0 for none.
        scale: factor on the size after the height limit.
    """
    # In the same steps and precision as there.
    size = np.array(image.shape[:2], np.float32)
    if max_height:
        size *= min(np.float32(max_height) / size[0], np.float32(1))
    strides = np.maximum(np.round(size * np.float32(scale) / np.float32(STRIDE)), 1).astype(int)
    height, width = (STRIDE * strides).tolist()
    return _Side(image.shape[0], height), _Side(image.shape[1], width)


def _resized(
    pixels: tf.Tensor, size: tf.Tensor, *, scale: tf.Tensor, shift: tf.Tensor, antialias: bool
) -> tf.Tensor:
    """Resizes bilinearly, with half-pixel centers.

    Args:
        pixels: numbers (H, W, channels).
        size: height and width of the result.
        scale: number of the result's pixels for each pixel, down and across.
        shift: where `pixels` begin, in pixels of the result, down and across.
        antialias: whether to average where the result has fewer pixels.

    Returns:
        float32 (height, width, channels).
    """
    resized = tf.raw_ops.ScaleAndTranslate(
        images=pixels[tf.newaxis],
        size=size,
        scale=scale,
        translation=shift,
        kernel_type="triangle",
        antialias=antialias,
    )
    return resized[0]


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
