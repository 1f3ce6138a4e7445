"""Labels as polygons and run lengths of a whole set in COCO's JSON."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from pycocotools import mask as masks

from roadshift.datasets.card import Layout
from roadshift.datasets.coco_file import Annotation, load_coco
from roadshift.datasets.encoding import Encoding
from roadshift.datasets.json_files import checked_polygon, coordinate, expect
from roadshift.datasets.listed import listed_name
from roadshift.datasets.native_label import Codes, NativeLabel
from roadshift.datasets.polygons import checked_size
from roadshift.datasets.run_lengths import RunLengths, run_lengths
from roadshift.errors import RoadshiftError


class CocoReader:
    """Draws the annotations of an image, the largest first, those of equal area by their ids.

    What is small lies on what is large, as a car on the road. Pixels without an annotation are the
    background.
    """

    is_shared = True
    is_drawn = True

    def __init__(self, encoding: Encoding, layout: Layout) -> None:
        """Prepares the lookup of categories in an encoding of kind 'coco'."""
        self.kind: str = encoding.kind
        self._encoding, self._layout = encoding, layout
        self._native_of = encoding.native_of

    def read(self, folder: Path, image: str, label: str) -> NativeLabel:
        """As `LabelReader.read`."""
        file = folder / label
        coco = load_coco(file)
        name = listed_name(self._layout, coco, image, label)
        width, height = checked_size(coco.images[name], "width", "height", f"{file}: {name}")
        drawn = []
        for each in coco.annotations.get(name, ()):
            mask = _mask(each, f"{file}: annotations[{each.place}]", height, width)
            drawn.append((-int(masks.area(mask)), each.number, each.place, each.category, mask))
        codes = Codes(self._encoding, self._native_of)
        numbers = np.full((height, width), codes.background, np.int32)
        for *_, category, mask in sorted(drawn, key=lambda each: each[:3]):
            numbers[masks.decode(mask) > 0] = codes.of(category)
        return codes.label(numbers)


def _mask(annotation: Annotation, where: str, height: int, width: int) -> RunLengths:
    """Returns the mask of an annotation.

    Raises:
        RoadshiftError: it has none, or a damaged one.
    """
    shape = annotation.content.get("segmentation")
    if not shape:
        raise RoadshiftError(
            f"{where}: has no segmentation, as a box; draw a polygon or a mask, or delete it"
        )
    where = f"{where}: segmentation"
    if isinstance(shape, list):
        polygons = [[*_flat(each, f"{where}[{i}]")] for i, each in enumerate(shape)]
        return masks.merge(masks.frPyObjects(polygons, height, width))
    return run_lengths(shape, where, height, width)


def _flat(values: object, where: str) -> Iterable[float]:
    """Returns the coordinates of a polygon, x and y by turns."""
    numbers = [coordinate(value, where) for value in expect(values, list, where)]
    if len(numbers) % 2:
        raise RoadshiftError(f"{where}: an odd number of coordinates; correct it")
    checked_polygon([*zip(numbers[::2], numbers[1::2], strict=True)], where)
    return numbers
