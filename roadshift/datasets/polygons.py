"""Labels as polygons, a JSON file an image, as Cityscapes and IDD publish them."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from roadshift.datasets.encoding import Encoding
from roadshift.datasets.json_files import entry, load_json, points
from roadshift.datasets.native_label import Codes, NativeLabel
from roadshift.errors import RoadshiftError

GROUP = "group"
"""End of a label that stands for several objects: an unknown 'cargroup' is a 'car'."""


class PolygonReader:
    """Draws polygons in the order of the file, as `json2labelImg` of cityscapesScripts does.

    Polygons are closed and filled with their outlines by Pillow, later ones cover earlier ones, and
    deleted ones are left out.
    """

    is_shared = False
    is_drawn = True

    def __init__(self, encoding: Encoding) -> None:
        """Prepares the lookup of labels in an encoding of kind 'polygons'."""
        self.kind: str = encoding.kind
        self._encoding = encoding

    def read(self, folder: Path, image: str, label: str) -> NativeLabel:
        """As `LabelReader.read`."""
        file = folder / label
        content = load_json(file)
        codes = Codes(self._encoding)
        size = checked_size(content, "imgWidth", "imgHeight", str(file))
        # Numbers of unknown labels exceed a byte.
        drawn = Image.new("I", size, codes.background)
        draw = ImageDraw.Draw(drawn)
        for index, shape in enumerate(entry(content, "objects", list, str(file))):
            where = f"{file}: objects[{index}]"
            name = self._label(entry(shape, "label", str, where))
            if shape.get("deleted") or name in self._encoding.undrawn:
                continue
            polygon = points(entry(shape, "polygon", list, where), f"{where}: polygon")
            draw.polygon(polygon, fill=codes.of(name))
        return codes.label(np.asarray(drawn))

    def _label(self, label: str) -> str:
        known, single = self._encoding.native_of, label.removesuffix(GROUP)
        return label if label in known or single not in known else single


def checked_size(content: object, width: str, height: str, where: str) -> tuple[int, int]:
    """Returns the width and height of an image by a JSON file.

    Raises:
        RoadshiftError: they are missing, not positive, or would fill the memory.
    """
    size = entry(content, width, int, where), entry(content, height, int, where)
    if not (min(size) > 0 and size[0] * size[1] <= 2 * (Image.MAX_IMAGE_PIXELS or 0)):
        raise RoadshiftError(
            f"{where}: {str(size[0])[:20]}×{str(size[1])[:20]} is no size of an image; correct it"
        )
    return size
