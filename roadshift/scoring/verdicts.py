"""What differences over seeds show: which of several hold together, and the noise of a seed."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Literal

from roadshift.scoring.estimate import Difference

SEEDS_FOR_A_VERDICT = 3
"""With fewer seeds nothing is called better or worse: another seed moves a score by points."""
Verdict = Literal["better", "worse", "not told apart", "two runs", "one run", ""]
"""The result of a comparison: a difference, none, or too few seeds to say; '' for a baseline, or
where there is no interval."""


def judge(
    compared: Mapping[int, tuple[Difference, int]], *, level: float, looks: int = 1, family: int = 0
) -> dict[int, Verdict]:
    """Returns what differences show that are judged together (Holm).

    Args:
        compared: by key, a difference, and the smaller number of seeds of the two that it is of.
        level: confidence level, 0..1.
        looks: number of looks at each difference, by which its p-value is multiplied.
        family: number of differences that are judged together, where it is more than these.

    Returns:
        The verdict by key; a difference without an interval has none.
    """
    found: dict[int, Verdict] = {}
    p_values: dict[int, float] = {}
    for key, (difference, seeds) in compared.items():
        if difference.p_value is None:
            continue
        if seeds >= SEEDS_FOR_A_VERDICT:
            p_values[key] = looks * difference.p_value
        else:
            found[key] = "one run" if seeds == 1 else "two runs"
    shown = holm(p_values, 1 - level, family)
    for key in p_values:
        higher = (compared[key][0].difference or 0.0) > 0
        told: Verdict = "better" if higher else "worse"
        found[key] = told if key in shown else "not told apart"
    return found


def holm(p_values: Mapping[int, float], outside: float, family: int = 0) -> set[int]:
    """Returns the keys whose differences hold together with a share of errors of `outside`.

    Args:
        p_values: by key, the p-value of a difference.
        outside: the largest probability, 0..1, that any of the returned differences is none.
        family: number of differences that it holds for, where others than the given ones count.
    """
    number = max(family, len(p_values))
    shown: set[int] = set()
    for rank, key in enumerate(sorted(p_values, key=lambda key: (p_values[key], key))):
        if p_values[key] > outside / (number - rank):
            break
        shown.add(key)
    return shown


def seeds_apart(by_seed: Sequence[float | None]) -> float | None:
    """Returns how far two seeds lie apart, the mean over all pairs; None for one seed."""
    apart = [abs(a - b) for a, b in combinations([m for m in by_seed if m is not None], 2)]
    return sum(apart) / len(apart) if apart else None
