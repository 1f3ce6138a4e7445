"""Labels as polygons and run lengths of a whole set in COCO's JSON."""

from collections.abc import Iterable
from pathlib import Path

from pycocotools import mask as masks

from roadshift.datasets.coco_file import Annotation, Coco, load_coco
from roadshift.datasets.json_files import checked_polygon, coordinate, expect
from roadshift.datasets.listed_reader import CategoryMask, ListedReader
from roadshift.datasets.run_lengths import RunLengths, run_lengths
from roadshift.errors import RoadshiftError


class CocoReader(ListedReader[Coco]):
    """Draws the annotations of an image, the largest first, those of equal area by their ids.

    What is small lies on what is large, as a car on the road. Pixels without an annotation are the
    background.
    """

    def load(self, file: Path) -> Coco:
        """As `ListedReader.load`."""
        return load_coco(file)

    def masks(
        self, listing: Coco, name: str, file: Path, *, height: int, width: int
    ) -> Iterable[CategoryMask]:
        """As `ListedReader.masks`."""
        drawn = []
        for each in listing.annotations.get(name, ()):
            mask = _mask(each, f"{file}: annotations[{each.place}]", height, width)
            drawn.append((-int(masks.area(mask)), each.number, each.place, each.category, mask))
        for *_, category, mask in sorted(drawn, key=lambda each: each[:3]):
            yield category, mask


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
