"""What differences over seeds show: which of several hold together, and the noise of a seed."""

from collections.abc import Mapping, Sequence
from itertools import combinations


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
