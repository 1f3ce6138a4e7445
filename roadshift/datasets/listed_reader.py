"""Labels of many images in one file, as masks: what COCO and nuImages have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from pycocotools import mask as masks

from roadshift.datasets.coco_file import Coco
from roadshift.datasets.encoding import Encoding
from roadshift.datasets.layout import Layout
from roadshift.datasets.listed import listed_name
from roadshift.datasets.native_label import Codes, NativeLabel
from roadshift.datasets.nuimages_file import NuImages
from roadshift.datasets.polygons import checked_size
from roadshift.datasets.run_lengths import RunLengths

Listing = TypeVar("Listing", Coco, NuImages)
CategoryMask = tuple[str, RunLengths]
"""A category's name, and one of its masks."""


class ListedReader(ABC, Generic[Listing]):
    """Draws the masks of an image in their order; pixels without a mask are the background."""

    is_shared = True
    is_drawn = True

    def __init__(self, encoding: Encoding, layout: Layout) -> None:
        """Keeps an encoding whose labels are names of categories, and the card's layout."""
        self.kind: str = encoding.kind
        self._encoding, self._layout = encoding, layout

    @abstractmethod
    def load(self, file: Path) -> Listing:
        """Reads the file with the labels; one that has not changed is not read again.

        Raises:
            RoadshiftError: it is missing or damaged.
        """

    def place_of_images(self, file: Path) -> Path:
        """Returns the file or folder that has the sizes of the images, for errors."""
        return file

    @abstractmethod
    def masks(
        self, listing: Listing, name: str, file: Path, *, height: int, width: int
    ) -> Iterable[CategoryMask]:
        """Yields the masks of an image, the lowest first.

        Args:
            listing: the content of the file.
            name: path by which it lists the image.
            file: the file, for errors.
            height: height of the image.
            width: width of the image.

        Raises:
            RoadshiftError: a mask is missing or damaged.
        """

    def read(self, folder: Path, image: str, label: str) -> NativeLabel:
        """As `LabelReader.read`."""
        file = folder / label
        listing = self.load(file)
        name = listed_name(self._layout, listing, image, label)
        where = f"{self.place_of_images(file)}: {name}"
        width, height = checked_size(listing.images[name], "width", "height", where)
        codes = Codes(self._encoding)
        numbers = np.full((height, width), codes.background, np.int32)
        for category, mask in self.masks(listing, name, file, height=height, width=width):
            numbers[masks.decode(mask) > 0] = codes.of(category)
        return codes.label(numbers)
