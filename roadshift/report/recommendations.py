"""Values to begin with, less those that a kept ablation found to harm."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roadshift.pictures.forest import seeds_words
from roadshift.report.ablations import KeptAblation, difference_of, seeds_of
from roadshift.report.conclusions import verdict
from roadshift.scoring.numbers import points
from roadshift.settings import ParameterDoc


@dataclass(frozen=True)
class Finding:
    """What a variant of a kept ablation says of a method.

    Attributes:
        ablation: name of the ablation.
        effect: mIoU with the method minus without it, as a share.
        seeds: number of seeds of the variant.
        others: number of further methods that the variant changes together with it.
        harms: whether the interval of the effect lies below 0.
        helps: whether it lies above 0.
    """

    ablation: str
    effect: float
    seeds: int
    others: int
    harms: bool
    helps: bool

    def __str__(self) -> str:
        others = f" with {self.others} more" if self.others else ""
        return f"{points(self.effect)}{others} in `{self.ablation}`, {seeds_words(self.seeds)}"


def first_values(
    methods: Mapping[str, ParameterDoc], ablations: Sequence[KeptAblation]
) -> dict[str, str]:
    """Returns the value to begin with of each method, or the finding that forbids one.

    A value is kept only if no kept ablation found a lower score with the method, alone or together
    with others, whatever its strength there and however few the seeds: a single seed is no verdict,
    but no ground to recommend the method either. Only images that may choose are looked at.

    Args:
        methods: by dotted key, the documentation of the parameter that switches a method on.
        ablations: the kept ablations; those of test images say nothing here.

    Returns:
        By key Markdown: the value; 'none' with the lowest effect of the method alone; 'open' where
        the method alone had a gain as well, or lost only together with others; '' where nothing is
        known.
    """
    found: dict[str, list[Finding]] = {}
    for kept in ablations:
        for key, finding in _findings(kept, methods):
            found.setdefault(key, []).append(finding)
    return {key: _words(doc, found.get(key, [])) for key, doc in methods.items()}


def _words(doc: ParameterDoc, findings: Sequence[Finding]) -> str:
    harms = [finding for finding in findings if finding.harms]
    if not harms:
        return "" if doc.start is None else f"{doc.start:g}"
    # A method alone says more than one among others.
    lowest = min(harms, key=lambda finding: (finding.others > 0, finding.effect))
    helps = [finding for finding in findings if finding.helps and not finding.others]
    if helps:
        return f"open: {lowest}; {max(helps, key=lambda finding: finding.effect)}"
    return f"{'open' if lowest.others else 'none'}: {lowest}"


def _findings(
    kept: KeptAblation, methods: Mapping[str, ParameterDoc]
) -> Iterator[tuple[str, Finding]]:
    base = kept.params.get(kept.baseline, {})
    for row in kept.on(kept.choosing) if kept.choosing else []:
        own = kept.params.get(row["variant"])
        if own is None or not row["difference"]:
            continue
        changed = [key for key in methods if own.get(key) != base.get(key)]
        for key in changed:
            sign = 1 if _goes_towards(methods[key].start, base.get(key), own.get(key)) else -1
            yield (
                key,
                Finding(
                    ablation=kept.name,
                    effect=sign * float(row["difference"]),
                    seeds=seeds_of(row),
                    others=len(changed) - 1,
                    harms=verdict(difference_of(row)) == ("less" if sign > 0 else "more"),
                    helps=verdict(difference_of(row)) == ("more" if sign > 0 else "less"),
                ),
            )


def _goes_towards(start: float | None, base: Any, value: Any) -> bool:
    """Returns whether a change from `base` to `value` switches a method on, or nears its start."""
    if not base or not value or start is None:
        return bool(value)
    return abs(value - start) < abs(base - start)
