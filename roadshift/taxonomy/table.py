"""Taxonomies: tables from universal class names to the classes a network is trained on.

Mapping takes two steps, each a table in YAML. A data set's card maps the set's own ids or colours
to *universal names*; a taxonomy maps universal names to its classes. Both steps are total: a name
that a table does not list is an error, and a class is ignored only by name (as MSeg does for its
sets, https://arxiv.org/abs/2112.13762). A set's class that straddles classes of a taxonomy is too
coarse for it; the taxonomy lists such classes by name, too.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Annotated, Any

import numpy as np
import yaml
from pydantic import Field, ValidationError, model_validator

from roadshift.errors import RoadshiftError
from roadshift.settings import Settings, format_validation_error, suggestion
from roadshift.taxonomy.partial import PartialLabel

IGNORE_ID = 255
"""The label id of pixels that neither loss nor score counts."""

ACCEPT = "set data.partial_labels=true"
"""How a user of the workflow accepts labels too coarse for the taxonomy."""

Channel = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[Channel, Channel, Channel]


class TaxonomyClass(Settings):
    """A class of a taxonomy.

    Attributes:
        colour: RGB colour in which the class is drawn, 0..255.
        members: the universal names that the class merges.
    """

    colour: Annotated[Colour, Field(strict=False)]
    members: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]


class Taxonomy(Settings):
    """A table from universal names to classes; a class's id is its place in the table.

    Attributes:
        name: name of the table's file, without '.yaml'.
        title: description in a few words.
        classes: class name to class, in the order of the ids.
        ignored: universal name to the reason why its pixels are not counted.
        too_coarse: coarse universal name to the reason why a set that uses it is refused, unless
            partial labels are accepted.
    """

    name: str
    title: str
    classes: dict[str, TaxonomyClass]
    ignored: dict[str, str]
    too_coarse: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _each_name_once(self) -> "Taxonomy":
        placed = [m for c in self.classes.values() for m in c.members]
        placed += [*self.ignored, *self.too_coarse]
        twice = sorted({name for name in placed if placed.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)}: placed more than once")
        unknown = sorted(set(placed) - set(universal_names()))
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: not in names/universal.yaml")
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
        """Colours by label id, uint8 (256, 3); black for ids without a class."""
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(self.classes)] = [c.colour for c in self.classes.values()]
        return palette

    @property
    def class_list(self) -> list[dict[str, Any]]:
        """Id, name and colour of each class, for files that travel without their taxonomy."""
        return [
            {"id": class_id, "name": name, "colour": list(entry.colour)}
            for class_id, (name, entry) in enumerate(self.classes.items())
        ]

    @property
    def partial_labels(self) -> tuple[PartialLabel, ...]:
        """The partial labels: one for each set of classes that a coarse name straddles.

        Their ids follow the classes', in the order of names/coarse.yaml.
        """
        coarse = [name for name in coarse_names() if name in self.too_coarse]
        sets = dict.fromkeys(self.straddled(name) for name in coarse)
        places = {name: class_id for class_id, name in enumerate(self.classes)}
        return tuple(
            PartialLabel.of(label_id, (places[name] for name in names), self.class_names)
            for label_id, names in enumerate(sets, len(places))
        )

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names by label id: the classes', then the partial labels'."""
        return (*self.class_names, *(partial.name for partial in self.partial_labels))

    @property
    def partial_colours(self) -> dict[str, Colour]:
        """The colour of each partial label by its name: nearly the mean of its classes' colours.

        No two labels share a colour. Drawings on paper stripe partial labels instead.
        """
        entries = list(self.classes.values())
        taken = {entry.colour for entry in entries}
        colours: dict[str, Colour] = {}
        for partial in self.partial_labels:
            channels = zip(*(entries[class_id].colour for class_id in partial.classes), strict=True)
            red, green, blue = (sum(channel) // len(partial.classes) for channel in channels)
            while (red, green, blue) in taken:
                blue = (blue + 1) % 256
            colours[partial.name] = red, green, blue
            taken.add(colours[partial.name])
        return colours

    def id_of(self, universal: str) -> int:
        """Returns the label id of a universal name, `IGNORE_ID` if the taxonomy ignores it.

        Raises:
            RoadshiftError: the name is not a universal name, or it straddles classes.
        """
        self.check_carries([universal])
        for class_id, entry in enumerate(self.classes.values()):
            if universal in entry.members:
                return class_id
        if universal in self.ignored:
            return IGNORE_ID
        raise RoadshiftError(not_universal(universal))

    def label_id_of(self, universal: str) -> int:
        """Returns the label id of a universal name, that of a partial label if it is too coarse.

        Raises:
            RoadshiftError: the name is not a universal name.
        """
        if universal not in self.too_coarse:
            return self.id_of(universal)
        return self.label_names.index(" or ".join(self.straddled(universal)))

    def straddled(self, universal: str) -> tuple[str, ...]:
        """Returns the classes that hold parts of a coarse name, in the order of their ids."""
        parts = {*coarse_names().get(universal, ())}
        return tuple(name for name, entry in self.classes.items() if parts & {*entry.members})

    def check_carries(self, names: Iterable[str], *, accept: str = ACCEPT) -> None:
        """Refuses names that straddle classes of this taxonomy.

        Args:
            names: universal names of a set's encoding.
            accept: how the user accepts partial labels, for the message.

        Raises:
            RoadshiftError: a name straddles classes; the message lists the classes, the taxonomies
                that have a place for all the names, and how to accept partial labels.
        """
        names = list(names)
        coarse = [name for name in names if name in self.too_coarse]
        if not coarse:
            return
        listed = "; ".join(f"'{n}' straddles {' and '.join(self.straddled(n))}" for n in coarse)
        fitting = [t for t in taxonomy_names() if not {*names} & {*load_taxonomy(t).too_coarse}]
        raise RoadshiftError(
            f"labels too coarse for the taxonomy '{self.name}': {listed}; choose another "
            f"data.taxonomy ({', '.join(fitting)}) or another set, or {accept}"
        )


@cache
def universal_names() -> dict[str, str]:
    """Returns every universal class name with its meaning."""
    return yaml.safe_load(_names_file("universal"))


@cache
def coarse_names() -> dict[str, tuple[str, ...]]:
    """Returns the coarse universal names, each with the universal names that it covers."""
    text = _names_file("coarse")
    return {name: tuple(parts) for name, parts in yaml.safe_load(text).items()}


@cache
def _meant() -> dict[str, str]:
    """Returns the words of other tools and sets, each with the universal name it stands for."""
    text = _names_file("synonyms")
    return {word: name for name, words in yaml.safe_load(text).items() for word in words}


def meant_name(name: object) -> str | None:
    """Returns the universal name that a word of another tool or set stands for; None if unknown."""
    plain = re.sub(r"[\W_]+", "_", str(name).strip().lower())
    return plain if plain in universal_names() else _meant().get(plain)


def not_universal(name: object, *, list_known: bool = True) -> str:
    """Returns the message about a name that is not a universal name, with the one that is meant.

    Args:
        name: the name.
        list_known: whether all universal names are listed where none is alike; a message about
            several names lists them nowhere.
    """
    known, meant = universal_names(), meant_name(name)
    said = ""
    if meant:
        said = f"; write '{meant}' ({known[meant]})"
    elif list_known or get_close_matches(str(name), known, n=1):
        said = suggestion(str(name), known)
    return f"'{name}' is not a universal name{said}"


def taxonomy_names() -> tuple[str, ...]:
    """Returns the names of all taxonomies, sorted."""
    folder = resources.files(__package__) / "tables"
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir()))


@cache
def load_taxonomy(name: str) -> Taxonomy:
    """Reads a taxonomy's table.

    Raises:
        RoadshiftError: there is no such table, or it is incomplete or ambiguous.
    """
    if name not in taxonomy_names():
        raise RoadshiftError(f"'{name}' is not a taxonomy{suggestion(name, taxonomy_names())}")
    text = (resources.files(__package__) / "tables" / f"{name}.yaml").read_text("utf-8")
    try:
        return Taxonomy(name=name, **yaml.safe_load(text))
    except ValidationError as error:
        raise RoadshiftError(f"taxonomy '{name}': {format_validation_error(error)}") from None


def _names_file(name: str) -> str:
    return (resources.files(__package__) / "names" / f"{name}.yaml").read_text("utf-8")
