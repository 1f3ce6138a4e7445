"""How many more seeds would tell two recipes apart, and the sentence about a difference."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, hypot
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from roadshift.scoring.comparison import VariantScore
from roadshift.scoring.estimate import Difference
from roadshift.scoring.numbers import points
from roadshift.scoring.verdicts import SEEDS_FOR_A_VERDICT

MOST_IMAGES = 100
"""The largest factor on the number of images that is told."""
MOST_SEEDS = 20
"""The largest number of seeds of a recipe that is thought of."""


@dataclass(frozen=True)
class Outlook:
    """What it takes to tell two recipes apart, if their difference stays as it is.

    Attributes:
        needs: 'nothing' where their interval excludes 0 already, or what it takes: more seeds, more
            images since the images' part of the interval alone is wider than the difference, more
            seeds than `MOST_SEEDS`, or it is not known, since no spread over seeds is known.
        seeds: number of seeds of each recipe that it takes; None unless seeds are needed.
        images: factor on the number of images that it takes; None unless images are needed.
    """

    needs: Literal["nothing", "seeds", "images", "too many seeds", "unknown"]
    seeds: int | None = None
    images: int | None = None


def outlook(
    base: Sequence[float], other: Sequence[float], difference: Difference, *, level: float
) -> Outlook:
    """Estimates what it takes until the interval of a difference excludes 0.

    The interval's distance from its difference has two parts, added by their squares: one of the
    images, and one of the seeds, which gets narrower with more of them. The spread over seeds is
    that of these runs; a recipe of one run is taken to spread as the other does.

    Args:
        base: mIoU of each run of the first recipe, 0..1.
        other: mIoU of each run of the second one, 0..1.
        difference: mean of the second minus mean of the first, with its interval.
        level: confidence level of the interval, 0..1.
    """
    value, low, high, _ = difference
    if value is None or low is None or high is None:
        return Outlook("unknown")
    spreads = [float(np.var(runs, ddof=1)) if len(runs) > 1 else None for runs in (base, other)]
    known = [spread for spread in spreads if spread is not None]
    # With one single run the interval has no part of the seeds, though their spread is known.
    if (low > 0 or high < 0) and len(known) != 1:
        return Outlook("nothing")
    outside = 1 - level
    reach = value - low if value > 0 else high - value
    if len(known) == 2:
        now = _seeds_part(known, (len(base), len(other)), outside)
        images_part = max(reach**2 - now**2, 0.0) ** 0.5
    else:
        images_part = reach
    if abs(value) <= images_part:
        factor = None if value == 0 else ceil((images_part / abs(value)) ** 2 + 1e-9)
        return Outlook("images", images=factor)
    if not known:
        return Outlook("unknown")
    both = known if len(known) == 2 else known * 2
    for number in range(max(2, min(len(base), len(other))), MOST_SEEDS + 1):
        sizes = (max(number, len(base)), max(number, len(other)))
        if abs(value) > hypot(images_part, _seeds_part(both, sizes, outside)):
            return Outlook("seeds", seeds=max(number, SEEDS_FOR_A_VERDICT))
    return Outlook("too many seeds")


def _seeds_part(spreads: Sequence[float], sizes: Sequence[int], outside: float) -> float:
    """Returns half the width of the interval over seeds (Welch 1947), as `bootstrap` has it."""
    squares = [spread / size for spread, size in zip(spreads, sizes, strict=True)]
    total = sum(squares)
    if not total > 0:
        return 0.0
    below = sum(square**2 / (size - 1) for square, size in zip(squares, sizes, strict=True))
    return float(-stdtrit(total**2 / below, outside / 2) * total**0.5)


def sentence(
    domain: str,
    names: tuple[str, str],
    cells: tuple[VariantScore, VariantScore],
    found: Outlook,
    recipes: int = 2,
) -> str:
    """Says whether a recipe is better or worse than another, and if not, what would tell.

    Args:
        domain: the domain.
        names: names of the first recipe and of the one that is compared with it.
        cells: their scores on the domain.
        found: what it takes to tell them apart.
        recipes: number of recipes that are compared; among more than two a verdict takes more
            (Holm) than the two alone.
    """
    base, name = names
    difference, verdict = cells[1].difference, cells[1].verdict
    alone = ", by this comparison alone" if recipes > 2 else ""
    if difference is None or difference.difference is None:
        return f"On {domain}, {name} and {base} cannot be compared: no pixel is labelled."
    figures = points(difference.difference)
    if difference.low is None or difference.high is None:
        return f"On {domain}, {name} has {figures} points to {base}, without an interval."
    figures = f"{figures} points ({points(difference.low)} to {points(difference.high)})"
    if verdict in ("better", "worse"):
        return f"On {domain}, {name} is {verdict} than {base}: {figures}."
    sizes = tuple(len(cell.by_seed) for cell in cells)
    said = f"On {domain}, {name} and {base} are not told apart: {figures}."
    if found.needs == "nothing":
        if min(sizes) >= SEEDS_FOR_A_VERDICT:
            return f"{said} This interval excludes 0, but not among all rows together (Holm)."
        more = _more(sizes, SEEDS_FOR_A_VERDICT, names)
        return f"{said} A verdict needs {SEEDS_FOR_A_VERDICT} seeds of each: {more}."
    if found.needs == "seeds" and found.seeds is not None:
        more = _more(sizes, found.seeds, names)
        needed = f"{found.seeds} seeds of each would tell{alone}"
        return f"{said} If the difference stays, {needed}: {more}."
    if found.needs == "too many seeds":
        return f"{said} If the difference stays, not even {MOST_SEEDS} seeds of each would tell."
    if found.needs == "images":
        if found.images is None:
            return f"{said} There is no difference that more seeds or images could tell."
        many = found.images > MOST_IMAGES
        factor = f"more than {MOST_IMAGES}" if many else f"at least {found.images}"
        return (
            f"{said} More seeds would not tell, since the images' part of the interval alone is "
            f"wider than the difference: it takes {factor} times as many images."
        )
    more = _more(sizes, SEEDS_FOR_A_VERDICT, names)
    return (
        f"{said} The spread over seeds is not known; a verdict needs {SEEDS_FOR_A_VERDICT} seeds "
        f"of each: {more}."
    )


def _more(sizes: Sequence[int], needed: int, names: Sequence[str]) -> str:
    more = [max(0, needed - size) for size in sizes]
    if more[0] == more[1]:
        return f"{more[0]} more of each"
    told = [f"{number} more of {name}" for number, name in zip(more, names, strict=True) if number]
    return " and ".join(told)
