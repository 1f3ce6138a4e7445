"""Scores as small tables: rows for plots, the summary, and the cross-domain table."""

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from roadshift.atomic import atomic_file
from roadshift.scoring.numbers import percent, percent_interval
from roadshift.scoring.results import DomainScores, ImageMatrices, Method, MixScores
from roadshift.taxonomy import PartialLabel, joined_classes, joined_name


def confusion_rows(matrix: np.ndarray, class_names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yields one row for each pair of true and predicted class of a confusion matrix.

    Args:
        matrix: int64 (classes, classes), rows are the truth.
        class_names: names of the classes in the order of their ids.

    Yields:
        actual, predicted, pixels, and recall: the share of the actual class's pixels, rounded to
        4 decimals. Classes that the ground truth lacks have no rows.
    """
    for row, actual in zip(matrix, class_names, strict=True):
        for pixels, predicted in zip(row.tolist(), class_names, strict=True):
            if row.any():
                recall = round(pixels / int(row.sum()), 4)
                yield {
                    "actual": actual,
                    "predicted": predicted,
                    "pixels": pixels,
                    "recall": recall,
                }


def write_confusion(
    domains: Mapping[str, ImageMatrices],
    class_names: Sequence[str],
    file: Path,
    *,
    partial_labels: Mapping[str, Sequence[PartialLabel]] | None = None,
) -> None:
    """Writes the confusion matrix of every domain as CSV, for plots (see `confusion_rows`).

    Args:
        domains: by domain, its confusion matrices.
        class_names: names of the classes in the order of their ids.
        file: CSV file to write.
        partial_labels: by domain, its partial labels, whose classes have the rows and columns of
            joined classes; default none.
    """
    rows = []
    for domain, matrices in domains.items():
        names = dict(enumerate(class_names))
        for group in joined_classes((partial_labels or {}).get(domain, ()), len(names)):
            names[group[0]] = joined_name(class_names[class_id] for class_id in group)
            for class_id in group[1:]:
                del names[class_id]
        kept = matrices.total[np.ix_([*names], [*names])]
        rows += [{"domain": domain, **row} for row in confusion_rows(kept, [*names.values()])]
    with atomic_file(file) as partial, partial.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.DictWriter(sink, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def summarize(
    scores: Mapping[str, MixScores], sources: Mapping[str, Sequence[str]], target: str
) -> dict[str, dict[str, Any]]:
    """Returns the summary of a run, for `dvc metrics diff` and `dvc exp show`.

    Args:
        scores: by mix, its scores.
        sources: by mix, the domains it was trained on.
        target: the target domain.

    Returns:
        By mix: for each domain `miou`, and `miou_<method>` for each method of test-time adaptation;
        `gap` (see `domain_gap`); and `held_out` (see `held_out_mean`) where the networks have more
        than two sources, since with two it is a cell. Where training saw images of the target, the
        target's `miou` and the `gap` have columns of their own, `miou_<use>` and `gap_<use>`.
    """
    table: dict[str, dict[str, Any]] = {}
    for mix, found in scores.items():
        suffix = f"_{found.target_use}" if found.target_use else ""
        table[mix] = {
            domain: _summary_cell(score, suffix if domain == target else "")
            for domain, score in found.domains.items()
        }
        table[mix][f"gap{suffix}"] = domain_gap(found.domains, sources[mix], target)
        if len({*chain(*sources.values())}) > 2:
            table[mix]["held_out"] = held_out_mean(found.domains, held_out(mix, sources))
    return table


def comparable(domains: Mapping[str, DomainScores], own: Sequence[str], target: str) -> list[str]:
    """Returns the own domains whose mIoU compares with the target's.

    A mean over joined classes does not compare with one over all classes, so own domains that are
    scored on other joined classes than the target are left out.

    Args:
        domains: by domain, the network's scores.
        own: the domains that the network was trained on.
        target: the target domain.
    """
    joined = domains[target].joined.keys()
    return [name for name in own if domains[name].joined.keys() == joined]


def domain_gap(
    domains: Mapping[str, DomainScores], own: Sequence[str], target: str
) -> float | None:
    """Returns the gap: mean mIoU on a network's own domains minus its mIoU on the target.

    Args:
        domains: by domain, the network's scores.
        own: the domains that the network was trained on.
        target: the target domain.

    Returns:
        The gap as a share, -1..1, rounded to 4 decimals; None where an mIoU is not defined, or no
        own domain is comparable.
    """
    mious = [domains[name].miou for name in comparable(domains, own, target)]
    there = domains[target].miou
    known = [miou for miou in mious if miou is not None]
    if there is None or not known or len(known) < len(mious):
        return None
    return round(sum(known) / len(known) - there, 4)


def held_out(mix: str, sources: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns the held-out sources of a network: those of other networks that it never saw.

    Args:
        mix: the network's mix.
        sources: by mix, the domains it was trained on.
    """
    return [
        source for source in dict.fromkeys(chain(*sources.values())) if source not in sources[mix]
    ]


def held_out_mean(domains: Mapping[str, DomainScores], names: Sequence[str]) -> float | None:
    """Returns a network's mean mIoU on its held-out sources, without those on joined classes.

    Args:
        domains: by domain, the network's scores.
        names: the held-out sources, from `held_out`.

    Returns:
        The mean as a share, 0..1, rounded to 4 decimals; None without a source, or where an mIoU is
        not defined.
    """
    mious = [domains[name].miou for name in names if not domains[name].joined]
    known = [miou for miou in mious if miou is not None]
    if not known or len(known) < len(mious):
        return None
    return round(sum(known) / len(known), 4)


def best_mix(scores: Mapping[str, MixScores], domain: str) -> str | None:
    """Returns the mix with the highest mIoU on a domain, the first of equals; None without any."""
    found = {mix: each.domains[domain].miou for mix, each in scores.items()}
    known = {mix: miou for mix, miou in found.items() if miou is not None}
    return max(known, key=lambda mix: known[mix], default=None)


def adaptation_methods(scores: Mapping[str, MixScores]) -> list[Method]:
    """Returns the methods of test-time adaptation in the scores, in the order of scoring."""
    cells = [cell for each in scores.values() for cell in each.domains.values()]
    return list(dict.fromkeys(method for cell in cells for method in cell.adapted))


class Column(NamedTuple):
    """A column of the cross-domain table.

    Attributes:
        domain: role of the scored data set.
        method: method of test-time adaptation; None for the network as it was trained.
        title: the head of the column.
    """

    domain: str
    method: Method | None
    title: str

    def cell(self, scores: MixScores) -> DomainScores | None:
        """Returns a network's scores in this column; None where it has none."""
        score = scores.domains[self.domain]
        return score.adapted.get(self.method) if self.method else score


def cross_domain_columns(scores: Mapping[str, MixScores]) -> list[Column]:
    """Returns the columns of the cross-domain table.

    Args:
        scores: by mix, its scores; all mixes have the same domains.

    Returns:
        For each domain a column of the networks as they were trained, then one for each method of
        test-time adaptation.
    """
    methods = adaptation_methods(scores)
    columns = []
    for domain, score in next(iter(scores.values())).domains.items():
        columns.append(Column(domain, None, domain_title(domain, score)))
        columns += [Column(domain, m, f"{domain}, {m} (transductive)") for m in methods]
    return columns


class ScoredSet(Protocol):
    """What the head of a domain's column says of its data set."""

    @property
    def data_set(self) -> str:
        """Name of the data set."""

    @property
    def images(self) -> int:
        """Number of images that were scored."""

    @property
    def joined(self) -> Collection[str]:
        """Names of the joined classes."""


def domain_title(domain: str, score: ScoredSet) -> str:
    """Returns the head of a domain's column: its role, data set and number of images.

    It says so where classes are joined.
    """
    joined = ", joined classes" if score.joined else ""
    return f"{domain} = {score.data_set} ({score.images} images{joined})"


def markdown_table(scores: Mapping[str, MixScores]) -> str:
    """Writes the cross-domain table in Markdown: mIoU in percent with its interval.

    Args:
        scores: by mix, its scores; each mix has a row.
    """
    columns = cross_domain_columns(scores)
    heads = ["trained on", *(column.title for column in columns)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for mix, found in scores.items():
        cells = [_markdown_cell(column.cell(found)) for column in columns]
        lines.append(f"| {' | '.join([mix, *cells])} |")
    return "\n".join(lines) + "\n"


def _summary_cell(score: DomainScores, suffix: str) -> dict[str, float | None]:
    return {
        f"miou{suffix}": score.miou,
        **{f"miou{suffix}_{method}": other.miou for method, other in score.adapted.items()},
    }


def _markdown_cell(score: DomainScores | None) -> str:
    if score is None or score.miou is None:
        return "–"
    interval = percent_interval(score.interval)
    return percent(score.miou) + (f" ({interval})" if interval else "")
