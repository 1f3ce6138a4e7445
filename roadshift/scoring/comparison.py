"""Comparison of variants with a baseline, on every domain.

A variant is one choice of parameters, trained with one or more seeds. All variants are scored on
the same images, so the differences to the baseline are paired. A verdict needs several seeds, and
holds for all rows of a table together (Holm, A simple sequentially rejective multiple test
procedure, Scandinavian Journal of Statistics 1979).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from roadshift.errors import RoadshiftError
from roadshift.scoring.bootstrap import Cell, difference_of, gap_closed, mean_difference
from roadshift.scoring.estimate import Difference, Estimate, Share
from roadshift.scoring.metrics import mean_iou
from roadshift.scoring.numbers import percent, points, whole_percent
from roadshift.scoring.results import ImageMatrices, TargetUse
from roadshift.scoring.settings import EvaluateSettings
from roadshift.scoring.verdicts import Verdict, judge

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
        minutes: mean wall-clock time over the seeds; None where it was not measured.
        processor_minutes: mean processor time over the seeds; None where it was not measured.
        use: the use that its training made of the target.
        transductive: whether the network was adapted to the scored images of every domain.
    """

    name: str
    question: str = ""
    seeds: tuple[int, ...] = (0,)
    scores: Mapping[str, Sequence[ImageMatrices]]
    minutes: float | None = None
    processor_minutes: float | None = None
    use: TargetUse = ""
    transductive: bool = False

    def on(self, domains: Sequence[str]) -> "Variant":
        """Returns the variant with its scores on some domains alone."""
        return replace(self, scores={domain: self.scores[domain] for domain in domains})

    def first_seeds(self, number: int) -> "Variant":
        """Returns the variant as it was after its first trainings."""
        scores = {domain: found[:number] for domain, found in self.scores.items()}
        return replace(self, seeds=self.seeds[:number], scores=scores)


@dataclass(frozen=True)
class VariantScore:
    """The score of a variant on a domain.

    Attributes:
        by_seed: the mIoU of each training, 0..1; None without any labelled pixel.
        difference: the difference to the baseline; None for the baseline itself.
        verdict: what the difference shows, among all rows of its table.
    """

    by_seed: tuple[float | None, ...]
    difference: Difference | None
    verdict: Verdict = ""

    @property
    def miou(self) -> float | None:
        """The mean mIoU over the seeds; None where the domain has no labelled pixel."""
        known = [value for value in self.by_seed if value is not None]
        return sum(known) / len(known) if known else None


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
    gap_closed: Share | None = None


def compare_variants(
    variants: Sequence[Variant],
    baseline: str,
    *,
    settings: EvaluateSettings,
    seed: int = 0,
    target: str = "target",
    oracle: str | None = None,
    means: Mapping[str, Mapping[str, float]] | None = None,
    looks: int = 1,
    family: int | None = None,
) -> list[VariantRow]:
    """Compares each variant with the baseline on every domain.

    Args:
        variants: the variants, the baseline among them.
        baseline: name of the variant that the others are compared with.
        settings: number of resamples and level of the intervals.
        seed: seed of the bootstrap.
        target: the target domain, for `VariantRow.gap_closed`.
        oracle: name of the variant that was trained on the target's own labels; None without one.
        means: by name of a further column, the weights of the domains that it is the mean of, which
            add up to 1; default none.
        looks: number of times that each variant may be looked at before this comparison ends it,
            for a race. Its p-values count that often (Bonferroni).
        family: number of variants that a column's verdicts hold for together, where it is more than
            those that are given; None for these.

    Returns:
        A row for each variant, in the same order; its cells are of the domains, then of the means.

    Raises:
        RoadshiftError: two variants were not scored on the same images and labels.
    """
    reference = next(variant for variant in variants if variant.name == baseline)
    columns = {domain: {domain: 1.0} for domain in reference.scores} | dict(means or {})
    rows = []
    for variant in variants:
        cells = {}
        for column, weights in columns.items():
            difference = None
            if variant is not reference:
                # In a race, what was looked at is the baseline by the same seeds.
                base = reference if looks == 1 else reference.first_seeds(len(variant.seeds))
                estimate = compare_two(
                    base, variant, weights, samples=settings.bootstrap_samples, seed=seed
                )
                difference = difference_of(estimate, level=settings.confidence_level)
            cells[column] = VariantScore(_means_by_seed(variant, weights), difference)
        rows.append(VariantRow(variant=variant, cells=cells))
    rows = _judged(
        rows, reference, level=settings.confidence_level, looks=looks, family=family or 0
    )
    if oracle is None:
        return rows
    ends = (reference, next(variant for variant in variants if variant.name == oracle))
    shares = {
        v.name: _gap_closed(v, ends, target=target, settings=settings, seed=seed, looks=looks)
        for v in variants
    }
    return [replace(row, gap_closed=shares[row.variant.name]) for row in rows]


