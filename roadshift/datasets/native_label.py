"""What is read from a set's label: the native index of every pixel, however labels are stored."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from roadshift.datasets.encoding import UNKNOWN, Encoding
from roadshift.datasets.images import image_size, read_label

KEPT_VALUES = 256
"""Most unknown values that are kept of one label; a photograph in a label's place has millions."""
NOTHING = "no annotation"
"""What stands for the value of pixels without one, where the encoding has no background."""

UnknownPixels = dict[int | str, int]
"""Number of pixels by value or label that the encoding lacks, the most frequent first."""


class NativeLabel(NamedTuple):
    """A label.

    Attributes:
        native: native indices, uint8 (height, width); `UNKNOWN` for values without a row.
        unknown: the `KEPT_VALUES` most frequent values without a row.
        values: what specks show in, (height, width): ids or colours as they are in the file.
    """

    native: np.ndarray
    unknown: UnknownPixels
    values: np.ndarray


class LabelReader(Protocol):
    """Reads the labels of a set; can be sent to another process.

    Attributes:
        kind: kind of the set's encoding.
        is_shared: whether one file holds the labels of many images.
        is_drawn: whether labels are drawn from shapes, which have no specks.
    """

    kind: str
    is_shared: bool
    is_drawn: bool

    def read(self, folder: Path, image: str, label: str) -> NativeLabel:
        """Reads the label of an image.

        Args:
            folder: folder of the set.
            image: path of the image, relative to the folder.
            label: path of the file with its label, likewise.

        Raises:
            RoadshiftError: the file is missing or damaged, or has no label of the image.
        """
        ...


class PixelReader:
    """Reads labels whose pixels are ids or colours."""

    is_shared = False
    is_drawn = False

    def __init__(self, encoding: Encoding) -> None:
        """Prepares the lookup of native indices, (256,), (65536,) or (2 ** 24,)."""
        self.kind: str = encoding.kind
        self._native_index = encoding.native_index

    def read(self, folder: Path, image: str, label: str) -> NativeLabel:
        """As `LabelReader.read`."""
        return self.native(read_label(folder / label, self.kind))

    def native(self, values: np.ndarray) -> NativeLabel:
        """Looks up ids or packed colours, as `read_label` returns them."""
        native = self._native_index[values]
        unknown = native == UNKNOWN
        if not unknown.any():
            return NativeLabel(native, {}, values)
        found, counts = np.unique(values[unknown], return_counts=True)
        pairs = zip(found.tolist(), counts.tolist(), strict=True)
        return NativeLabel(native, most_frequent(pairs), values)


class NoLabelReader:
    """Stands in for the reader of a set without labels: no pixel has a value."""

    kind = "grey"
    is_shared = False
    is_drawn = True

    def read(self, folder: Path, image: str, label: str) -> NativeLabel:
        """Returns a label of the image's size, all of the encoding's only row."""
        width, height = image_size(folder / image)
        native = np.zeros((height, width), np.uint8)
        return NativeLabel(native, {}, native)


class Codes:
    """Numbers for the labels of one image: native indices, and larger ones for unknown labels.

    Attributes:
        background: number of the pixels that nothing covers.
    """

    def __init__(self, encoding: Encoding) -> None:
        """Begins with the labels of an encoding."""
        self._native_of = encoding.native_of
        self._unknown: list[str] = []
        index = encoding.background_index
        self.background = self._new(NOTHING) if index is None else index

    def of(self, label: int | str) -> int:
        """Returns the number of a label."""
        known = self._native_of.get(label)
        return self._new(str(label)) if known is None else known

    def _new(self, label: str) -> int:
        if label not in self._unknown:
            self._unknown.append(label)
        return UNKNOWN + 1 + self._unknown.index(label)

    def label(self, codes: np.ndarray) -> NativeLabel:
        """Returns the label of an image whose pixels have these numbers, (height, width)."""
        native = np.minimum(codes, UNKNOWN).astype(np.uint8)
        if not self._unknown:
            return NativeLabel(native, {}, codes)
        counts = np.bincount(codes.ravel(), minlength=UNKNOWN + 1 + len(self._unknown))
        pairs = zip(self._unknown, counts[UNKNOWN + 1 :].tolist(), strict=True)
        return NativeLabel(native, most_frequent(pairs), codes)


def most_frequent(pixels: Iterable[tuple[int | str, int]]) -> UnknownPixels:
    """Returns the `KEPT_VALUES` most frequent values; equally frequent ones keep their order."""
    order = sorted(pixels, key=lambda pair: -pair[1])
    return {value: count for value, count in order[:KEPT_VALUES] if count}
