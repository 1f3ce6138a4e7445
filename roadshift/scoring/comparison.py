"""Comparison of variants with a baseline, on every domain.

A variant is one choice of parameters, trained with one or more seeds. All variants are scored on
the same images, so the differences to the baseline are paired.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from roadshift.errors import RoadshiftError
from roadshift.scoring.bootstrap import Difference, paired_bootstrap
from roadshift.scoring.metrics import mean_iou
from roadshift.scoring.numbers import percent, points, whole_percent
from roadshift.scoring.results import ImageMatrices, TargetUse
from roadshift.scoring.settings import EvaluateSettings

TRANSDUCTIVE = "†"
"""Marks the scores of networks that were adapted to the very images that are scored."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One choice of parameters and its scores.

    Attributes:
        name: the variant's name.
        question: the question that it answers.
        seeds: the seeds of its trainings, at least one.
        scores: by domain, the matrices of each training, in the order of the seeds.
        minutes: mean duration over the seeds in minutes; None where it was not measured.
        use: the use that its training made of the target.
        transductive: whether the network was adapted to the scored images of every domain.
    """

    name: str
    question: str = ""
    seeds: tuple[int, ...] = (0,)
    scores: Mapping[str, Sequence[ImageMatrices]]
    minutes: float | None = None
    use: TargetUse = ""
    transductive: bool = False


@dataclass(frozen=True)
class VariantScore:
    """The score of a variant on a domain.

    Attributes:
        by_seed: the mIoU of each training, 0..1; None without any labelled pixel.
        difference: the difference to the baseline; None for the baseline itself.
    """

    by_seed: tuple[float | None, ...]
    difference: Difference | None

    @property
    def miou(self) -> float | None:
        """The mean mIoU over the seeds; None where the domain has no labelled pixel."""
        known = [value for value in self.by_seed if value is not None]
        return sum(known) / len(known) if known else None

    @property
    def verdict(self) -> str:
        """'better' or 'worse' where the interval of the difference excludes 0, else ''."""
        if self.difference is None or self.difference.low is None or self.difference.high is None:
            return ""
        return "better" if self.difference.low > 0 else "worse" if self.difference.high < 0 else ""


@dataclass(frozen=True, kw_only=True)
class VariantRow:
    """A variant compared with the baseline on all domains.

    Attributes:
        variant: the variant.
        cells: its score on each domain.
        gap_closed: (this - baseline) / (oracle - baseline) by the target's mIoU: 1 where the
            variant is as good as the oracle. None without an oracle, or where the oracle is not
            above the baseline.
    """

    variant: Variant
    cells: Mapping[str, VariantScore]
    gap_closed: float | None = None


def compare_variants(
    variants: Sequence[Variant],
    baseline: str,
    *,
    settings: EvaluateSettings,
    seed: int = 0,
    target: str = "target",
    oracle: str | None = None,
) -> list[VariantRow]:
    """Compares each variant with the baseline on every domain.

    Args:
        variants: the variants, the baseline among them.
        baseline: name of the variant that the others are compared with.
        settings: number of resamples and level of the intervals.
        seed: seed of the bootstrap.
        target: the target domain, for `VariantRow.gap_closed`.
        oracle: name of the variant that was trained on the target's own labels; None without one.

    Returns:
        A row for each variant, in the same order.

    Raises:
        RoadshiftError: two variants were not scored on the same images and labels.
    """
    reference = next(variant for variant in variants if variant.name == baseline)
    rows = []
    for variant in variants:
        cells = {}
        for domain, scores in variant.scores.items():
            by_seed = tuple(mean_iou(score.total) for score in scores)
            difference = None
            if variant is not reference:
                try:
                    difference = _difference(
                        reference.scores[domain], scores, settings=settings, seed=seed
                    )
                except RoadshiftError as error:
                    raise RoadshiftError(f"{variant.name} on {domain}: {error}") from None
            cells[domain] = VariantScore(by_seed, difference)
        rows.append(VariantRow(variant=variant, cells=cells))
    mious = {row.variant.name: row.cells[target].miou for row in rows if oracle}
    low, high = mious.get(baseline), mious.get(oracle or baseline)
    if low is None or high is None or high <= low:
        return rows
    return [
        replace(row, gap_closed=None if here is None else (here - low) / (high - low))
        for row, here in zip(rows, mious.values(), strict=True)
    ]


def _difference(
    baseline: Sequence[ImageMatrices],
    other: Sequence[ImageMatrices],
    *,
    settings: EvaluateSettings,
    seed: int,
) -> Difference:
    runs = [[score.sorted() for score in scores] for scores in (baseline, other)]
    ids = runs[0][0].ids
    for score in (*runs[0], *runs[1]):
        if score.ids != ids:
            odd = sorted({*ids} ^ {*score.ids})
            raise RoadshiftError(
                f"not scored on the baseline's images ('{odd[0]}' is in one of them only): "
                "evaluate both on the same data"
            )
    a, b = (np.stack([score.matrices for score in scores]) for scores in runs)
    return paired_bootstrap(
        a, b, samples=settings.bootstrap_samples, seed=seed, level=settings.confidence_level
    )


COLUMN_OF_USE: Mapping[TargetUse, str] = {
    "": "",
    "unsupervised": ", unsupervised adaptation",
    "supervised": ", with its labels",
}
"""By use of the target, the words that the head of the target's column ends with."""