def compare_two(
    baseline: Variant, other: Variant, weights: Mapping[str, float], *, samples: int, seed: int
) -> Estimate | None:
    """Estimates the difference of a variant to the baseline in a weighted mean over domains.

    Returns:
        The estimate; None where a domain has no labelled pixel.

    Raises:
        RoadshiftError: the two were not scored on the same images and labels.
    """
    cells = []
    for domain, weight in weights.items():
        try:
            cells.append(_cell(baseline.scores[domain], other.scores[domain], weight))
            # Each domain's ground truth is checked here, so that the error can name it.
            found = mean_difference(cells[-1:], samples=0)
        except RoadshiftError as error:
            raise RoadshiftError(f"{other.name} on {domain}: {error}") from None
        if found is None:
            return None
    return mean_difference(cells, samples=samples, seed=seed)


def _means_by_seed(variant: Variant, weights: Mapping[str, float]) -> tuple[float | None, ...]:
    """Returns the weighted mean of mIoU over domains, by seed; None where one is not defined."""
    means = []
    for place in range(len(variant.seeds)):
        mious = [mean_iou(variant.scores[domain][place].total) for domain in weights]
        known = [w * m for w, m in zip(weights.values(), mious, strict=True) if m is not None]
        means.append(sum(known) if len(known) == len(mious) else None)
    return tuple(means)


def common_seeds(one: Variant, other: Variant) -> int:
    """Returns the smaller number of seeds of two variants; a seed that comes twice counts once."""
    return min(len({*each.seeds}) for each in (one, other))


def _judged(
    rows: Sequence[VariantRow], reference: Variant, *, level: float, looks: int, family: int
) -> list[VariantRow]:
    """Returns the rows with the verdict of each cell; the rows of a column are one family."""
    verdicts = {
        domain: judge(
            {
                place: (difference, common_seeds(row.variant, reference))
                for place, row in enumerate(rows)
                if (difference := row.cells[domain].difference) is not None
            },
            level=level,
            looks=looks,
            family=family,
        )
        for domain in rows[0].cells
    }
    return [
        replace(
            row,
            cells={
                domain: replace(cell, verdict=verdicts[domain].get(place, ""))
                for domain, cell in row.cells.items()
            },
        )
        for place, row in enumerate(rows)
    ]


def _gap_closed(
    variant: Variant,
    ends: tuple[Variant, Variant],
    *,
    target: str,
    settings: EvaluateSettings,
    seed: int,
    looks: int,
) -> Share | None:
    """Returns the share of the gap between its ends that a variant closes; theirs are exact."""
    # In a race, what was looked at is the ends by the same seeds.
    seeds = len(variant.seeds) if looks > 1 else None
    base, matrices, oracle = (
        np.stack([score.sorted().matrices for score in each.scores[target][:seeds]])
        for each in (ends[0], variant, ends[1])
    )
    share = gap_closed(
        base,
        matrices,
        oracle,
        samples=settings.bootstrap_samples,
        seed=seed,
        level=settings.confidence_level,
    )
    exact = variant is ends[0] or variant is ends[1]
    return share._replace(low=None, high=None) if share and exact else share


