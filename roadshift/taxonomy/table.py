"""Taxonomies: tables from universal class names to the classes a network is trained on.

Mapping goes in two steps, each a table in YAML. A data set's card maps the set's own ids or
colours to *universal names*, once a set; a taxonomy maps universal names to its classes, once a
taxonomy. Both steps are total: a name that a table does not know is an error, and what is
ignored is ignored by name (MSeg, https://arxiv.org/abs/2112.13762, does the same for its sets).
"""

from functools import cache
from importlib import resources
from typing import Annotated

import numpy as np
import yaml
from pydantic import Field, ValidationError, model_validator

from roadshift.errors import RoadshiftError
from roadshift.settings import Settings, explain, nearest

IGNORE_ID = 255
"""The label id of pixels that neither loss nor score counts."""

Channel = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[Channel, Channel, Channel]


class TaxonomyClass(Settings):
    """A class of a taxonomy: its colour in pictures, and the universal names it merges."""

    colour: Annotated[Colour, Field(strict=False)]
    members: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]


class Taxonomy(Settings):
    """A table from universal names to classes; a class's id is its place in the table."""

    name: str
    title: str
    classes: dict[str, TaxonomyClass]
    ignored: dict[str, str]
    """Universal name to the reason why pixels of it are not counted."""

    @model_validator(mode="after")
    def _each_name_once(self) -> "Taxonomy":
        placed = [m for c in self.classes.values() for m in c.members] + list(self.ignored)
        twice = sorted({name for name in placed if placed.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)}: placed more than once")
        unknown = sorted(set(placed) - set(universal_names()))
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: not in universal.yaml")
        missing = sorted(set(universal_names()) - set(placed))
        if missing:
            raise ValueError(f"{', '.join(missing)}: neither in a class nor ignored")
        colours = [c.colour for c in self.classes.values()]
        if len(set(colours)) != len(colours):
            raise ValueError("two classes share a colour")
        if not 1 <= len(colours) < IGNORE_ID:
            raise ValueError(f"needs 1 to {IGNORE_ID - 1} classes")
        return self

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of their ids."""
        return tuple(self.classes)

    @property
    def palette(self) -> np.ndarray:
        """Colours by label id, uint8 of shape (256, 3); black where no class is."""
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(self.classes)] = [c.colour for c in self.classes.values()]
        return palette

    def id_of(self, universal: str) -> int:
        """The label id of a universal name, `IGNORE_ID` where the taxonomy ignores it.

        Raises:
            RoadshiftError: the name is not a universal one.
        """
        for class_id, entry in enumerate(self.classes.values()):
            if universal in entry.members:
                return class_id
        if universal in self.ignored:
            return IGNORE_ID
        raise RoadshiftError(
            f"'{universal}' is not a universal class name{nearest(universal, universal_names())}"
        )


@cache
def universal_names() -> dict[str, str]:
    """Every universal class name with what it means."""
    return yaml.safe_load((resources.files(__package__) / "universal.yaml").read_text("utf-8"))


def taxonomy_names() -> tuple[str, ...]:
    """The taxonomies that `load_taxonomy` knows."""
    folder = resources.files(__package__) / "tables"
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir()))


@cache
def load_taxonomy(name: str) -> Taxonomy:
    """Reads a taxonomy's table.

    Raises:
        RoadshiftError: there is no such table, or it is not total and unambiguous.
    """
    if name not in taxonomy_names():
        raise RoadshiftError(
            f"data.taxonomy: '{name}' is not a taxonomy{nearest(name, taxonomy_names())}"
        )
    text = (resources.files(__package__) / "tables" / f"{name}.yaml").read_text("utf-8")
    try:
        return Taxonomy(name=name, **yaml.safe_load(text))
    except ValidationError as error:
        raise RoadshiftError(f"taxonomy '{name}': {explain(error)}") from None
