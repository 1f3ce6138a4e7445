"""`roadshift compare`: recipes by their scores, over seeds and images, with what would tell."""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from roadshift.atomic import atomic_file
from roadshift.commands.output import console, print_json, table
from roadshift.errors import RoadshiftError
from roadshift.scoring.numbers import level_percent, percent, percent_interval, points
from roadshift.settings import suggestion

if TYPE_CHECKING:
    from rich.console import Console

    from roadshift.report.revisions import Results
    from roadshift.scoring.recipe_comparison import DomainComparison, MixComparison
    from roadshift.scoring.recipe_result import RecipeResult
    from roadshift.scoring.recipes import Recipe
    from roadshift.scoring.settings import EvaluateSettings


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="A B [C …]")
@click.option(
    "--mix", "mixes", multiple=True, metavar="MIX",
    help="Mix to compare; once for each. All mixes that A, B, … have in common where none is "
    "given.",
)  # fmt: skip
@click.option(
    "--most", type=click.IntRange(0), default=3, show_default=True,
    help="The most classes and images to list on a domain.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every class and image.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.html",
    help="Write a page, too, with a chart of every domain.",
)  # fmt: skip
def command(
    names: tuple[str, ...], mixes: tuple[str, ...], most: int, as_json: bool, html: Path | None
) -> None:
    """Compare results with those of A: better, worse, or not told apart, on every domain.

    A, B, … are 'workspace', branches, tags, commits, DVC experiments, or paths of results. Results
    that differ in the seed alone count as one recipe by several seeds; without another recipe its
    result over the seeds is shown. Nothing is checked out.
    """
    from roadshift.report.revisions import find_results
    from roadshift.scoring.recipe_comparison import compare_recipes
    from roadshift.scoring.recipes import group_runs

    if len(set(names)) < 2:
        raise RoadshiftError(f"only {names[0]} is named; name at least two results to compare")
    found = find_results(list(dict.fromkeys(names)))
    recipes = {
        mix: group_runs([results.load(mix) for results in found]) for mix in _mixes(found, mixes)
    }
    compared = {mix: several for mix, several in recipes.items() if len(several) > 1}
    if not compared:
        _show_result(recipes, found, as_json=as_json, html=html)
        return
    # An experiment that changed the weights of one mix leaves the others as they were.
    for mix in (mix for mix in recipes if mix not in compared):
        reason = _one_recipe(recipes[mix][0], found) or f"{_listed(found)} are one recipe"
        click.echo(f"left out: mix '{mix}': {reason}", err=True)
    comparisons = [
        compare_recipes(
            mix, several, settings=_settings(several[0]), seed=several[0].runs[0].seed or 0
        )
        for mix, several in compared.items()
    ]
    if html is not None:
        from roadshift.report.comparison_page import comparison_page

        with atomic_file(html) as partial:
            partial.write_text(comparison_page(comparisons, most=most), "utf-8")
    if as_json:
        from roadshift.scoring.recipe_comparison import comparison_json

        print_json({each.mix: comparison_json(each) for each in comparisons})
        return
    out = console()
    for place, comparison in enumerate(comparisons):
        if place:
            out.print()
        _print(out, comparison, most)
    if html is not None:
        out.print(f"\npage: {html}")


def _mixes(found: Sequence["Results"], given: Sequence[str]) -> list[str]:
    """Returns the mixes to compare.

    Raises:
        RoadshiftError: the results have none in common, or not the given ones.
    """
    for mix, results in ((mix, results) for mix in given for results in found):
        if mix not in results.mixes:
            hint = suggestion(mix, results.mixes) if results.mixes else "; it has no scores"
            raise RoadshiftError(f"{results.name}: no scores of mix '{mix}'{hint}")
        if reason := results.stale(mix):
            raise RoadshiftError(reason)
    if given:
        return list(dict.fromkeys(given))
    common = [mix for mix in found[0].mixes if all(mix in other.mixes for other in found)]
    if not common:
        told = "; ".join(f"{each.name}: {', '.join(each.mixes) or 'none'}" for each in found)
        raise RoadshiftError(f"no mix was scored by all ({told}); name results of the same mix")
    left, reasons = [], []
    for mix in common:
        stale = next(filter(None, (results.stale(mix) for results in found)), "")
        if stale:
            reasons.append(stale)
        else:
            left.append(mix)
    if not left:
        raise RoadshiftError(reasons[0])
    # An experiment with one mix still has the last commit's scores of the others.
    for reason in reasons:
        click.echo(f"left out: {reason}", err=True)
    return left


def _show_result(
    recipes: Mapping[str, Sequence["Recipe"]],
    found: Sequence["Results"],
    *,
    as_json: bool,
    html: Path | None,
) -> None:
    """Prints the result of a recipe over its seeds, a row for each mix.

    Raises:
        RoadshiftError: no mix has several seeds, or a page is asked for.
    """
    from roadshift.report.revisions import known_groups
    from roadshift.scoring.recipe_result import recipe_result

    alone = {mix: recipe for mix, (recipe,) in recipes.items()}
    reasons = {mix: _one_recipe(recipe, found) for mix, recipe in alone.items()}
    several = {mix: recipe for mix, recipe in alone.items() if not reasons[mix]}
    if not several:
        raise RoadshiftError(next(iter(reasons.values())))
    if html is not None:
        raise RoadshiftError(
            f"--html: {_listed(found)} are one recipe, and a page compares several; name results "
            "of another one, too, or leave out --html"
        )
    for mix, reason in reasons.items():
        if reason:
            click.echo(f"left out: mix '{mix}': {reason}", err=True)
    first = next(iter(several.values()))
    result = recipe_result(
        several,
        settings=_settings(first),
        seed=first.runs[0].seed or 0,
        groups={domain: known_groups(found, domain) for domain in first.runs[0].scores.domains},
    )
    if as_json:
        print_json(result.model_dump(mode="json"))
    else:
        _print_result(console(), result)