def comparison_table(
    rows: Sequence[VariantRow], heads: Mapping[str, str], target: str = "target"
) -> str:
    """Writes the comparison as a Markdown table.

    Args:
        rows: rows from `compare_variants`.
        heads: by domain, the head of its column.
        target: the target domain, which has a column for each use that trainings made of it.

    Returns:
        A row for each variant and a column for each domain: the mIoU in percent, the difference to
        the baseline in points with its interval, and 'better' or 'worse' where the interval
        excludes 0. Cells of transductive variants end with `TRANSDUCTIVE`. With an oracle there is
        a further column: the share of the gap that is closed, in percent.
    """
    uses = [use for use in COLUMN_OF_USE if any(row.variant.use == use for row in rows)]
    columns: list[tuple[str, TargetUse | None, str]] = [
        (domain, None, head) for domain, head in heads.items() if domain != target
    ]
    columns += [(target, use, heads[target] + COLUMN_OF_USE[use]) for use in uses]
    has_oracle = any(row.gap_closed is not None for row in rows)
    closed = ["gap closed"] if has_oracle else []
    titles = ["variant", "question", *(c[2] for c in columns), *closed, "seeds", "minutes"]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for row in rows:
        variant = row.variant
        cells = [
            _markdown_cell(row, domain) if use in (None, variant.use) else ""
            for domain, use, _ in columns
        ]
        if has_oracle:
            cells.append(whole_percent(row.gap_closed))
        seeds = ", ".join(str(seed) for seed in variant.seeds)
        minutes = "–" if variant.minutes is None else f"{variant.minutes:.1f}"
        lines.append(f"| {' | '.join([variant.name, variant.question, *cells, seeds, minutes])} |")
    return "\n".join(lines) + "\n"


def _markdown_cell(row: VariantRow, domain: str) -> str:
    cell = row.cells[domain]
    if cell.miou is None:
        return "–"
    text = percent(cell.miou)
    if len(row.variant.seeds) > 1:
        text += f" [{', '.join(percent(value) for value in cell.by_seed if value is not None)}]"
    if cell.difference is not None and cell.difference.difference is not None:
        text += f": {points(cell.difference.difference)}"
        if cell.difference.low is not None and cell.difference.high is not None:
            text += f" ({points(cell.difference.low)} to {points(cell.difference.high)})"
        text = f"{text} {cell.verdict}".rstrip()
    return f"{text} {TRANSDUCTIVE}" if row.variant.transductive else text


def comparison_rows(rows: Sequence[VariantRow]) -> Iterator[dict[str, Any]]:
    """Yields the comparison for programs, one flat row for each variant and domain.

    Yields:
        variant, domain, seeds (separated by blanks), miou, difference, low, high (shares, 0..1,
        rounded to 6 decimals), verdict, use (of the target), transductive ('yes' or ''),
        gap_closed (of the target, rounded to 6 decimals), minutes (rounded to 2); None where not
        defined.
    """
    for row in rows:
        for domain, cell in row.cells.items():
            difference = cell.difference or Difference(None, None, None)
            yield {
                "variant": row.variant.name,
                "domain": domain,
                "seeds": " ".join(str(seed) for seed in row.variant.seeds),
                "miou": _rounded(cell.miou, 6),
                "difference": _rounded(difference.difference, 6),
                "low": _rounded(difference.low, 6),
                "high": _rounded(difference.high, 6),
                "verdict": cell.verdict,
                "use": row.variant.use,
                "transductive": "yes" if row.variant.transductive else "",
                "gap_closed": _rounded(row.gap_closed, 6),
                "minutes": _rounded(row.variant.minutes, 2),
            }


def _rounded(value: float | None, decimals: int) -> float | None:
    return None if value is None else round(value, decimals)
