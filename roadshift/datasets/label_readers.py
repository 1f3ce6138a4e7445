"""The reader of a set's labels, by the kind of its encoding."""

from pathlib import Path, PurePosixPath

from roadshift.datasets.card import Card
from roadshift.datasets.coco import CocoReader
from roadshift.datasets.encoding import Encoding
from roadshift.datasets.native_label import LabelReader, NoLabelReader, PixelReader
from roadshift.datasets.nuimages import NuImagesReader
from roadshift.datasets.nuimages_file import OBJECTS
from roadshift.datasets.panoptic import PanopticReader
from roadshift.datasets.polygons import PolygonReader
from roadshift.errors import RoadshiftError


def label_reader(card: Card, encoding: Encoding, folder: Path) -> LabelReader:
    """Returns the reader of a set's labels, which has read what it needs of the whole set.

    Args:
        card: the set's card.
        encoding: the set's encoding, with ids.
        folder: folder of the set.

    Raises:
        RoadshiftError: the layout does not fit the encoding, or a JSON file of the set is missing
            or damaged.
    """
    if not card.layout.has_labels:
        return NoLabelReader()
    if encoding.kind == "coco" and card.layout.is_shared:
        return CocoReader(encoding, card.layout)
    if encoding.kind == "coco":
        raise RoadshiftError(
            f"layout.label '{card.layout.label}': labels of coco lie in a JSON file without {{id}}"
        )
    if encoding.kind == "nuimages" and PurePosixPath(card.layout.label).name == OBJECTS:
        return NuImagesReader(encoding, card.layout)
    if encoding.kind == "nuimages":
        raise RoadshiftError(
            f"layout.label '{card.layout.label}': labels of nuimages lie in tables; name {OBJECTS}"
        )
    if card.layout.is_shared:
        raise RoadshiftError(
            f"layout.label '{card.layout.label}' needs {{id}} for labels of {encoding.kind}"
        )
    if encoding.kind == "panoptic":
        return PanopticReader(encoding, card.layout, folder)
    if encoding.kind == "polygons":
        return PolygonReader(encoding)
    return PixelReader(encoding)
