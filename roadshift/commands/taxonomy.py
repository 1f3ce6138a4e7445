"""`roadshift taxonomy`: the classes that data sets can be compared on, and why not the others."""

from typing import Any

import click
from rich.text import Text

from roadshift.commands.output import completion, console, print_json, table
from roadshift.datasets.card import card_names, load_card
from roadshift.taxonomy import Taxonomy, joined_name, load_taxonomy, taxonomy_names
from roadshift.taxonomy.coverage import Coverage, compare_coverage

COMPARED_STATES = ("yes", "part")
STYLES = {"yes": "green", "part": "yellow", "ignored": "red", "coarse": "red", "absent": "red"}
LEGEND = (
    "yes: the set has the class; part: it has some of it, the rest has an ignored name; "
    "ignored: all of it has ignored names;\n"
    "coarse: it has a name that straddles classes; absent: the set does not have it"
)


@click.command()
@click.argument("sets", nargs=-1, metavar="[A B ...]", shell_complete=completion(card_names))
@click.option(
    "--taxonomy", "-t", "name", metavar="T", shell_complete=completion(taxonomy_names),
    help="Show every class of this taxonomy.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(sets: tuple[str, ...], name: str | None, as_json: bool) -> None:
    """Show which classes the data sets A, B, ... can be compared on, and why not the others.

    Without --taxonomy all taxonomies are compared with each other, the one with the most common
    classes first. Without data sets the taxonomies themselves are listed.
    """
    taxonomies = [load_taxonomy(each) for each in ([name] if name else taxonomy_names())]
    if not sets:
        if as_json:
            print_json([each.model_dump(mode="json") for each in taxonomies])
        elif name:
            _print_taxonomy(taxonomies[0])
        else:
            _print_taxonomies(taxonomies)
        return
    names = {each: load_card(each).table.names for each in sets}
    found = sorted((compare_coverage(each, names) for each in taxonomies), key=_sort_key)
    if as_json:
        print_json([_as_json(comparison) for comparison in found])
    elif name:
        _print_matrix(found[0], list(names))
    else:
        _print_summary(found, list(names))


def _sort_key(comparison: Coverage) -> tuple[int, int, str]:
    classes = comparison.taxonomy.class_names
    return -len(comparison.compared), len(classes), comparison.taxonomy.name


def _as_json(comparison: Coverage) -> dict[str, Any]:
    return {
        "taxonomy": comparison.taxonomy.name,
        "title": comparison.taxonomy.title,
        "compared": comparison.compared,
        "classes": {
            name: {each: {"state": c.state, "because": c.because} for each, c in row.items()}
            for name, row in comparison.cells.items()
        },
        "refused": comparison.refused,
        "partial_labels": comparison.partial_labels,
        "scored_on": {each: comparison.scored_on(each) for each in comparison.ignored},
        "ignored": comparison.ignored,
    }


def _print_taxonomies(taxonomies: list[Taxonomy]) -> None:
    grid = table("taxonomy", "title", "classes")
    for each in taxonomies:
        grid.add_row(each.name, each.title, ", ".join(each.class_names))
    out = console()
    out.print(grid)
    out.print(
        "Classes that data sets can be compared on: roadshift taxonomy A B\n"
        "Names that a taxonomy merges and ignores: roadshift taxonomy --taxonomy T"
    )


def _print_taxonomy(taxonomy: Taxonomy) -> None:
    out = console()
    out.print(f"{taxonomy.name}: {taxonomy.title}\n")
    grid = table("class", "merges")
    for name, entry in taxonomy.classes.items():
        grid.add_row(name, ", ".join(entry.members))
    out.print(grid)
    for title, reasons in (
        ("ignored", taxonomy.ignored),
        ("too coarse", taxonomy.too_coarse),
    ):
        if reasons:
            grid = table(title, "because")
            for name, reason in reasons.items():
                grid.add_row(name, reason)
            out.print()
            out.print(grid)


def _print_summary(found: list[Coverage], sets: list[str]) -> None:
    out = console()
    out.print(f"{', '.join(sets)}: classes that they can be compared on, the most first\n")
    grid = table("taxonomy", "classes", "compared on", "not compared on", whole=["classes"])
    for comparison in found:
        compared = comparison.compared
        grid.add_row(
            comparison.taxonomy.name,
            f"{len(compared)} of {len(comparison.cells)}",
            ", ".join(compared),
            _reasons(comparison),
        )
    out.print(grid)
    out.print(f"Class by class: roadshift taxonomy {' '.join(sets)} --taxonomy T")


def _reasons(comparison: Coverage) -> str:
    if comparison.refused:
        return "; ".join(
            f"{each} is too coarse ({', '.join(names)})"
            for each, names in comparison.refused.items()
        )
    lacking = {
        name: [
            f"{cell.state} in {each}"
            for each, cell in row.items()
            if cell.state not in COMPARED_STATES
        ]
        for name, row in comparison.cells.items()
        if name not in comparison.compared
    }
    return "; ".join(f"{name} ({', '.join(whys)})" for name, whys in lacking.items())


def _print_matrix(comparison: Coverage, sets: list[str]) -> None:
    out = console()
    taxonomy, compared = comparison.taxonomy, comparison.compared
    out.print(f"{taxonomy.name}: {taxonomy.title}\n")
    grid = table("class", *sets, "compared", "why", whole=[*sets, "compared"])
    for name, row in comparison.cells.items():
        whys = [f"{each}: {cell.because}" for each, cell in row.items() if cell.because]
        whys += [f"{each} is refused" for each in comparison.refused if not row[each].because]
        grid.add_row(
            name,
            *(Text(row[each].state, style=STYLES[row[each].state]) for each in sets),
            "yes" if name in compared else "no",
            "; ".join(whys),
        )
    out.print(grid)
    out.print(LEGEND)
    out.print(f"\nCompared on {len(compared)} of {len(taxonomy.classes)} classes.")
    _print_partial(comparison)
    ignored = table("ignored by name", "in", "because")
    for name, reason in taxonomy.ignored.items():
        here = [each for each in sets if name in comparison.ignored[each]]
        if here:
            ignored.add_row(name, ", ".join(here), reason)
    if ignored.row_count:
        out.print()
        out.print(ignored)


def _print_partial(comparison: Coverage) -> None:
    """Prints which sets are refused, and how they would be scored with partial labels."""
    out = console()
    partial = table("too coarse", "in", "partial label")
    for each, names in comparison.partial_labels.items():
        out.print(f"{each} is refused, unless data.partial_labels=true accepts its partial labels.")
        for name, classes in names.items():
            partial.add_row(name, each, " or ".join(classes))
    if not partial.row_count:
        return
    out.print()
    out.print(partial)
    out.print()
    for each in comparison.partial_labels:
        scored = comparison.scored_on(each)
        shown = "; ".join(map(joined_name, scored))
        out.print(f"With them {each} is scored on {len(scored)} classes: {shown}.")
