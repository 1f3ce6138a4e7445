"""Compares a recipe's networks of more sources with those of fewer, over seeds and images."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain, permutations

from roadshift.scoring.bootstrap import difference_of
from roadshift.scoring.comparison import Variant, common_seeds, compare_two
from roadshift.scoring.numbers import points
from roadshift.scoring.recipe_comparison import variant_of
from roadshift.scoring.recipes import Recipe, ScoredRun, check_comparable, rounded
from roadshift.scoring.settings import EvaluateSettings
from roadshift.scoring.verdicts import Verdict, judge
from roadshift.settings import Settings


class MiouChange(Settings):
    """A difference in mIoU, -1..1; None where it is not defined.

    Attributes:
        difference: mean over the seeds of the network with more sources, minus that of the other.
        low: lower end of the interval over seeds and images.
        high: upper end of that interval.
        verdict: what the difference shows, among all of its domain (Holm).
    """

    difference: float | None
    low: float | None
    high: float | None
    verdict: Verdict

    @property
    def text(self) -> str:
        """The cell of a table, in points, such as '+2.0 (+0.5 to +3.3) better'."""
        shown = [points(self.difference)]
        if self.low is not None and self.high is not None:
            shown.append(f"({points(self.low)} to {points(self.high)})")
        return " ".join([*shown, self.verdict]).rstrip()


class MoreSources(Settings):
    """A network compared with one that was trained on some of its sources alone.

    Both may have been given images of the target beside their sources.

    Attributes:
        mix: mix of the network with more sources.
        than: mix of the other network.
        domains: by role, the difference.
    """

    mix: str
    than: str
    domains: dict[str, MiouChange]


def more_sources(
    recipes: Mapping[str, Recipe], *, settings: EvaluateSettings, seed: int = 0
) -> list[MoreSources]:
    """Compares each network with those that were trained on some of its sources alone.

    Args:
        recipes: by mix, the recipe with its runs. A mix whose sources are not known is left out,
            and so is one that was trained on the target alone.
        settings: number of resamples and level of the intervals.
        seed: seed of the bootstrap.

    Returns:
        A row for each pair; the differences on a domain are judged together.

    Raises:
        RoadshiftError: two networks were not scored on the same images with the same classes.
    """
    sources = {mix: _sources(recipe.runs[0], mix) for mix, recipe in recipes.items()}
    pairs = [
        (_variants(recipes, (than, mix)), mix, than)
        for than, mix in permutations(recipes, 2)
        if sources[than] and sources[than] < sources[mix]
    ]
    differences = [
        {
            domain: difference_of(
                compare_two(
                    fewer, more, {domain: 1.0}, samples=settings.bootstrap_samples, seed=seed
                ),
                level=settings.confidence_level,
            )
            for domain in more.scores
        }
        for (fewer, more), _, _ in pairs
    ]
    verdicts = {
        domain: judge(
            {
                place: (found[domain], common_seeds(*pairs[place][0]))
                for place, found in enumerate(differences)
                if domain in found
            },
            level=settings.confidence_level,
        )
        for domain in dict.fromkeys(chain(*differences))
    }
    return [
        MoreSources(
            mix=mix,
            than=than,
            domains={
                domain: MiouChange(
                    difference=rounded(change.difference),
                    low=rounded(change.low),
                    high=rounded(change.high),
                    verdict=verdicts[domain].get(place, ""),
                )
                for domain, change in differences[place].items()
            },
        )
        for place, (_, mix, than) in enumerate(pairs)
    ]


def _sources(run: ScoredRun, mix: str) -> set[str]:
    """Returns the sources of a run's mix; none where they are not known or it was given none."""
    params = run.params or {}
    if params.get("adapt.labelled.target_only"):
        return set()
    start = f"mixes.{mix}."
    return {key.removeprefix(start) for key in params if key.startswith(start)}


def _variants(recipes: Mapping[str, Recipe], mixes: tuple[str, str]) -> tuple[Variant, Variant]:
    """Returns the networks of two mixes, with their scores on the domains that both have."""
    named = [
        replace(
            recipes[mix],
            runs=tuple(replace(r, name=f"mix {mix} of {r.name}") for r in recipes[mix].runs),
        )
        for mix in mixes
    ]
    domains = check_comparable(named)
    first, second = (
        variant_of(recipe, mix, domains) for mix, recipe in zip(mixes, named, strict=True)
    )
    return first, second
