"""Coverage: the classes that several data sets can be compared on, and why others cannot."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from roadshift.taxonomy.partial import joined_classes
from roadshift.taxonomy.table import Taxonomy

State = Literal["yes", "part", "ignored", "coarse", "absent"]


@dataclass(frozen=True)
class ClassCoverage:
    """Coverage of one class by one data set.

    Attributes:
        state: 'yes' if the set has the class; 'part' if an ignored name covers some of the class;
            'ignored' if the set has it only under ignored names; 'coarse' if a name of the set
            straddles this class and others, for which the set is refused unless partial labels are
            accepted; 'absent' if the set does not have it.
        because: the set's names that cause the state, and why; '' for 'yes' and 'absent'.
    """

    state: State
    because: str = ""


@dataclass(frozen=True)
class Coverage:
    """Coverage of a taxonomy's classes by several data sets.

    Attributes:
        taxonomy: the taxonomy.
        cells: by class name and data set, how well the set covers the class.
        refused: for each refused data set, its class names that are too coarse for the taxonomy.
        ignored: for each data set, its class names that the taxonomy ignores, with the reasons.
    """

    taxonomy: Taxonomy
    cells: dict[str, dict[str, ClassCoverage]]
    refused: dict[str, tuple[str, ...]]
    ignored: dict[str, dict[str, str]]

    @property
    def compared(self) -> tuple[str, ...]:
        """The classes that all the sets have; empty if a set is refused."""
        if self.refused:
            return ()
        return tuple(
            name
            for name, row in self.cells.items()
            if all(cell.state in ("yes", "part") for cell in row.values())
        )

    @property
    def partial_labels(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """For each refused set, by name that is too coarse, the classes of its partial label."""
        return {
            data_set: {name: self.taxonomy.straddled(name) for name in names}
            for data_set, names in self.refused.items()
        }

    def scored_on(self, data_set: str) -> tuple[tuple[str, ...], ...]:
        """Returns the classes that a set is scored on where its partial labels are accepted.

        A joined class has several names. All labels of the set are taken to occur.
        """
        class_names = self.taxonomy.class_names
        ids = {self.taxonomy.label_id_of(name) for name in self.refused.get(data_set, ())}
        partial = [each for each in self.taxonomy.partial_labels if each.id in ids]
        groups = [*joined_classes(partial, len(class_names))]
        joined = {class_id for group in groups for class_id in group}
        groups += [
            (class_id,)
            for class_id, name in enumerate(class_names)
            if class_id not in joined and self.cells[name][data_set].state in ("yes", "part")
        ]
        return tuple(tuple(class_names[k] for k in group) for group in sorted(groups))


def compare_coverage(taxonomy: Taxonomy, names: Mapping[str, Collection[str]]) -> Coverage:
    """Compares data sets by the classes of a taxonomy that they have.

    Args:
        taxonomy: the taxonomy.
        names: data set to the universal names of its encoding.
    """
    return Coverage(
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


def _cell(taxonomy: Taxonomy, class_name: str, names: Collection[str]) -> ClassCoverage:
    covering = [n for n in dict.fromkeys(names) if class_name in taxonomy.straddled(n)]
    coarse = [n for n in covering if n in taxonomy.too_coarse]
    if coarse:
        whys = (f"'{n}' straddles {' and '.join(taxonomy.straddled(n))}" for n in coarse)
        return ClassCoverage("coarse", "; ".join(whys))
    ignored = [n for n in covering if n in taxonomy.ignored]
    because = "; ".join(f"'{n}' is ignored: {taxonomy.ignored[n]}" for n in ignored)
    if {*names} & {*taxonomy.classes[class_name].members}:
        return ClassCoverage("part" if ignored else "yes", because)
    return ClassCoverage("ignored" if ignored else "absent", because)
