"""Labels as the masks of nuImages."""

import binascii
from base64 import b64decode
from pathlib import Path

import numpy as np
from pycocotools import mask as masks

from roadshift.datasets.card import Layout
from roadshift.datasets.encoding import Encoding
from roadshift.datasets.json_files import entry
from roadshift.datasets.listed import listed_name
from roadshift.datasets.native_label import Codes, NativeLabel
from roadshift.datasets.nuimages_file import Mask, load_nuimages
from roadshift.datasets.polygons import checked_size
from roadshift.datasets.run_lengths import RunLengths, run_lengths


class NuImagesReader:
    """Draws the masks of an image in the order of the publisher's devkit, as `load_nuimages` says.

    Objects lie on surfaces. Pixels without a mask are the background.
    """

    is_shared = True
    is_drawn = True

    def __init__(self, encoding: Encoding, layout: Layout) -> None:
        """Prepares the lookup of categories in an encoding of kind 'nuimages'."""
        self.kind: str = encoding.kind
        self._encoding, self._layout = encoding, layout
        self._native_of = encoding.native_of

    def read(self, folder: Path, image: str, label: str) -> NativeLabel:
        """As `LabelReader.read`."""
        file = folder / label
        tables = load_nuimages(file)
        name = listed_name(self._layout, tables, image, label)
        where = f"{file.parent}: {name}"
        width, height = checked_size(tables.images[name], "width", "height", where)
        codes = Codes(self._encoding, self._native_of)
        numbers = np.full((height, width), codes.background, np.int32)
        for mask in tables.annotations.get(name, ()):
            numbers[masks.decode(_unpacked(mask, height, width)) > 0] = codes.of(mask.category)
        return codes.label(numbers)


def _unpacked(mask: Mask, height: int, width: int) -> RunLengths:
    """Returns a mask, whose counts are COCO's compressed form in base 64.

    Raises:
        RoadshiftError: it is damaged.
    """
    packed = entry(mask.content, "counts", str, mask.where)
    try:
        counts = b64decode(packed, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        counts = ""  # are no run lengths, either
    return run_lengths({**mask.content, "counts": counts}, mask.where, height, width)