def _cell(baseline: Sequence[ImageMatrices], other: Sequence[ImageMatrices], weight: float) -> Cell:
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
    # Ids alone are not enough: two data sets may have the same.
    return Cell(a, b, weight, images=(ids, a[0].sum(axis=-1).tobytes()))


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
        the baseline in points with its interval, and the verdict. Cells of transductive variants
        end with `TRANSDUCTIVE`. With an oracle there is a further column: the share of the gap that
        is closed, in percent.
    """
    uses = [use for use in COLUMN_OF_USE if any(row.variant.use == use for row in rows)]
    columns: list[tuple[str, TargetUse | None, str]] = [
        (domain, None, head) for domain, head in heads.items() if domain != target
    ]
    if target in heads:
        columns += [(target, use, heads[target] + COLUMN_OF_USE[use]) for use in uses]
    has_oracle = any(row.gap_closed is not None for row in rows)
    closed = ["gap closed"] if has_oracle else []
    times = ["minutes"]
    if any(row.variant.processor_minutes is not None for row in rows):
        times.append("processor minutes")
    titles = ["variant", "question", *(c[2] for c in columns), *closed, "seeds", *times]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for row in rows:
        variant = row.variant
        cells = [
            _markdown_cell(row, domain) if use in (None, variant.use) else ""
            for domain, use, _ in columns
        ]
        if has_oracle:
            cells.append(shown_share(row.gap_closed))
        seeds = ", ".join(str(seed) for seed in variant.seeds)
        took = [variant.minutes, variant.processor_minutes][: len(times)]
        cells += [seeds, *("–" if minutes is None else f"{minutes:.1f}" for minutes in took)]
        lines.append(f"| {' | '.join([variant.name, variant.question, *cells])} |")
    return "\n".join(lines) + "\n"


def shown_share(share: Share | None) -> str:
    """Writes a share of a gap in whole percent with its interval; None is a dash."""
    if share is None:
        return "–"
    if share.low is None or share.high is None:
        return whole_percent(share.value)
    return (
        f"{whole_percent(share.value)} ({whole_percent(share.low)} to {whole_percent(share.high)})"
    )


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
        variant, domain, seeds (separated by blanks), miou, miou_by_seed (the same; nan for none),
        difference, low, high (shares, 0..1, rounded to 6 decimals), verdict, use (of the target),
        transductive ('yes' or ''), gap_closed, gap_low, gap_high (of the target, rounded to 6
        decimals), minutes, processor_minutes (rounded to 2); None where not defined.
    """
    for row in rows:
        closed = row.gap_closed or Share(None, None, None)
        for domain, cell in row.cells.items():
            difference = cell.difference or Difference(None, None, None)
            yield {
                "variant": row.variant.name,
                "domain": domain,
                "seeds": " ".join(str(seed) for seed in row.variant.seeds),
                "miou": _rounded(cell.miou, 6),
                "miou_by_seed": " ".join("nan" if v is None else f"{v:.6f}" for v in cell.by_seed),
                "difference": _rounded(difference.difference, 6),
                "low": _rounded(difference.low, 6),
                "high": _rounded(difference.high, 6),
                "verdict": cell.verdict,
                "use": row.variant.use,
                "transductive": "yes" if row.variant.transductive else "",
                "gap_closed": _rounded(closed.value, 6),
                "gap_low": _rounded(closed.low, 6),
                "gap_high": _rounded(closed.high, 6),
                "minutes": _rounded(row.variant.minutes, 2),
                "processor_minutes": _rounded(row.variant.processor_minutes, 2),
            }


def _rounded(value: float | None, decimals: int) -> float | None:
    return None if value is None else round(value, decimals)
