"""Scores as small tables: rows for plots, and the summary that runs are compared by."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

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


Use = Literal["", "transductive", "labelled"]
"""What a training saw of the target: nothing, pictures without labels, or labels, too."""


def target_use(pictures: Mapping[str, int]) -> Use:
    """What a training saw of the target.

    Args:
        pictures: how many it was given, under 'labelled' and 'unlabelled'.
    """
    if pictures.get("labelled"):
        return "labelled"
    return "transductive" if pictures.get("unlabelled") else ""


def summarize(
    scores: Mapping[str, Mapping[str, Mapping[str, Any]]],
    sources: Mapping[str, Sequence[str]],
    target: str,
    uses: Mapping[str, Use],
) -> dict[str, dict[str, Any]]:
    """The cross-domain table.

    Args:
        scores: by mix and domain, what `score_domain` returned.
        sources: by mix, the domains it was trained on.
        target: the domain to adapt to.
        uses: by mix, what its training saw of the target.

    Returns:
        By mix: for each domain a `miou`, and a `miou_<method>` for each method that adapted to
        its unlabelled test pictures; and `gap`, how far the target lies below the mean of
        the mix's own domains (rounded to 4 decimals, None where a mIoU is not defined). Where
        training saw pictures of the target, its `miou` and the `gap` are named `miou_<use>` and
        `gap_<use>`, so that they stand in columns of their own.
    """
    table: dict[str, dict[str, Any]] = {}
    for mix, domains in scores.items():
        suffix = f"_{uses[mix]}" if uses[mix] else ""
        table[mix] = {
            domain: _cell(score, suffix if domain == target else "")
            for domain, score in domains.items()
        }
        table[mix][f"gap{suffix}"] = domain_gap(domains, sources[mix], target)
    return table


def domain_gap(
    domains: Mapping[str, Mapping[str, Any]], own: Sequence[str], target: str
) -> float | None:
    """How far the target's mIoU lies below the mean of a network's own domains.

    Args:
        domains: by domain, what `score_domain` returned.
        own: the domains that the network was trained on.
        target: the other one.

    Returns:
        The difference, rounded to 4 decimals; None where a mIoU is not defined.
    """
    mious = [domains[source]["miou"] for source in own]
    there = domains[target]["miou"]
    known = there is not None and None not in mious
    return round(sum(mious) / len(mious) - there, 4) if known else None


def _cell(score: Mapping[str, Any], suffix: str) -> dict[str, float | None]:
    adapted = score.get("adapted", {}).items()
    return {
        f"miou{suffix}": score["miou"],
        **{f"miou{suffix}_{name}": other["miou"] for name, other in adapted},
    }


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
