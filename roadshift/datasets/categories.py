"""The categories of COCO's JSON files."""

from pathlib import Path
from typing import NamedTuple

from roadshift.datasets.json_files import entry, expect
from roadshift.errors import RoadshiftError


class Category(NamedTuple):
    """A category of a JSON file.

    Attributes:
        name: name.
        supercategory: what it is a part of; '' if there is none.
    """

    name: str
    supercategory: str


def load_categories(content: object, file: Path) -> dict[int, Category]:
    """Returns the categories of a COCO file by id.

    Raises:
        RoadshiftError: they have another form, or two share an id.
    """
    categories: dict[int, Category] = {}
    for index, category in enumerate(entry(content, "categories", list, str(file))):
        where = f"{file}: categories[{index}]"
        number, name = entry(category, "id", int, where), entry(category, "name", str, where)
        above = category.get("supercategory") or ""
        if number in categories:
            raise RoadshiftError(f"{where}: id {str(number)[:20]} comes twice; export it anew")
        categories[number] = Category(name, expect(above, str, f"{where}: supercategory"))
    return categories
