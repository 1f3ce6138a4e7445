"""The registry of operations, in the order in which they run.

Seven kinds, run in this order:

- `frame_op`: `(frame, key, strength) -> frame`; moves the window through which the crop is
  seen. All of them together cost one resampling.
- `pair_op`: `(image, label, key, strength) -> (image, label)`; acts on the crop.
- `transfer_op`: `(image, other_image, key, strength) -> image`; gives the crop's image the look
  of another picture's, the partner's, and leaves the label.
- `mix_op`: `(image, label, other_image, other_label, key) -> (image, label)`; pastes a part of
  the partner's crop. Its strength is the share of the samples that it is applied to, which the
  policy draws, since a partner that nobody wants is not read.
- `weather_op`: `(image, key, strength) -> image`; changes the scene before the camera.
- `image_op`: `(image, key, strength) -> image`; acts as light and camera do, on the crop's image
  alone: the photometric family.
- `cover_op`: `(image, label, key, strength) -> (image, label)`; hides a part of the finished
  crop, and of its label.

`image` is float32 (H, W, 3), nominally in 0..255; `label` uint8 (H, W); `key` int64 [2], the
operation's own; `strength` the value of the settings key of the function's name, never 0. H and
W are static, and the partner's crop has the same. Within a kind, operations run in the order in
which they are defined.

An operation neither expects its input to be within 0..255 nor clips its output: a camera
saturates once, at the end of its chain, and clipping between two operations would throw away
highlights that the next one brings back. The policy clips once, after the last `image_op`. An
operation that is only defined on the range (a power, a logarithm, a lookup table, an encoder)
clips its own input.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

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


Pair = tuple[tf.Tensor, tf.Tensor]
FrameOp = Callable[[Frame, tf.Tensor, float], Frame]
PairOp = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, float], Pair]
TransferOp = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, float], tf.Tensor]
MixOp = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], Pair]
ImageOp = Callable[[tf.Tensor, tf.Tensor, float], tf.Tensor]

FRAME_OPS: dict[str, FrameOp] = {}
PAIR_OPS: dict[str, PairOp] = {}
TRANSFER_OPS: dict[str, TransferOp] = {}
MIX_OPS: dict[str, MixOp] = {}
WEATHER_OPS: dict[str, ImageOp] = {}
IMAGE_OPS: dict[str, ImageOp] = {}
COVER_OPS: dict[str, PairOp] = {}
KINDS: tuple[dict[str, Any], ...] = (
    FRAME_OPS, PAIR_OPS, TRANSFER_OPS, MIX_OPS, WEATHER_OPS, IMAGE_OPS, COVER_OPS,
)  # fmt: skip

Operation = TypeVar("Operation", bound=Callable[..., Any])


def _register(table: dict[str, Operation], operation: Operation) -> Operation:
    name = operation.__name__
    if any(name in kind for kind in KINDS):
        raise ValueError(f"augmentation {name!r} is registered twice")
    table[name] = operation
    return operation


def frame_op(operation: FrameOp) -> FrameOp:
    """Registers an operation on the frame under its function's name."""
    return _register(FRAME_OPS, operation)


def pair_op(operation: PairOp) -> PairOp:
    """Registers an operation on image and label under its function's name."""
    return _register(PAIR_OPS, operation)


def transfer_op(operation: TransferOp) -> TransferOp:
    """Registers an operation that takes over the partner's look under its function's name."""
    return _register(TRANSFER_OPS, operation)


def mix_op(operation: MixOp) -> MixOp:
    """Registers an operation that pastes a part of the partner under its function's name."""
    return _register(MIX_OPS, operation)


def weather_op(operation: ImageOp) -> ImageOp:
    """Registers an operation on the scene's image under its function's name."""
    return _register(WEATHER_OPS, operation)


def image_op(operation: ImageOp) -> ImageOp:
    """Registers an operation on the image alone under its function's name."""
    return _register(IMAGE_OPS, operation)


def cover_op(operation: PairOp) -> PairOp:
    """Registers an operation that hides a part of the crop under its function's name."""
    return _register(COVER_OPS, operation)
