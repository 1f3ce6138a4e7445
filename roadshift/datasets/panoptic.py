"""Labels in COCO's panoptic form: PNGs of segments, and JSON with the segments' categories."""

from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from roadshift.datasets.categories import Category, load_categories
from roadshift.datasets.encoding import Encoding
from roadshift.datasets.images import read_label
from roadshift.datasets.json_files import entry, inner_path, load_json
from roadshift.datasets.layout import Layout
from roadshift.datasets.layout_patterns import glob_of, parts_of
from roadshift.datasets.native_label import Codes, NativeLabel
from roadshift.errors import RoadshiftError

MOST_SEGMENT = (1 << 24) - 1
"""Largest id of a segment: red + 256 green + 65536 blue."""


class Panoptic(NamedTuple):
    """A JSON file of the panoptic form.

    Attributes:
        categories: category by id.
        segments: by a PNG's path, the category's id of each segment's id.
    """

    categories: dict[int, Category]
    segments: dict[str, dict[int, int]]


def load_panoptic(file: Path) -> Panoptic:
    """Reads a JSON file of the panoptic form.

    Raises:
        RoadshiftError: the file is missing or damaged, or lists a PNG, a segment of a PNG or a
            category twice.
    """
    content = load_json(file)
    categories = load_categories(content, file)
    segments: dict[str, dict[int, int]] = {}
    for index, annotation in enumerate(entry(content, "annotations", list, str(file))):
        where = f"{file}: annotations[{index}]"
        name = inner_path(entry(annotation, "file_name", str, where), where)
        if name in segments:
            raise RoadshiftError(f"{where}: '{name}' comes twice; export it anew")
        segments[name] = {}
        for place, segment in enumerate(entry(annotation, "segments_info", list, where)):
            here = f"{where}: segments_info[{place}]"
            number = entry(segment, "id", int, here)
            category = entry(segment, "category_id", int, here)
            if not 0 <= number <= MOST_SEGMENT or number in segments[name]:
                raise RoadshiftError(f"{here}: id {str(number)[:20]} comes twice or is too large")
            if category not in categories:
                raise RoadshiftError(
                    f"{here}: category_id {str(category)[:20]} is in no category of the file"
                )
            segments[name][number] = category
    return Panoptic(categories, segments)


class PanopticReader:
    """Reads PNGs of segments."""

    is_shared = False
    is_drawn = False

    def __init__(self, encoding: Encoding, layout: Layout, folder: Path) -> None:
        """Reads the JSON files of the set.

        Args:
            encoding: an encoding of kind 'panoptic'.
            layout: the card's layout, whose `annotations` say where the JSON files lie.
            folder: folder of the set.

        Raises:
            RoadshiftError: a JSON file is missing or damaged.
        """
        self.kind: str = encoding.kind
        self._encoding, self._layout = encoding, layout
        root = folder / layout.root
        found = sorted(root.glob(glob_of(layout.annotations))) if layout.annotations else []
        if not found:
            raise RoadshiftError(
                f"{root / (layout.annotations or 'annotations')}: missing; it says of which "
                "category a segment is: add it to the set, and name it as layout.annotations"
            )
        self._files = {file.relative_to(root).as_posix(): load_panoptic(file) for file in found}

    def read(self, folder: Path, image: str, label: str) -> NativeLabel:
        """As `LabelReader.read`."""
        name, segments = self._segments(label)
        colours = read_label(folder / label, "colour")
        found, places = np.unique(colours, return_inverse=True)
        codes = Codes(self._encoding)
        # Labels are packed with red as the highest byte, ids of segments with red as the lowest.
        ids = (found >> 16) | (found & 0xFF00) | ((found & 0xFF) << 16)
        categories = self._files[name].categories
        of_id = np.empty(len(ids), np.int64)
        for index, number in enumerate(ids.tolist()):
            if number in segments:
                of_id[index] = codes.of(self._label(segments[number], categories))
            elif number == 0:
                of_id[index] = codes.background
            else:
                pixels = int((places == index).sum())
                raise RoadshiftError(
                    f"{label}: segment {number} ({pixels} pixels) is not in {name}; get the PNG "
                    "and the JSON of one version"
                )
        return codes.label(of_id[places].reshape(colours.shape))

    def _segments(self, label: str) -> tuple[str, dict[int, int]]:
        """Returns the JSON file of a PNG, and the categories of its segments."""
        path = self._layout.in_root(label)
        parts = parts_of(self._layout, self._layout.label, path)
        name = (self._layout.annotations or "").format(**parts)
        if name not in self._files:
            raise RoadshiftError(f"{label}: its JSON file {name} is missing; get the whole set")
        by_name = self._files[name].segments
        folders = PurePosixPath(path).parts
        for start in range(len(folders)):
            if (found := by_name.get("/".join(folders[start:]))) is not None:
                return name, found
        raise RoadshiftError(f"{label}: not in the annotations of {name}; get both of one version")

    def _label(self, category_id: int, categories: dict[int, Category]) -> int | str:
        """Returns what the encoding calls a category; its name if the encoding lacks it."""
        category = categories[category_id]
        for label in (category_id, category.name, category.supercategory):
            if label in self._encoding.native_of:
                return label
        return category.name
