"""The kept results of an ablation, and how a report shows them: a table, a sentence, a chart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from roadshift.errors import RoadshiftError
from roadshift.pictures.forest import seeds_words
from roadshift.report.conclusions import listed
from roadshift.report.files import read_json, read_table
from roadshift.report.tables import Cell, html_table
from roadshift.scoring.comparison import (
    COLUMN_OF_USE,
    SEEDS_FOR_A_VERDICT,
    TRANSDUCTIVE,
    VariantScore,
    Verdict,
    shown_share,
)
from roadshift.scoring.estimate import Difference, Share
from roadshift.scoring.numbers import percent, points

NONE_RUN = (
    "None has been run yet. `make ablation FILE=experiments/ablation_synthetic.yaml` runs variants "
    "of this default, `make ablation` every single method on real images; `dvc repro` then shows "
    "them here."
)
_AGAIN = "run the ablation again"


@dataclass(frozen=True)
class KeptAblation:
    """The kept results of an ablation.

    Attributes:
        name: name of the ablation.
        rows: rows of its `table.csv`, one for each variant and domain.
        question: the question that it answers.
        questions: by variant, the question that the variant answers.
        params: by variant, its parameters by their dotted keys.
        titles: by domain, its data set and its number of scored images.
    """

    name: str
    rows: Sequence[Mapping[str, str]]
    question: str
    questions: Mapping[str, str]
    params: Mapping[str, Mapping[str, Any]]
    titles: Mapping[str, str]

    @cached_property
    def baseline(self) -> str:
        """The variant that the others are compared with."""
        return next(row["variant"] for row in self.rows if not row["difference"])

    def on(self, domain: str) -> list[Mapping[str, str]]:
        """Returns the rows of a domain, the baseline first, then the highest difference first."""
        rows = [row for row in self.rows if row["domain"] == domain]
        return sorted(rows, key=lambda row: -float(row["difference"] or "inf"))

    def title(self, domain: str) -> str:
        """Returns the words for a domain, with its data set where that is known."""
        return f"{domain} = {self.titles[domain]}" if domain in self.titles else domain


def read_ablation(folder: Path) -> KeptAblation:
    """Reads the results of an ablation.

    Args:
        folder: the folder with `table.csv`, `table.md`, and a JSON file for each run.

    Raises:
        RoadshiftError: a file is missing or damaged, or there is no baseline.
    """
    rows = read_table(folder / "table.csv")
    if all(row.get("difference") for row in rows):
        raise RoadshiftError(f"{folder / 'table.csv'}: no baseline; {_AGAIN}")
    question, questions = _questions(folder / "table.md")
    params: dict[str, Mapping[str, Any]] = {}
    titles: dict[str, str] = {}
    for file in sorted(folder.glob("*.json")):
        record = read_json(file)
        try:
            params.setdefault(record["variant"], dict(_flat(record["params"])))
            for domain, score in record["domains"].items():
                titles.setdefault(domain, f"{score['data_set']} ({score['images']} images)")
        except (KeyError, TypeError, AttributeError):
            raise RoadshiftError(f"{file}: not the record of a run; {_AGAIN}") from None
    return KeptAblation(folder.name, rows, question, questions, params, titles)


def _questions(file: Path) -> tuple[str, dict[str, str]]:
    """Reads the questions of an ablation and of its variants from its table for people."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing; {_AGAIN}") from None
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    head = next((line.removeprefix("# ") for line in lines if line.startswith("# ")), "")
    return head, {name: question for name, question, *_ in (row for row in cells if row[1:])}


