"""Segments images that are too large to pass through a network at once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from roadshift.errors import RoadshiftError
from roadshift.inference.segmenter import Segmentation, Segmenter, most_probable
from roadshift.inference.tile_geometry import OVERLAP, Side, fade, fitted_sides, tile_spans
from roadshift.networks.settings import STRIDE, InferenceSettings

MAX_PIXELS = 2**21
"""Default limit on the pixels that pass through a network at once."""
MIN_PIXELS = (2 * OVERLAP) ** 2
"""Smallest limit on the pixels of a tile: its sides hold two overlaps."""
HALO = 4
"""Number of logits before a block, along a side, that resizing the block may need."""


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a segmented image.

    Attributes:
        rows: rows of the image that the part covers.
        columns: columns of the image that the part covers.
        ids: class ids, uint8 (rows, columns).
        confidence: probability of each pixel's class, float32 (rows, columns) in 0..1.
    """

    rows: slice
    columns: slice
    ids: np.ndarray
    confidence: np.ndarray


@dataclass(frozen=True, eq=False)
class ProbabilityPart:
    """A part of a segmented image, with the probabilities of all classes.

    Attributes:
        rows: rows of the image that the part covers.
        columns: columns of the image that the part covers.
        probabilities: float32 (rows, columns, classes).
    """

    rows: slice
    columns: slice
    probabilities: np.ndarray


_Read = Callable[[tf.Tensor, int], tuple[np.ndarray, ...]]
"""A function from logits and 0, or summed probabilities and the number of views, each of
(rows, columns, classes), to arrays that begin with these rows and columns."""


def _best(scores: tf.Tensor, views: int) -> tuple[np.ndarray, ...]:
    if not views:
        ids, confidence = most_probable(scores)
        return ids.numpy(), confidence.numpy()
    ids = tf.cast(tf.argmax(scores, -1), tf.uint8).numpy()
    return ids, (tf.reduce_max(scores, -1) / views).numpy()


def _all(scores: tf.Tensor, views: int) -> tuple[np.ndarray, ...]:
    return ((scores / views if views else tf.nn.softmax(scores)).numpy(),)


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
        else:
            for (rows, columns), (ids, confidence) in self._read_parts(image, _best):
                yield Part(rows, columns, ids, confidence)

    def probability_parts(self, image: np.ndarray) -> Iterator[ProbabilityPart]:
        """Segments an image as `parts` does, and yields the probabilities of all classes.

        Args:
            image: uint8 RGB (H, W, 3).

        Raises:
            RoadshiftError: as for `parts`.
        """
        height, width = image.shape[:2]
        if height * width <= self._max_pixels:
            whole = slice(0, height), slice(0, width)
            yield ProbabilityPart(*whole, self._segmenter.probabilities(image))
        else:
            for (rows, columns), (probabilities,) in self._read_parts(image, _all):
                yield ProbabilityPart(rows, columns, probabilities)

    def _read_parts(
        self, image: np.ndarray, read: _Read
    ) -> Iterator[tuple[tuple[slice, slice], tuple[np.ndarray, ...]]]:
        """Yields rows and columns of parts of a large image, with what is read of their scores."""
        averaged = len(self._views) > 1
        return self._averaged_parts(image, read) if averaged else self._tiled_parts(image, read)

    def _tiled_parts(
        self, image: np.ndarray, read: _Read
    ) -> Iterator[tuple[tuple[slice, slice], tuple[np.ndarray, ...]]]:
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
                found = read(self._strip(known, size, scale, shift), 0)
                place = slice(start, start + size[0]), slice(first, last)
                if turned:
                    yield place[::-1], tuple(each.swapaxes(0, 1) for each in found)
                else:
                    yield place, found

    def _blocks(
        self, image: np.ndarray, rows: Side, columns: Side, *, turned: bool
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
        row_spans = tile_spans(rows.fitted, min(tile_rows, rows.fitted))
        column_spans = tile_spans(columns.fitted, min(tile_columns, columns.fitted))
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
                blended = logits * fade(column_count, left > 0, on)[:, np.newaxis]
                if left:
                    blended[:, :OVERLAP] += beside
                beside = blended[:, done_columns:].copy()
                blended = blended[:, :done_columns]
                blended *= fade(row_count, top > 0, down)[:, np.newaxis, np.newaxis]
                here = slice(left, left + done_columns)
                if top:
                    blended[:OVERLAP] += shared[:, here]
                if down:
                    shared[:, here] = blended[done_rows:]
                yield _Block(top, left, blended[:done_rows])

    def _tile_logits(
        self,
        image: np.ndarray,
        rows: Side,
        columns: Side,
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

    def _averaged_parts(
        self, image: np.ndarray, read: _Read
    ) -> Iterator[tuple[tuple[slice, slice], tuple[np.ndarray, ...]]]:
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
            yield (slice(top, top + size[0]), slice(0, width)), read(total, len(views))

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
