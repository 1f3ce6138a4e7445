"""What more sources give: the networks of a recipe, compared over seeds and images."""

from collections.abc import Mapping, Sequence
from itertools import permutations

from roadshift.scoring.comparison import Variant, Verdict, compare_variants
from roadshift.scoring.numbers import points
from roadshift.scoring.recipes import Recipe, ScoredRun, check_comparable
from roadshift.scoring.settings import EvaluateSettings
from roadshift.settings import Settings

_DECIMALS = 6


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
        recipes: by mix, the recipe with its runs; a mix whose sources are not known is left out.
        settings: number of resamples and level of the intervals.
        seed: seed of the bootstrap.

    Raises:
        RoadshiftError: two networks were not scored on the same images with the same classes.
    """
    sources = {mix: _sources(recipe.runs[0], mix) for mix, recipe in recipes.items()}
    pairs = [
        (than, mix)
        for than, mix in permutations(recipes, 2)
        if sources[than] and sources[than] < sources[mix]
    ]
    found = []
    for than in dict.fromkeys(than for than, _ in pairs):
        others = [mix for first, mix in pairs if first == than]
        domains = check_comparable([recipes[mix] for mix in (than, *others)])
        rows = compare_variants(
            [_variant(mix, recipes[mix], domains) for mix in (than, *others)],
            than,
            settings=settings,
            seed=seed,
            family=len(pairs),
        )
        for row in rows[1:]:
            changes = {}
            for domain, cell in row.cells.items():
                value, low, high, _ = cell.difference or (None,) * 4
                changes[domain] = MiouChange(
                    difference=_rounded(value),
                    low=_rounded(low),
                    high=_rounded(high),
                    verdict=cell.verdict,
                )
            found.append(MoreSources(mix=row.variant.name, than=than, domains=changes))
    return found


def _sources(run: ScoredRun, mix: str) -> set[str]:
    """Returns the sources of a run's mix; none where its parameters are not known."""
    start = f"mixes.{mix}."
    return {key.removeprefix(start) for key in run.params or {} if key.startswith(start)}


def _variant(name: str, recipe: Recipe, domains: Sequence[str]) -> Variant:
    return Variant(
        name=name,
        seeds=tuple(place if s is None else s for place, s in enumerate(recipe.seeds)),
        scores={d: [run.matrices.domains[d] for run in recipe.runs] for d in domains},
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), _DECIMALS)