def _one_recipe(recipe: "Recipe", found: Sequence["Results"]) -> str:
    """Says why results are no recipe by several seeds; '' if they are."""
    if len(recipe.runs) < 2:
        return f"{_listed(found)} are the same results; name those of another seed or recipe, too"
    twice = next((seed for seed in recipe.seeds if recipe.seeds.count(seed) > 1), None)
    if twice is not None:
        return (
            f"{_listed(found)} are one recipe, and seed {twice} comes twice with other scores, as "
            "on another machine; leave one of these out, or name results of another recipe, too"
        )
    return ""


def _settings(recipe: "Recipe") -> "EvaluateSettings":
    """Returns the settings of the intervals: those of the first run, as in an ablation."""
    from roadshift.scoring.settings import EvaluateSettings

    params = recipe.runs[0].params or {}
    keys = ("bootstrap_samples", "confidence_level")
    return EvaluateSettings(
        **{key: params[f"evaluate.{key}"] for key in keys if f"evaluate.{key}" in params}
    )


def _listed(found: Sequence["Results"]) -> str:
    names = [results.name for results in found]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _print(out: "Console", comparison: "MixComparison", most: int) -> None:
    out.print(f"mix {comparison.mix}, {level_percent(comparison.level)} intervals\n")
    for recipe in comparison.recipes:
        runs = ", ".join(
            run.name if run.seed is None else f"{run.name} (seed {run.seed})" for run in recipe.runs
        )
        out.print(f"{recipe.name}: {recipe.changed}" if recipe.changed else recipe.name)
        out.print(f"  {runs}")
    for domain in comparison.domains:
        out.print()
        _print_domain(out, domain, most)


def _print_domain(out: "Console", domain: "DomainComparison", most: int) -> None:
    grid = table(
        f"{domain.domain} = {domain.data_set}, {domain.images} images",
        "mIoU %", "each seed", "points", "interval", "verdict",
    )  # fmt: skip
    for row in domain.rows:
        score, difference = row.score, row.score.difference
        interval = ""
        if difference is not None and difference.low is not None:
            interval = f"{points(difference.low)} to {points(difference.high)}"
        grid.add_row(
            row.recipe.name,
            percent(score.miou),
            ", ".join(percent(miou) for miou in score.by_seed),
            "" if difference is None else points(difference.difference),
            interval,
            score.verdict,
        )
    out.print(grid)
    for row in domain.rows[1:]:
        out.print(f"\n{row.sentence}")
        if row.classes and most:
            out.print(
                f"classes that changed most, {domain.rows[0].recipe.name} → {row.recipe.name}:"
            )
            for change in row.classes[:most]:
                low, high = change.difference.low, change.difference.high
                interval = "" if low is None else f" ({points(low)} to {points(high)})"
                out.print(
                    f"  {change.name}: {percent(change.base)} → {percent(change.other)}, "
                    f"{points(change.difference.difference)}{interval}"
                )
        if row.images and most:
            out.print("images that changed most, by their own mIoU:")
            for image in row.images[:most]:
                out.print(
                    f"  {image.name}: {percent(image.base)} → {percent(image.other)}, "
                    f"{points(image.difference)}"
                )


def _print_result(out: "Console", result: "RecipeResult") -> None:
    """Prints the result of a recipe: for each domain a row a mix, then the further tables."""
    from roadshift.scoring.recipe_tables import more_sources_parts, parts

    out.print(
        f"mean over the seeds ± their standard deviation, with its "
        f"{level_percent(result.confidence_level)} interval over seeds and images\n"
    )
    for mix, found in result.mixes.items():
        out.print(f"{mix}: {', '.join(f'{run.name} (seed {run.seed})' for run in found.runs)}")
    for domain in dict.fromkeys(chain(*(found.domains for found in result.mixes.values()))):
        cells = {m: f.domains[domain] for m, f in result.mixes.items() if domain in f.domains}
        first = next(iter(cells.values()))
        grid = table(
            f"{domain} = {first.data_set}, {first.images} images",
            "mIoU %", "spread", "interval", "each seed",
        )  # fmt: skip
        for mix, cell in cells.items():
            rows = {mix: cell, **{f"{mix}, {method}": c for method, c in cell.adapted.items()}}
            for name, shown in rows.items():
                each = ", ".join(percent(miou) for miou in shown.by_seed)
                interval = percent_interval(shown.interval)
                grid.add_row(name, percent(shown.miou), percent(shown.spread), interval, each)
        out.print()
        out.print(grid)
    for part in (*more_sources_parts(result), *parts(result)):
        grid = table(*part.heads)
        for row in part.rows:
            grid.add_row(*row)
        out.print(f"\n{part.title}: {part.told}\n")
        out.print(grid)
