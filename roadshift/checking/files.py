"""Opens one image with its label, and says all that is wrong with the two files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from roadshift.checking.findings import Finding
from roadshift.checking.near_copies import Thumbnail
from roadshift.checking.specks import find_specks
from roadshift.datasets.images import LossyLabelError, read_image
from roadshift.datasets.native_label import LabelReader
from roadshift.errors import RoadshiftError


@dataclass(frozen=True)
class Files:
    """An image and its label, or one of the two.

    Attributes:
        image: path of the image, relative to the set's folder; '' if there is none.
        label: path of the label, likewise.
        split: 'train', 'val' or 'test'; '' if unknown.
    """

    image: str
    label: str
    split: str = ""


@dataclass
class Inspection:
    """What an image and its label hold.

    Attributes:
        files: the two files.
        findings: what is wrong with them, but for unknown values.
        unknown: number of pixels by unknown value, of the `KEPT_VALUES` most frequent ones.
        thumbnail: the image, reduced; None if it cannot be read.
    """

    files: Files
    findings: list[Finding] = field(default_factory=list)
    unknown: Mapping[int | str, int] = field(default_factory=dict)
    thumbnail: Thumbnail | None = None


def inspect_files(files: Files, *, folder: Path, reader: LabelReader | None) -> Inspection:
    """Opens an image and its label.

    Args:
        files: the two files.
        folder: folder of the set.
        reader: reader of the set's labels; None leaves the label unread.
    """
    found = Inspection(files)
    image_size = _inspect_image(found, folder) if files.image else None
    if not files.label or reader is None:
        return found
    try:
        label = reader.read(folder, files.image, files.label)
    except RoadshiftError as error:
        fault = "lossy_label" if isinstance(error, LossyLabelError) else "unreadable_label"
        found.findings.append(Finding(fault, _without(folder, error), (files.label,)))
        return found
    shape = label.native.shape
    if image_size not in (None, shape):
        sizes = [f"{width}×{height}" for height, width in (shape, image_size)]
        message = f"{files.label} is {sizes[0]}, {files.image} is {sizes[1]}"
        found.findings.append(Finding("size", message, (files.label, files.image)))
    found.unknown = label.unknown
    if reader.is_drawn:
        return found
    specks = find_specks(label.values)
    if specks.is_suspect:
        share = round(specks.per_1000)
        message = f"{files.label}: {specks.number} specks, {share} at 1000 boundary steps"
        found.findings.append(Finding("specks", message, (files.label,), measure=share))
    return found


def _inspect_image(found: Inspection, folder: Path) -> tuple[int, int] | None:
    """Returns the height and width of an image, None if it cannot be read."""
    file = found.files.image
    try:
        image = read_image(folder / file)
    except RoadshiftError as error:
        found.findings.append(Finding("unreadable_image", _without(folder, error), (file,)))
        return None
    found.thumbnail = Thumbnail(image)
    if found.thumbnail.is_blank:
        colour = tuple(image[0, 0].tolist())
        found.findings.append(Finding("blank_image", f"{file}: all {colour}", (file,)))
    return image.shape[0], image.shape[1]


def _without(folder: Path, error: RoadshiftError) -> str:
    return str(error).removeprefix(f"{folder}/")
