"""Variants of a network held against a base: what each changes, on every domain.

A variant is one choice of parameters, trained with one or more seeds. All are scored on the same
pictures, so that the differences to the base are paired.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from roadshift.errors import RoadshiftError
from roadshift.scoring.bootstrap import Difference, paired_bootstrap
from roadshift.scoring.metrics import mean_iou
from roadshift.scoring.settings import EvaluateSettings
from roadshift.scoring.tables import Use


@dataclass(frozen=True)
class PictureScores:
    """What a network scored on a domain, picture by picture, in the order of their ids."""

    ids: tuple[str, ...]
    matrices: np.ndarray
    """int64 (pictures, classes, classes), rows the truth."""

    @classmethod
    def sorted(cls, ids: Iterable[str], matrices: np.ndarray) -> "PictureScores":
        """From ids and matrices that are in any order, the same for both."""
        names = [str(name) for name in ids]
        order = sorted(range(len(names)), key=names.__getitem__)
        return cls(tuple(names[k] for k in order), matrices[order])


@dataclass(frozen=True)
class Variant:
    """One choice of parameters and what came of it."""

    name: str
    question: str
    seeds: tuple[int, ...]
    """Of its trainings, at least one."""
    scores: Mapping[str, Sequence[PictureScores]]
    """By domain, one for each seed."""
    minutes: float | None
    """Mean over the seeds; None where it was not measured."""
    use: Use = ""
    """What it saw of the target."""


@dataclass(frozen=True)
class Cell:
    """A variant on a domain; mIoU as a share, 0..1."""

    by_seed: tuple[float | None, ...]
    difference: Difference | None
    """To the base; None for the base itself."""

    @property
    def miou(self) -> float | None:
        """The mean over the seeds; None where the domain has no pixel."""
        known = [value for value in self.by_seed if value is not None]
        return sum(known) / len(known) if known else None

    @property
    def verdict(self) -> str:
        """'better' or 'worse' where the interval of the difference excludes 0, else ''."""
        if self.difference is None or self.difference.low is None or self.difference.high is None:
            return ""
        return "better" if self.difference.low > 0 else "worse" if self.difference.high < 0 else ""


@dataclass(frozen=True)
class Row:
    """A variant against the base, on all domains."""

    name: str
    question: str
    seeds: tuple[int, ...]
    cells: Mapping[str, Cell]
    minutes: float | None
    use: Use = ""
    """What it saw of the target."""
    gap_closed: float | None = None
    """(this - base) / (oracle - base) by the target's mIoU, 1 where it is as good as the oracle;
    None without an oracle, or where that is not above the base."""


def compare(
    variants: Sequence[Variant],
    base: str,
    settings: EvaluateSettings,
    seed: int = 0,
    target: str = "target",
    oracle: str | None = None,
) -> list[Row]:
    """Holds each variant against the base, on every domain.

    Args:
        variants: among them the base.
        base: its name.
        settings: the bootstrap of the differences, and its level.
        seed: seed of the bootstrap's draws.
        target: the domain whose gap is closed.
        oracle: the variant that was trained on the target's own labels, once it is among them.

    Returns:
        A row a variant, in their order.

    Raises:
        RoadshiftError: two were not scored on the same pictures and labels.
    """
    held_against = next(variant for variant in variants if variant.name == base)
    rows = []
    for variant in variants:
        cells = {}
        for domain, scores in variant.scores.items():
            by_seed = tuple(mean_iou(score.matrices.sum(axis=0)) for score in scores)
            difference = None
            if variant is not held_against:
                try:
                    difference = _difference(held_against.scores[domain], scores, settings, seed)
                except RoadshiftError as error:
                    raise RoadshiftError(f"{variant.name} on {domain}: {error}") from None
            cells[domain] = Cell(by_seed, difference)
        head = variant.name, variant.question, variant.seeds
        rows.append(Row(*head, cells, variant.minutes, variant.use))
    mious = {row.name: row.cells[target].miou for row in rows if oracle}
    low, high = mious.get(base), mious.get(oracle or base)
    if low is None or high is None or high <= low:
        return rows
    return [
        replace(row, gap_closed=None if here is None else (here - low) / (high - low))
        for row, here in zip(rows, mious.values(), strict=True)
    ]


def _difference(
    base: Sequence[PictureScores],
    other: Sequence[PictureScores],
    settings: EvaluateSettings,
    seed: int,
) -> Difference:
    ids = base[0].ids
    for scores in (*base, *other):
        if scores.ids != ids:
            odd = sorted({*ids} ^ {*scores.ids})
            raise RoadshiftError(
                f"not scored on the base's pictures ('{odd[0]}' is in one of them only), so that "
                "they cannot be compared: evaluate both on the same data"
            )
    return paired_bootstrap(
        np.stack([scores.matrices for scores in base]),
        np.stack([scores.matrices for scores in other]),
        settings.bootstrap_samples,
        seed,
        settings.confidence_level,
    )


USES: Mapping[Use, str] = {
    "": "",
    "transductive": ", its pictures seen",
    "labelled": ", its labels seen",
}
"""What the head of the target's column says further, for each use of the target."""


