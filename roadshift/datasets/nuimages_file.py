"""The tables of nuImages: a folder of JSON files for each split."""

import os
from collections import defaultdict
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from roadshift.datasets.json_files import entry, expect, inner_path, load_json
from roadshift.errors import RoadshiftError

OBJECTS = "object_ann.json"
SURFACES = "surface_ann.json"
_CATEGORIES = "category.json"
_SENSOR_FILES = "sample_data.json"
TABLES = (_CATEGORIES, _SENSOR_FILES, SURFACES, OBJECTS)
"""The tables that are read, of one folder."""
_AGAIN = "get the tables of one version"


class Mask(NamedTuple):
    """A mask of an image.

    Attributes:
        where: the file and the place in it, for errors.
        category: the category's name.
        content: the mask as it is in the file.
    """

    where: str
    category: str
    content: dict[str, Any]


class NuImages(NamedTuple):
    """The tables of a split.

    Attributes:
        images: entry of a key frame of a camera by its path; other frames have no annotations.
        annotations: the masks of an image by its path, in the order of drawing; none for an image
            that has none.
    """

    images: dict[str, dict[str, Any]]
    annotations: dict[str, list[Mask]]


def load_nuimages(file: Path) -> NuImages:
    """Reads the tables of a folder; those that have not changed since are not read again.

    The order of drawing is that of `get_segmentation` in the publisher's devkit: first surfaces, in
    the order of their table, then objects, by their tokens.

    Args:
        file: the folder's `OBJECTS`.

    Raises:
        RoadshiftError: a table is missing or damaged, an image or a category comes twice, or an
            annotation is of an image or a category that is in no table.
    """
    facts = []
    for table in TABLES:
        try:
            found = os.stat(file.with_name(table))
        except OSError:
            raise RoadshiftError(
                f"{file.with_name(table)}: missing; add the tables of the publisher's archive"
            ) from None
        facts.append((found.st_mtime_ns, found.st_size))
    return _load(file.parent, tuple(facts))


@lru_cache(maxsize=4)
def _load(folder: Path, facts: tuple[tuple[int, int], ...]) -> NuImages:
    categories: dict[str, str] = {}
    for row, where in _rows(folder / _CATEGORIES):
        token = _new_token(row, where, categories)
        categories[token] = entry(row, "name", str, where)
    images: dict[str, dict[str, Any]] = {}
    names: dict[str, str] = {}
    for row, where in _rows(folder / _SENSOR_FILES):
        # Lidar has key frames, too; cameras write JPEG.
        if row.get("is_key_frame") is not True or row.get("fileformat") != "jpg":
            continue
        token = _new_token(row, where, names)
        name = inner_path(entry(row, "filename", str, where), where)
        if name in images:
            raise RoadshiftError(f"{where}: the image '{name}' comes twice; {_AGAIN}")
        names[token], images[name] = name, row
    annotations: dict[str, list[Mask]] = defaultdict(list)
    objects = sorted(
        _rows(folder / OBJECTS), key=lambda each: str(entry(each[0], "token", str, each[1]))
    )
    for row, where in (*_rows(folder / SURFACES), *objects):
        image, category = (
            entry(row, key, str, where) for key in ("sample_data_token", "category_token")
        )
        if image not in names:
            raise RoadshiftError(
                f"{where}: sample_data_token '{image:.40}' is of no image that is a key frame in "
                f"{_SENSOR_FILES}; {_AGAIN}"
            )
        if category not in categories:
            raise RoadshiftError(
                f"{where}: category_token '{category:.40}' is not in {_CATEGORIES}; {_AGAIN}"
            )
        # Objects that are too small have a box and no mask.
        if row.get("mask") is not None:
            mask = expect(row["mask"], dict, f"{where}: mask")
            annotations[names[image]].append(Mask(f"{where}: mask", categories[category], mask))
    return NuImages(images, dict(annotations))


def _rows(file: Path) -> list[tuple[dict[str, Any], str]]:
    """Returns the rows of a table, each with its file and place."""
    rows = []
    for index, row in enumerate(expect(load_json(file), list, str(file))):
        where = f"{file}[{index}]"
        rows.append((expect(row, dict, where), where))
    return rows


def _new_token(row: dict[str, Any], where: str, known: dict[str, str]) -> str:
    token: str = entry(row, "token", str, where)
    if token in known:
        raise RoadshiftError(f"{where}: the token '{token:.40}' comes twice; {_AGAIN}")
    return token