def _flat(content: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{place}{name}.")
        else:
            yield f"{place}{name}", value


def seeds_of(row: Mapping[str, str]) -> int:
    """Returns the number of seeds of a row of `table.csv`."""
    return len(row["seeds"].split())


def difference_of(row: Mapping[str, str]) -> Difference:
    """Returns the difference of a row of `table.csv` to the baseline, as shares."""
    return Difference(*(_share(row[key]) for key in ("difference", "low", "high")))


def verdict_of(row: Mapping[str, str]) -> Verdict:
    """Returns the verdict of a row of `table.csv`.

    Raises:
        RoadshiftError: there is no such verdict.
    """
    for verdict in get_args(Verdict):
        if row["verdict"] == verdict:
            return verdict
    raise RoadshiftError(
        f"'{row['verdict']}' is no verdict ({row['variant']} on {row['domain']}); run the ablation "
        "again"
    )


def _share(text: str) -> float | None:
    return float(text) if text else None


def forest_lines(kept: KeptAblation, domain: str) -> list[tuple[str, VariantScore]]:
    """Returns the variants on a domain for `forest_plot`.

    The table keeps the mean over the seeds alone, so each seed gets it here.
    """
    return [
        (
            row["variant"],
            VariantScore(
                (_share(row["miou"]),) * seeds_of(row),
                difference_of(row) if row["difference"] else None,
                verdict_of(row),
            ),
        )
        for row in kept.on(domain)
    ]


def ablation_sentence(kept: KeptAblation, domain: str, *, most: int = 3) -> str:
    """Says which variants score higher or lower than the baseline on a domain.

    Args:
        kept: results of the ablation.
        domain: the domain.
        most: greatest number of variants that are named of each kind; the rest is counted.

    Returns:
        Markdown.
    """
    here = [row for row in kept.on(domain) if row["difference"]]
    if not here:
        return f"no variant but `{kept.baseline}` has been run yet."
    parts = []
    for verdict in ("better", "worse"):
        found = [
            f"`{row['variant']}` ({points(float(row['difference']))}, {seeds_words(seeds_of(row))})"
            for row in (here if verdict == "better" else reversed(here))
            if row["verdict"] == verdict
        ]
        more = [f"{len(found) - most} more"] if len(found) > most else []
        if found:
            parts.append(f"**{verdict}**: {listed([*found[:most], *more])}")
    few = sum(row["verdict"] in ("one run", "two runs") for row in here)
    apart = sum(row["verdict"] == "not told apart" for row in here)
    if apart:
        parts.append(f"not told apart: {apart} of {len(here)}")
    if few:
        parts.append(
            f"without a verdict, by fewer than {SEEDS_FOR_A_VERDICT} seeds: {few} of {len(here)}"
        )
    return (
        f"on {kept.title(domain)}, in points of mIoU against `{kept.baseline}`, {'; '.join(parts)}."
    )


def ablation_table(kept: KeptAblation, domain: str) -> str:
    """Writes the whole table of an ablation in HTML, the highest difference on a domain first.

    A cell has the mIoU in percent, and below it the difference to the baseline in points with its
    interval, in the colour of what the interval shows.
    """
    others = list(dict.fromkeys(r["domain"] for r in kept.rows if r["domain"] != domain))
    cells = {(row["variant"], row["domain"]): row for row in kept.rows}
    closed = any(row.get("gap_closed") for row in kept.rows)
    body: list[list[str | Cell]] = []
    for row in kept.on(domain):
        name = row["variant"]
        scores = [_score(cells[name, other]) for other in (domain, *others)]
        gap = [shown_share(_gap_of(row))] if closed else []
        body.append(
            [
                Cell(name, verdict=row["verdict"]),
                kept.questions.get(name, ""),
                *scores,
                *gap,
                str(seeds_of(row)),
                row["minutes"] and f"{float(row['minutes']):.1f}",
            ]
        )
    heads = [kept.title(each) for each in (domain, *others)]
    head = ["variant", "question", *heads, *(["gap closed"] if closed else []), "seeds", "minutes"]
    return html_table(head, body)


def _gap_of(row: Mapping[str, str]) -> Share | None:
    value, low, high = (_share(row.get(key, "")) for key in ("gap_closed", "gap_low", "gap_high"))
    return None if value is None else Share(value, low, high)


def _score(row: Mapping[str, str]) -> Cell:
    difference = difference_of(row)
    note = "" if difference.difference is None else points(difference.difference)
    if difference.low is not None and difference.high is not None:
        note += f" ({points(difference.low)} to {points(difference.high)})"
    use = COLUMN_OF_USE.get(row.get("use", ""), "").removeprefix(", ")  # type: ignore[call-overload]
    dagger = f" {TRANSDUCTIVE}" if row.get("transductive") else ""
    text = f"{percent(_share(row['miou']))}{dagger}"
    return Cell(text, note="\n".join(filter(None, (note, use))), verdict=row["verdict"])
