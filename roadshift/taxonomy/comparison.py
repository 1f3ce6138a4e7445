"""Which classes of a taxonomy several data sets can be compared on, and why not the others."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from roadshift.taxonomy.table import Taxonomy

State = Literal["yes", "part", "ignored", "coarse", "absent"]


@dataclass(frozen=True)
class Cell:
    """What a data set has of a class."""

    state: State
    """'yes' has it; 'part' has it, but ignores a name that covers some of it; 'ignored' has it
    only under a name that is ignored; 'coarse' under a name that straddles classes, for which the
    set is refused; 'absent' does not have it."""
    because: str = ""
    """The set's names that make it so, and why, where it is neither 'yes' nor 'absent'."""


@dataclass(frozen=True)
class Comparison:
    """Data sets under a taxonomy."""

    taxonomy: Taxonomy
    cells: dict[str, dict[str, Cell]]
    """By class, then by data set."""
    refused: dict[str, tuple[str, ...]]
    """Data sets whose labels are too coarse for the taxonomy, with the names that are."""
    ignored: dict[str, dict[str, str]]
    """By data set, its names that the taxonomy ignores, with the reason."""

    @property
    def compared(self) -> tuple[str, ...]:
        """The classes that all the sets have; none where one of the sets is refused."""
        if self.refused:
            return ()
        return tuple(
            name
            for name, row in self.cells.items()
            if all(cell.state in ("yes", "part") for cell in row.values())
        )


def compare(taxonomy: Taxonomy, names: Mapping[str, Collection[str]]) -> Comparison:
    """Holds data sets against the classes of a taxonomy.

    Args:
        taxonomy: whose classes.
        names: by data set, the universal names of its encoding.
    """
    return Comparison(
        taxonomy,
        {
            class_name: {data_set: _cell(taxonomy, class_name, n) for data_set, n in names.items()}
            for class_name in taxonomy.class_names
        },
        {
            data_set: coarse
            for data_set, n in names.items()
            if (coarse := tuple(name for name in dict.fromkeys(n) if name in taxonomy.too_coarse))
        },
        {
            data_set: {name: taxonomy.ignored[name] for name in n if name in taxonomy.ignored}
            for data_set, n in names.items()
        },
    )


def _cell(taxonomy: Taxonomy, class_name: str, names: Collection[str]) -> Cell:
    covering = [n for n in dict.fromkeys(names) if class_name in taxonomy.straddled(n)]
    coarse = [n for n in covering if n in taxonomy.too_coarse]
    if coarse:
        whys = (f"'{n}' straddles {' and '.join(taxonomy.straddled(n))}" for n in coarse)
        return Cell("coarse", "; ".join(whys))
    ignored = [n for n in covering if n in taxonomy.ignored]
    because = "; ".join(f"'{n}' is ignored: {taxonomy.ignored[n]}" for n in ignored)
    if {*names} & {*taxonomy.classes[class_name].members}:
        return Cell("part" if ignored else "yes", because)
    return Cell("ignored" if ignored else "absent", because)
