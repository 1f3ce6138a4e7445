"""COCO's JSON files of polygons and run lengths, and the encoding in their categories."""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from roadshift.datasets.categories import Category, load_categories
from roadshift.datasets.encoding import Encoding, Rows, checked_encoding
from roadshift.datasets.json_files import entry, inner_path, load_json
from roadshift.datasets.tool_names import ToolNames
from roadshift.errors import RoadshiftError


class Annotation(NamedTuple):
    """An object in an image.

    Attributes:
        place: place in the file, from 0.
        number: id; the place where it has none.
        category: the category's name.
        content: the annotation as it is in the file.
    """

    place: int
    number: int
    category: str
    content: dict[str, Any]


class Coco(NamedTuple):
    """A JSON file.

    Attributes:
        categories: category by id.
        images: entry of an image by its path.
        annotations: the annotations of an image by its path; none for one that has none.
    """

    categories: dict[int, Category]
    images: dict[str, dict[str, Any]]
    annotations: dict[str, list[Annotation]]


def load_coco(file: Path) -> Coco:
    """Reads a JSON file; one that has not changed since is not read again.

    Raises:
        RoadshiftError: the file is missing or damaged, lists an image twice, or has an annotation
            of an image or category that it does not list.
    """
    try:
        facts = file.stat()
    except OSError:
        raise RoadshiftError(f"{file}: missing; add the file of the export") from None
    return _load(file, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=8)
def _load(file: Path, modified: int, size: int) -> Coco:
    content = load_json(file)
    categories = load_categories(content, file)
    images: dict[str, dict[str, Any]] = {}
    names: dict[int, str] = {}
    for index, image in enumerate(entry(content, "images", list, str(file))):
        where = f"{file}: images[{index}]"
        number = entry(image, "id", int, where)
        name = inner_path(entry(image, "file_name", str, where), where)
        if number in names or name in images:
            raise RoadshiftError(f"{where}: the image '{name}' or its id comes twice; correct it")
        names[number], images[name] = name, image
    annotations: dict[str, list[Annotation]] = defaultdict(list)
    for index, annotation in enumerate(entry(content, "annotations", list, str(file))):
        where = f"{file}: annotations[{index}]"
        of, category = (entry(annotation, key, int, where) for key in ("image_id", "category_id"))
        if of not in names:
            raise RoadshiftError(f"{where}: image_id {str(of)[:20]} is in no image of the file")
        if category not in categories:
            raise RoadshiftError(
                f"{where}: category_id {str(category)[:20]} is in no category of the file"
            )
        number = entry(annotation, "id", int, where) if "id" in annotation else index
        found = Annotation(index, number, categories[category].name, annotation)
        annotations[names[of]].append(found)
    return Coco(categories, images, dict(annotations))


def read_coco_table(files: Sequence[Path], folder: Path) -> Encoding:
    """Reads the encoding of a set from the categories that its annotations use.

    Names are those of `read_labelmap`; pixels without an annotation are unlabelled. Categories that
    no annotation uses, such as Roboflow's name of the project, need no universal name.

    Args:
        files: the set's JSON files.
        folder: the set's folder.

    Raises:
        RoadshiftError: a file is missing or damaged, or a name stands for no universal name; all
            such names are listed.
    """
    names = ToolNames(folder)
    rows: Rows = []
    seen: set[str] = set()
    for file in files:
        coco = load_coco(file)
        used = {each.category for found in coco.annotations.values() for each in found}
        for number, category in sorted(coco.categories.items()):
            if category.name in used - seen:
                seen.add(category.name)
                where = f"category {number} in {file.relative_to(folder).as_posix()}"
                if universal := names.universal(category.name, where):
                    rows.append((category.name, universal))
    names.check(folder)
    shown = ", ".join(file.relative_to(folder).as_posix() for file in files[:3])
    where = f"{folder / shown}" if len(files) == 1 else f"{folder}: {shown}"
    if not rows:
        raise RoadshiftError(f"{where}: no category has an annotation; label the images first")
    content = {
        "kind": "coco",
        "values": rows,
        "background": "unlabelled",
        "source": "the export itself",
    }
    return checked_encoding(content, where)
