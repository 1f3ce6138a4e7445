"""Labels as polygons and run lengths of a whole set in COCO's JSON."""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as masks

from roadshift.datasets.card import Layout
from roadshift.datasets.coco_file import Annotation, load_coco
from roadshift.datasets.encoding import Encoding
from roadshift.datasets.json_files import checked_polygon, coordinate, entry, expect
from roadshift.datasets.layout_patterns import parts_of
from roadshift.datasets.native_label import Codes, NativeLabel
from roadshift.datasets.polygons import checked_size
from roadshift.errors import RoadshiftError

RunLengths = dict[str, Any]
"""A mask as pycocotools has it."""


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
        root, file = self._layout.root, folder / label
        coco = load_coco(file)
        inner = (path if root == "." else path[len(root) + 1 :] for path in (image, label))
        name = next((n for n in listed_names(self._layout, *inner) if n in coco.images), None)
        if name is None:
            raise RoadshiftError(f"{image}: not in the images of {label}; export them together")
        width, height = checked_size(coco.images[name], "width", "height", f"{file}: {name}")
        drawn = []
        for each in coco.annotations.get(name, ()):
            mask = _run_lengths(each, f"{file}: annotations[{each.place}]", height, width)
            drawn.append((-int(masks.area(mask)), each.number, each.place, each.category, mask))
        codes = Codes(self._encoding, self._native_of)
        numbers = np.full((height, width), codes.background, np.int32)
        for *_, category, mask in sorted(drawn, key=lambda each: each[:3]):
            numbers[masks.decode(mask) > 0] = codes.of(category)
        return codes.label(numbers)


def _run_lengths(annotation: Annotation, where: str, height: int, width: int) -> RunLengths:
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
    size = entry(shape, "size", list, where)
    if size != [height, width]:
        raise RoadshiftError(f"{where}: size {size!r:.60}, expected {[height, width]}; correct it")
    counts = shape.get("counts")
    runs = _unpacked(counts) if isinstance(counts, str) else expect(counts, list, where)
    if any(type(run) is not int or run < 0 for run in runs) or sum(runs) != height * width:
        raise RoadshiftError(
            f"{where}: counts are not the run lengths of {height * width} pixels; export it anew"
        )
    return masks.frPyObjects({"size": size, "counts": runs}, height, width)


def _flat(values: object, where: str) -> Iterable[float]:
    """Returns the coordinates of a polygon, x and y by turns."""
    numbers = [coordinate(value, where) for value in expect(values, list, where)]
    if len(numbers) % 2:
        raise RoadshiftError(f"{where}: an odd number of coordinates; correct it")
    checked_polygon([*zip(numbers[::2], numbers[1::2], strict=True)], where)
    return numbers


def _unpacked(text: str) -> list[int]:
    """Returns the run lengths in COCO's compressed form, a negative one for damaged text.

    pycocotools does not check whether they sum to the size of the image.
    """
    runs: list[int] = []
    value, bits = 0, 0
    for character in text:
        digit = ord(character) - 48
        if not 0 <= digit < 64 or bits > 40:
            return [-1]
        value |= (digit & 31) << bits
        bits += 5
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << bits
        # From the fourth run on, the difference from the last run but one is stored.
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value, bits = 0, 0
    return [-1] if bits else runs


def listed_names(layout: Layout, image: str, label: str) -> list[str]:
    """Returns the paths by which a JSON file may list an image.

    They are relative to the root, to a folder of the image above its id, or to the JSON file's.

    Args:
        layout: the card's layout.
        image: path of the image, relative to the root.
        label: path of the JSON file, likewise.
    """
    prefix = layout.image[: layout.image.index("{id}")]
    folder = PurePosixPath(prefix.format(**parts_of(layout, layout.image, image)) + "x").parent
    bases = [*folder.parents, folder, PurePosixPath(label).parent]
    path = PurePosixPath(image)
    names = (path.relative_to(base).as_posix() for base in bases if path.is_relative_to(base))
    return sorted({*names}, key=len, reverse=True)


class Listed(NamedTuple):
    """Which images the JSON files of a set list.

    Attributes:
        labelled: the images that have annotations, each with its JSON file.
        absent: images in a JSON file that are not among the set's files, each with the JSON file.
        broken: why a JSON file cannot be read.
    """

    labelled: dict[str, str]
    absent: list[tuple[str, str]]
    broken: list[str]


def find_listed(layout: Layout, root: Path, label_of: Mapping[str, str]) -> Listed:
    """Finds the images with annotations.

    Args:
        layout: the card's layout.
        root: the layout's root.
        label_of: path of each image to that of its JSON file, relative to the root.
    """
    listed = Listed({}, [], [])
    names: dict[str, set[str]] = {}
    for label in sorted({*label_of.values()}):
        try:
            names[label] = {*load_coco(root / label).images}
        except RoadshiftError as error:
            listed.broken.append(str(error))
    for image, label in label_of.items():
        for name in listed_names(layout, image, label) if label in names else ():
            coco = load_coco(root / label)
            if name in coco.images:
                names[label].discard(name)
                if name in coco.annotations:
                    listed.labelled[image] = label
                break
    for label, left in names.items():
        folders = {root, (root / label).parent, *((root / image).parent for image in label_of)}
        listed.absent.extend(
            (name, label)
            for name in sorted(left)
            # A file that is there and is no image of the set is left out by the card.
            if not any((folder / name).is_file() for folder in folders)
        )
    return listed
