"""Labels as the masks of nuImages."""

import binascii
from base64 import b64decode
from collections.abc import Iterable
from pathlib import Path

from roadshift.datasets.json_files import entry
from roadshift.datasets.listed_reader import CategoryMask, ListedReader
from roadshift.datasets.nuimages_file import Mask, NuImages, load_nuimages
from roadshift.datasets.run_lengths import RunLengths, run_lengths


class NuImagesReader(ListedReader[NuImages]):
    """Draws the masks of an image in the order of the publisher's devkit, as `load_nuimages` says.

    Objects lie on surfaces. Pixels without a mask are the background.
    """

    def load(self, file: Path) -> NuImages:
        """As `ListedReader.load`."""
        return load_nuimages(file)

    def place_of_images(self, file: Path) -> Path:
        """As `ListedReader.place_of_images`."""
        return file.parent

    def masks(
        self, listing: NuImages, name: str, file: Path, *, height: int, width: int
    ) -> Iterable[CategoryMask]:
        """As `ListedReader.masks`."""
        for mask in listing.annotations.get(name, ()):
            yield mask.category, _unpacked(mask, height, width)


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
