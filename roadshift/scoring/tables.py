"""Scores as small tables: rows for plots, and the summary that runs are compared by."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np


def confusion_rows(matrices: np.ndarray, class_names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """A domain's confusion matrix, a row a pair of classes.

    Args:
        matrices: int64 (pictures, classes, classes), rows the truth.
        class_names: by id.

    Yields:
        actual, predicted, pixels, and recall: the share of the actual class's pixels, rounded to
        4 decimals. Classes that the ground truth lacks have no rows.
    """
    for row, actual in zip(matrices.sum(axis=0), class_names, strict=True):
        for pixels, predicted in zip(row.tolist(), class_names, strict=True):
            if row.any():
                recall = round(pixels / int(row.sum()), 4)
                yield {
                    "actual": actual,
                    "predicted": predicted,
                    "pixels": pixels,
                    "recall": recall,
                }


def summarize(
    scores: Mapping[str, Mapping[str, Mapping[str, Any]]],
    sources: Mapping[str, Sequence[str]],
    target: str,
) -> dict[str, dict[str, Any]]:
    """The cross-domain table.

    Args:
        scores: by mix and domain, what `score_domain` returned.
        sources: by mix, the domains it was trained on.
        target: the domain that no mix was trained on.

    Returns:
        By mix: for each domain a `miou`, and a `miou_<method>` for each method that adapted to
        its unlabelled test pictures; and `gap`, how far the target lies below the mean of
        the mix's own domains (rounded to 4 decimals, None where a mIoU is not defined).
    """
    table: dict[str, dict[str, Any]] = {}
    for mix, domains in scores.items():
        table[mix] = {domain: _cell(score) for domain, score in domains.items()}
        own = [domains[source]["miou"] for source in sources[mix]]
        there = domains[target]["miou"]
        known = there is not None and None not in own
        table[mix]["gap"] = round(sum(own) / len(own) - there, 4) if known else None
    return table


def _cell(score: Mapping[str, Any]) -> dict[str, float | None]:
    adapted = score.get("adapted", {}).items()
    return {"miou": score["miou"], **{f"miou_{name}": other["miou"] for name, other in adapted}}


def markdown_table(scores: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """The cross-domain table with intervals, for people.

    Args:
        scores: by mix and domain, what `score_domain` returned, with the name of its `data_set`.

    Returns:
        Markdown: a row a mix, a column a domain, mIoU in percent with its interval.
    """
    domains = next(iter(scores.values()))
    heads = [
        f"{domain} = {score['data_set']} ({score['pictures']} pictures)"
        for domain, score in domains.items()
    ]
    lines = ["| trained on | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for mix, row in scores.items():
        cells = [_percent(score) for score in row.values()]
        lines.append(f"| {mix} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _percent(score: Mapping[str, Any]) -> str:
    if score["miou"] is None:
        return "–"
    middle, low, high = (
        score[key] and 100 * score[key] for key in ("miou", "miou_low", "miou_high")
    )
    return f"{middle:.1f}" if low is None else f"{middle:.1f} ({low:.1f} to {high:.1f})"
