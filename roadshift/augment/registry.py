"""The registry of operations, in the order in which they run.

Three kinds, run in this order:

- `frame_op`: `(frame, key, strength) -> frame`; moves the window through which the crop is
  seen. All of them together cost one resampling.
- `pair_op`: `(image, label, key, strength) -> (image, label)`; acts on the crop.
- `image_op`: `(image, key, strength) -> image`; acts on the crop's image and leaves the label.

`image` is float32 (H, W, 3), nominally in 0..255; `label` uint8 (H, W); `key` int64 [2], the
operation's own; `strength` the value of the settings key of the function's name, never 0. Within
a kind, operations run in the order in which they are defined.

An image operation neither expects its input to be within 0..255 nor clips its output: a camera
saturates once, at the end of its chain, and clipping between two operations would throw away
highlights that the next one brings back. The policy clips once, after the last. An operation
that is only defined on the range (a power, a lookup table, an encoder) clips its own input.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import tensorflow as tf


class Frame(NamedTuple):
    """The window onto the source picture that becomes the crop.

    Attributes:
        factor: crop pixels per source pixel: a float32 scalar, or None as long as no operation
            zooms, and then nothing is resampled.
        place: float32 [2], vertical and horizontal share of the free room that lies before the
            window, 0..1; (0.5, 0.5) is the centre.
    """

    factor: tf.Tensor | None = None
    place: tf.Tensor | tuple[float, float] = (0.5, 0.5)


FrameOp = Callable[[Frame, tf.Tensor, float], Frame]
PairOp = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, float], tuple[tf.Tensor, tf.Tensor]]
ImageOp = Callable[[tf.Tensor, tf.Tensor, float], tf.Tensor]

FRAME_OPS: dict[str, FrameOp] = {}
PAIR_OPS: dict[str, PairOp] = {}
IMAGE_OPS: dict[str, ImageOp] = {}

Operation = TypeVar("Operation", FrameOp, PairOp, ImageOp)


def _register(table: dict[str, Operation], operation: Operation) -> Operation:
    name = operation.__name__
    if name in FRAME_OPS or name in PAIR_OPS or name in IMAGE_OPS:
        raise ValueError(f"augmentation {name!r} is registered twice")
    table[name] = operation
    return operation


def frame_op(operation: FrameOp) -> FrameOp:
    """Registers an operation on the frame under its function's name."""
    return _register(FRAME_OPS, operation)


def pair_op(operation: PairOp) -> PairOp:
    """Registers an operation on image and label under its function's name."""
    return _register(PAIR_OPS, operation)


def image_op(operation: ImageOp) -> ImageOp:
    """Registers an operation on the image alone under its function's name."""
    return _register(IMAGE_OPS, operation)
