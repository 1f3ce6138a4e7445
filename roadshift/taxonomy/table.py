"""Taxonomies: tables from universal class names to the classes a network is trained on.

Mapping goes in two steps, each a table in YAML. A data set's card maps the set's own ids or
colours to *universal names*, once a set; a taxonomy maps universal names to its classes, once a
taxonomy. Both steps are total: a name that a table does not know is an error, and what is
ignored is ignored by name (MSeg, https://arxiv.org/abs/2112.13762, does the same for its sets).
A set's class that straddles classes of a taxonomy is too coarse for it, which is said by name too.
"""

from collections.abc import Iterable
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
    too_coarse: dict[str, str] = Field(default_factory=dict)
    """Coarse universal name to the reason why a set that uses it is refused."""

    @model_validator(mode="after")
    def _each_name_once(self) -> "Taxonomy":
        placed = [m for c in self.classes.values() for m in c.members]
        placed += [*self.ignored, *self.too_coarse]
        twice = sorted({name for name in placed if placed.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)}: placed more than once")
        unknown = sorted(set(placed) - set(universal_names()))
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: not in universal.yaml")
        missing = sorted(set(universal_names()) - set(placed))
        if missing:
            raise ValueError(f"{', '.join(missing)}: neither in a class nor ignored nor too coarse")
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
            RoadshiftError: the name is not a universal one, or it straddles classes.
        """
        self.check_carries([universal])
        for class_id, entry in enumerate(self.classes.values()):
            if universal in entry.members:
                return class_id
        if universal in self.ignored:
            return IGNORE_ID
        raise RoadshiftError(
            f"'{universal}' is not a universal class name{nearest(universal, universal_names())}"
        )

    def straddled(self, universal: str) -> tuple[str, ...]:
        """The classes that a coarse name's parts lie in, in the order of their ids."""
        parts = {*coarse_names().get(universal, ())}
        return tuple(name for name, entry in self.classes.items() if parts & {*entry.members})

    def check_carries(self, names: Iterable[str]) -> None:
        """Refuses names that straddle classes of this taxonomy.

        Args:
            names: universal names, those of a set's encoding.

        Raises:
            RoadshiftError: one of them does; the message says which classes, and which other
                taxonomies have a place for all of them.
        """
        names = list(names)
        coarse = [name for name in names if name in self.too_coarse]
        if not coarse:
            return
        listed = "; ".join(f"'{n}' straddles {' and '.join(self.straddled(n))}" for n in coarse)
        fitting = [t for t in taxonomy_names() if not {*names} & {*load_taxonomy(t).too_coarse}]
        raise RoadshiftError(
            f"labels too coarse for the taxonomy '{self.name}': {listed}; choose another "
            f"data.taxonomy ({', '.join(fitting)}) or another set"
        )


@cache
def universal_names() -> dict[str, str]:
    """Every universal class name with what it means."""
    return yaml.safe_load((resources.files(__package__) / "universal.yaml").read_text("utf-8"))


@cache
def coarse_names() -> dict[str, tuple[str, ...]]:
    """The universal names that cover several others, with those others."""
    text = (resources.files(__package__) / "coarse.yaml").read_text("utf-8")
    return {name: tuple(parts) for name, parts in yaml.safe_load(text).items()}


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
        raise RoadshiftError(f"'{name}' is not a taxonomy{nearest(name, taxonomy_names())}")
    text = (resources.files(__package__) / "tables" / f"{name}.yaml").read_text("utf-8")
    try:
        return Taxonomy(name=name, **yaml.safe_load(text))
    except ValidationError as error:
        raise RoadshiftError(f"taxonomy '{name}': {explain(error)}") from None
