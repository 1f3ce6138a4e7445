"""What more training gives: the variants of an ablation that differ in their epochs alone."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from roadshift.report.ablations import KeptAblation

_BUDGET = "train.epochs"


class BudgetPoint(NamedTuple):
    """A variant in a chart of mIoU over processor time.

    Attributes:
        minutes: processor time of training and scoring a run, the mean over seeds.
        miou: mIoU, the mean over seeds, 0..1.
        by_seed: mIoU of each seed, 0..1.
    """

    minutes: float
    miou: float
    by_seed: Sequence[float]


def budget_curves(kept: KeptAblation, column: str) -> dict[str, list[BudgetPoint]]:
    """Joins the variants of an ablation that differ in `train.epochs` alone.

    Args:
        kept: results of the ablation.
        column: the column that the mIoU is of.

    Returns:
        By name of the curve's shortest training, its points, the shortest first. Variants without
        a score or without a measured processor time are left out. Empty where no two variants
        differ in epochs alone.
    """
    alike: dict[tuple[tuple[str, str], ...], list[tuple[int, str, BudgetPoint]]] = {}
    for row in kept.on(column):
        name, params = row["variant"], kept.params.get(row["variant"], {})
        if not row["miou"] or not row.get("processor_minutes") or _BUDGET not in params:
            continue
        point = BudgetPoint(
            minutes=float(row["processor_minutes"]),
            miou=float(row["miou"]),
            by_seed=[float(miou) for miou in row["miou_by_seed"].split()],
        )
        alike.setdefault(_others(params), []).append((params[_BUDGET], name, point))
    curves = {}
    for group in alike.values():
        points = sorted(group)
        curves[points[0][1]] = [point for _, _, point in points]
    return curves if any(len(points) > 1 for points in curves.values()) else {}


def _others(params: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """All parameters but the epochs and the seed."""
    return tuple(
        sorted((key, repr(value)) for key, value in params.items() if key not in (_BUDGET, "seed"))
    )
