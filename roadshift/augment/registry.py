"""The registry of augmentations: one table, in the order in which they run.

Each operation has one of seven kinds. The kinds run in this order, and within a kind operations
run in the order in which they are defined:

- `crop`: `(window, key, strength) -> window`. Moves or zooms the window that becomes the crop. All
  of them together cost one resampling.
- `geometric`: `(image, label, key, strength) -> (image, label)`. Acts on the crop.
- `transfer`: `(image, partner_image, key, strength) -> image`. Gives the crop the look of another
  image, the partner. The label stays.
- `mix`: `(image, label, partner_image, partner_label, key) -> (image, label)`. Pastes a part of the
  partner's crop. Its strength is the probability that a sample is mixed. The policy draws it, so
  that a partner that is not needed is not read.
- `weather`: `(image, key, strength) -> image`. Changes the scene in front of the camera.
- `photometric`: `(image, key, strength) -> image`. Changes light, lens, sensor or file.
- `occlusion`: `(image, label, key, strength) -> (image, label)`. Hides a part of the finished crop
  and sets its label to the ignore id.

`image` is float32 (H, W, 3), nominally in 0..255; `label` is uint8 (H, W); `key` is int64 [2], the
operation's own; `strength` is the value of the operation's key in `aug`, never 0. H and W are
static, and the partner's crop has the same size.

An operation neither expects its input to be within 0..255 nor clips its output: a camera saturates
once, at the end of its chain, and clipping between two operations would lose highlights that the
next one brings back. The policy clips once, after the last photometric operation. An operation
that is only defined on the range (a power, a logarithm, an encoder) clips its own input.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import tensorflow as tf

Kind = Literal["crop", "geometric", "transfer", "mix", "weather", "photometric", "occlusion"]
ImageAndLabel = tuple[tf.Tensor, tf.Tensor]


class CropWindow(NamedTuple):
    """The window of the source image that becomes the crop.

    Attributes:
        factor: crop pixels per source pixel, a float32 scalar. None as long as no operation zooms;
            then nothing is resampled.
        place: float32 [2], the share of the free room that lies before the window, vertically and
            horizontally, 0..1. (0.5, 0.5) is the centre.
        label: uint8 (H, W), the label of the source image; all ignored where it has none.
    """

    factor: tf.Tensor | None = None
    place: tf.Tensor | tuple[float, float] = (0.5, 0.5)
    label: tf.Tensor | None = None


@dataclass(frozen=True)
class Operation:
    """A registered augmentation.

    Attributes:
        name: its key in the section `aug` of the parameters.
        kind: when it runs, and its signature.
        apply: the function.
        stream: the name of its random stream (see `roadshift.augment.keys.operation_key`). Results
            depend on it, so it stays when an operation is renamed.
    """

    name: str
    kind: Kind
    apply: Callable[..., Any]
    stream: str


OPERATIONS: dict[str, Operation] = {}
"""All operations by name. Importing `roadshift.augment.policy` fills it."""

Function = TypeVar("Function", bound=Callable[..., Any])


def operation(
    kind: Kind, *, name: str | None = None, stream: str | None = None
) -> Callable[[Function], Function]:
    """Registers a function as an augmentation.

    Args:
        kind: when it runs, and which signature it has.
        name: its key in `aug`; the function's name where it is left out.
        stream: the name of its random stream; `name` where it is left out.

    Raises:
        ValueError: the name is taken.
    """

    def register(function: Function) -> Function:
        key = name or function.__name__
        if key in OPERATIONS:
            raise ValueError(f"augmentation {key!r} is registered twice")
        OPERATIONS[key] = Operation(key, kind, function, stream or key)
        return function

    return register


def operations_of(*kinds: Kind) -> list[Operation]:
    """The operations of some kinds, of all where none is named, in the order in which they run."""
    return [
        each
        for kind in kinds or get_args(Kind)
        for each in OPERATIONS.values()
        if each.kind == kind
    ]