def comparison_table(rows: Sequence[Row], heads: Mapping[str, str], target: str = "target") -> str:
    """The comparison for people.

    Args:
        rows: of `compare`.
        heads: by domain, what heads its column.
        target: the domain that has a column for each use that was made of it.

    Returns:
        Markdown: a row a variant, a column a domain: mIoU in percent, its difference to the base
        in points with the interval, and 'better' or 'worse' where that excludes 0; and the share
        of the gap that was closed, in percent, where there is an oracle.
    """
    uses = [use for use in USES if any(row.use == use for row in rows)]
    everywhere = [(domain, None, head) for domain, head in heads.items() if domain != target]
    there = [(target, use, heads[target] + USES[use]) for use in uses]
    columns: list[tuple[str, Use | None, str]] = [*everywhere, *there]
    oracle = any(row.gap_closed is not None for row in rows)
    closed = ["gap closed"] if oracle else []
    titles = ["variant", "question", *(c[2] for c in columns), *closed, "seeds", "minutes"]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for row in rows:
        cells = [
            _cell(row.cells[domain], row.seeds) if use in (None, row.use) else ""
            for domain, use, _ in columns
        ]
        share = "–" if row.gap_closed is None else f"{100 * row.gap_closed:.0f} %"
        cells += [share] if oracle else []
        seeds = ", ".join(str(seed) for seed in row.seeds)
        minutes = "–" if row.minutes is None else f"{row.minutes:.1f}"
        lines.append(f"| {' | '.join([row.name, row.question, *cells, seeds, minutes])} |")
    return "\n".join(lines) + "\n"


def _cell(cell: Cell, seeds: Sequence[int]) -> str:
    if cell.miou is None:
        return "–"
    text = f"{100 * cell.miou:.1f}"
    if len(seeds) > 1:
        text += (
            f" [{', '.join(f'{100 * value:.1f}' for value in cell.by_seed if value is not None)}]"
        )
    if cell.difference is None or cell.difference.difference is None:
        return text
    text += f": {100 * cell.difference.difference:+.1f}"
    if cell.difference.low is not None and cell.difference.high is not None:
        text += f" ({100 * cell.difference.low:+.1f} to {100 * cell.difference.high:+.1f})"
    return f"{text} {cell.verdict}".rstrip()


def comparison_rows(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """The comparison for programs: a flat row for each variant and domain.

    Yields:
        variant, domain, seeds (parted by blanks), miou, difference, low, high (shares, 0..1,
        rounded to 6 decimals), verdict, use of the target, gap_closed (of the target, rounded to
        6 decimals), minutes (rounded to 2); None where not defined.
    """
    for row in rows:
        for domain, cell in row.cells.items():
            difference = cell.difference or Difference(None, None, None)
            yield {
                "variant": row.name,
                "domain": domain,
                "seeds": " ".join(str(seed) for seed in row.seeds),
                "miou": _rounded(cell.miou, 6),
                "difference": _rounded(difference.difference, 6),
                "low": _rounded(difference.low, 6),
                "high": _rounded(difference.high, 6),
                "verdict": cell.verdict,
                "use": row.use,
                "gap_closed": _rounded(row.gap_closed, 6),
                "minutes": _rounded(row.minutes, 2),
            }


def _rounded(value: float | None, decimals: int) -> float | None:
    return None if value is None else round(value, decimals)
