"""A race of variants over seeds: a variant whose verdict is settled runs no further seed.

After three seeds, and after each further one, a variant is compared with the baseline by the same
seeds. It is *decided* where the p-value, times the number of looks and times the number of
variants, is at most the race's error. By Bonferroni's inequality the chance that any variant is
called better or worse by chance, at any look, is then at most that error. Pocock 1977 (Biometrika
64, 191-199) has sharper bounds for data that are normal and looked at in equal steps, which this
does not ask for. It is *hopeless* where a verdict could hardly come within the seeds any more. To
give a variant up costs power, never error.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ablation.variants import Run
from roadshift.scoring.comparison import Variant, compare_two
from roadshift.scoring.estimate import Estimate
from roadshift.scoring.verdicts import SEEDS_FOR_A_VERDICT

GIVEN_UP = 0.2
"""A variant is given up where even the far end of the interval of this error, with the spread that
all seeds would leave, would not be a verdict."""
Settled = Literal["decided", "hopeless"]


@dataclass(frozen=True)
class Race:
    """The rules of a race.

    Attributes:
        seeds: the largest number of seeds of a variant.
        variants: number of variants beside the baseline, those that do not run among them.
        error: largest probability of any verdict by chance, 0..1.
        weights: weights of the columns whose mean is compared.
        samples: number of resamples of the images.
        seed: seed of the bootstrap.
    """

    seeds: int
    variants: int
    error: float
    weights: Mapping[str, float]
    samples: int
    seed: int = 0

    @property
    def looks(self) -> int:
        """Number of looks at a variant that is never settled."""
        return self.seeds - SEEDS_FOR_A_VERDICT + 1

    def settled(self, baseline: Variant, other: Variant) -> Settled | None:
        """Returns whether a variant needs no further seed, and why; None while it needs one.

        Args:
            baseline: the baseline with all seeds that it has run.
            other: the variant with the first of these seeds.
        """
        seeds = len(other.seeds)
        if seeds < SEEDS_FOR_A_VERDICT or seeds >= self.seeds:
            return None
        estimate = compare_two(
            baseline.first_seeds(seeds), other, self.weights, samples=self.samples, seed=self.seed
        )
        if estimate is None or not estimate.has_interval:
            return None
        threshold = self.error / (self.looks * max(1, self.variants))
        if estimate.p_value() <= threshold:
            return "decided"
        return None if _may_come(estimate, seeds, self.seeds, threshold) else "hopeless"


def _may_come(estimate: Estimate, seeds: int, all_seeds: int, threshold: float) -> bool:
    """Returns whether a verdict may still come, by either end of the present interval."""
    later = replace(
        estimate,
        seed_error=estimate.seed_error * math.sqrt(seeds / all_seeds),
        freedom=estimate.freedom * (all_seeds - 1) / (seeds - 1),
    )
    for value in estimate.interval(GIVEN_UP):
        low, high = later.shifted(value).interval(threshold)
        if low > 0 or high < 0:
            return True
    return False


def schedule(
    runs: Sequence[Run],
    base: str,
    *,
    race: Callable[[], Race],
    compared: Callable[[str], Variant | None],
    settled: dict[str, tuple[Settled, int]],
) -> Iterator[Run]:
    """Yields the runs of a race, a seed of all variants after the other, the baseline's first.

    Args:
        runs: all runs that there may be, in the order of the seeds for each variant.
        base: name of the baseline.
        race: gives the rules; it is called once the first seeds have run.
        compared: gives a variant with the seeds that it has run until now; None where it failed.
        settled: gets by variant why it ran no further seed, and after how many.
    """
    by_variant: dict[str, list[Run]] = {}
    for run in runs:
        by_variant.setdefault(run.variant.name, []).append(run)
    others = [name for name in by_variant if name != base]
    for place in range(len(by_variant[base])):
        if not others:
            return
        for name in (base, *others):
            yield by_variant[name][place]
        baseline = compared(base)
        if baseline is None:
            return
        if place + 1 < SEEDS_FOR_A_VERDICT:
            continue
        for name in list(others):
            variant = compared(name)
            verdict = None if variant is None else race().settled(baseline, variant)
            if variant is not None and verdict is not None:
                settled[name] = verdict, len(variant.seeds)
            if variant is None or verdict is not None:
                others.remove(name)
