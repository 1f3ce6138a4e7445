"""The images that JSON files with the labels of many images list."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from roadshift.datasets.coco_file import Coco, load_coco
from roadshift.datasets.layout import Layout
from roadshift.datasets.layout_patterns import parts_of
from roadshift.datasets.nuimages_file import OBJECTS, NuImages, load_nuimages
from roadshift.errors import RoadshiftError


def load_listing(file: Path) -> Coco | NuImages:
    """Reads a file with the labels of many images; its name tells a table of nuImages.

    Raises:
        RoadshiftError: as for `load_coco` and `load_nuimages`.
    """
    return load_nuimages(file) if file.name == OBJECTS else load_coco(file)


def listed_name(layout: Layout, listing: Coco | NuImages, image: str, label: str) -> str:
    """Returns the path by which a JSON file lists an image.

    Args:
        layout: the card's layout.
        listing: the content of the JSON file.
        image: path of the image, relative to the set's folder.
        label: path of the JSON file, likewise.

    Raises:
        RoadshiftError: the file does not list it.
    """
    inner = layout.in_root(image), layout.in_root(label)
    if (name := _listed_as(layout, listing, *inner)) is None:
        raise RoadshiftError(f"{image}: not in the images of {label}; export them together")
    return name


def _listed_as(layout: Layout, listing: Coco | NuImages, image: str, label: str) -> str | None:
    names = listed_names(layout, image, label)
    return next((name for name in names if name in listing.images), None)


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
    """The images that the JSON files of a set list.

    Attributes:
        labelled: the images that have annotations, each with its JSON file.
        absent: images in a JSON file that are not among the set's files, each with the JSON file.
        twice: images with annotations in two JSON files, and entries that fit two images.
        broken: why a JSON file cannot be read.
    """

    labelled: dict[str, str]
    absent: list[tuple[str, str]]
    twice: list[str]
    broken: list[str]


def find_listed(layout: Layout, root: Path, labels_of: Mapping[str, Sequence[str]]) -> Listed:
    """Finds the images with annotations.

    Args:
        layout: the card's layout.
        root: the layout's root.
        labels_of: path of each image to those of the JSON files that may list it, relative to the
            root.
    """
    listed = Listed({}, [], [], [])
    image_of: dict[tuple[str, str], str] = {}
    files: dict[str, Coco | NuImages] = {}
    for label in sorted({label for labels in labels_of.values() for label in labels}):
        try:
            files[label] = load_listing(root / label)
        except RoadshiftError as error:
            listed.broken.append(str(error))
    left = {label: {*listing.images} for label, listing in files.items()}
    for image, labels in labels_of.items():
        for label in labels:
            name = _listed_as(layout, files[label], image, label) if label in files else None
            if name is None:
                continue
            left[label].discard(name)
            if name not in files[label].annotations:
                continue
            if (other := listed.labelled.setdefault(image, label)) != label:
                listed.twice.append(f"'{image}' has annotations in both '{other}' and '{label}'")
            if (namesake := image_of.setdefault((label, name), image)) != image:
                listed.twice.append(f"'{namesake}' and '{image}' both fit '{name}' in '{label}'")
    for label, names in left.items():
        folders = {root, (root / label).parent, *((root / image).parent for image in labels_of)}
        listed.absent.extend(
            (name, label)
            for name in sorted(names)
            # A file that is there and is no image of the set is left out by the card.
            if not any((folder / name).is_file() for folder in folders)
        )
    return listed
