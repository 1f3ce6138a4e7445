"""Curves of mIoU over processor time, each of variants that differ in their epochs alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple

from roadshift.report.ablations import KeptAblation

_EPOCHS = "train.epochs"


class BudgetPoint(NamedTuple):
    """A variant in a chart of mIoU over processor time.

    Attributes:
        epochs: number of epochs that it was trained for.
        minutes: processor time of training and scoring a run, the mean over seeds.
        miou: mIoU, the mean over seeds, 0..1.
        by_seed: mIoU of each seed that has one, 0..1.
    """

    epochs: int
    minutes: float
    miou: float
    by_seed: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class TrainedVariant:
    """A variant of an ablation, as a curve needs it.

    Attributes:
        name: the variant's name.
        params: its parameters, by their dotted keys.
        minutes: processor time of a run; None where it was not measured.
        miou: mIoU, the mean over seeds, 0..1; None where there is none.
        by_seed: mIoU of each seed that has one, 0..1.
    """

    name: str
    params: Mapping[str, Any]
    minutes: float | None
    miou: float | None
    by_seed: Sequence[float]


def kept_variants(kept: KeptAblation, column: str) -> list[TrainedVariant]:
    """Returns the variants of a kept table, with their mIoU in a column.

    Tables from before processor time was measured have none.
    """
    return [
        TrainedVariant(
            name=row["variant"],
            params=kept.params.get(row["variant"], {}),
            minutes=float(row["processor_minutes"]) if row.get("processor_minutes") else None,
            miou=float(row["miou"]) if row["miou"] else None,
            by_seed=[float(miou) for miou in row.get("miou_by_seed", "").split() if miou != "nan"],
        )
        for row in kept.on(column)
    ]


def budget_curves(variants: Iterable[TrainedVariant]) -> dict[str, list[BudgetPoint]]:
    """Joins the variants that differ in `train.epochs` alone.

    Args:
        variants: the variants. Those without a score, a measured time or known parameters are left
            out.

    Returns:
        By name, the points of a curve, the shortest training first. The name is the words that the
        names of its variants begin with (`lite` of `lite_5` and `lite_10`); where there are none,
        or another curve has them, it is the name of the shortest training. Empty where no variant
        was trained for two numbers of epochs.
    """
    alike: dict[tuple[tuple[str, str], ...], list[tuple[BudgetPoint, str]]] = {}
    for each in variants:
        if each.miou is None or each.minutes is None or _EPOCHS not in each.params:
            continue
        point = BudgetPoint(each.params[_EPOCHS], each.minutes, each.miou, each.by_seed)
        alike.setdefault(_others(each.params), []).append((point, each.name))
    curves: dict[str, list[BudgetPoint]] = {}
    several = False
    taken = {name for group in alike.values() for _, name in group}
    for group in alike.values():
        group.sort(key=lambda pair: pair[0][:3])
        names = [name for _, name in group]
        several |= len({point.epochs for point, _ in group}) > 1
        start = _first_words(names)
        free = start and start not in curves and start not in taken.difference(names)
        curves[start if free else names[0]] = [point for point, _ in group]
    return curves if several else {}


def _first_words(names: Sequence[str]) -> str:
    """The words, separated by underscores, that all names begin with; may be empty."""
    words = zip(*(name.split("_") for name in names), strict=False)
    return "_".join(first for first, *_ in takewhile(lambda each: len({*each}) == 1, words))


def _others(params: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """All parameters but the epochs and the seed."""
    return tuple(
        sorted((key, repr(value)) for key, value in params.items() if key not in (_EPOCHS, "seed"))
    )
