"""Helpers that write the results of ablations and of searches."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from roadshift.atomic import atomic_file
from roadshift.scoring.numbers import percent


def write_text(file: Path, content: str) -> None:
    """Writes a text, or leaves the file as it was."""
    with atomic_file(file) as partial:
        partial.write_text(content, "utf-8")


def write_rows(file: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Writes a table as CSV, or leaves the file as it was.

    Args:
        file: the file.
        rows: the rows, at least one; the keys of the first are the head.
    """
    with atomic_file(file) as partial, partial.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.DictWriter(sink, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def noise_floor(baseline: str, apart: Mapping[str, float | None]) -> str:
    """Says how far two seeds of the baseline lie apart.

    Args:
        baseline: words for the baseline.
        apart: by column, the mean distance of two seeds, 0..1; None for one seed.
    """
    known = [(name, percent(share)) for name, share in apart.items() if share is not None]
    if not known:
        return f"The noise floor is not known, since {baseline} ran with one seed."
    (first, points), *others = known
    more = "".join(f", {share} on {name}" for name, share in others)
    return (
        f"The noise floor: two seeds of {baseline} lie apart by {points} points on {first}{more}, "
        "on average."
    )
