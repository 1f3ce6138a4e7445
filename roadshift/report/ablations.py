"""The kept tables of ablations, and how a report shows them: a table, a sentence, a chart.

An ablation keeps a table by transfer scores, which may choose a variant, and after a final look one
by test images (`Kind`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

from roadshift.errors import RoadshiftError
from roadshift.pictures.forest import ForestLine, seeds_words
from roadshift.report.conclusions import listed
from roadshift.report.files import read_json, read_table
from roadshift.report.tables import Cell, html_table
from roadshift.scoring.comparison import COLUMN_OF_USE, TRANSDUCTIVE, shown_share
from roadshift.scoring.estimate import Difference, Share
from roadshift.scoring.numbers import percent, points
from roadshift.scoring.recipes import leaves
from roadshift.scoring.verdicts import SEEDS_FOR_A_VERDICT, Verdict

NONE_RUN = (
    "None has been run yet. `make ablation FILE=experiments/ablation_synthetic.yaml` runs variants "
    "of this default, `make ablation` every single method on real images; `dvc repro` then shows "
    "them here."
)
_AGAIN = "run the ablation again"
_ROUNDING = 1.01e-4
"""Records have four decimals, and so may tables."""
Kind = Literal["transfer", "table"]
"""The kind of a table, which its files are named by: by transfer scores, or by test images."""
HELD_OUT, VAL = "held out", "val"
"""The columns by which an ablation chooses: means over mixes of their transfer scores."""


def transfer_column(mix: str, role: str) -> str:
    """The column of a network's transfer scores on a source."""
    return f"{mix}→{role}, transfer"


@dataclass(frozen=True)
class KeptAblation:
    """A kept table of an ablation.

    Attributes:
        name: name of the ablation.
        kind: whether it is by transfer scores, or by test images.
        baseline: the variant that the others are compared with.
        rows: rows of its CSV file, one for each variant and column.
        question: the question that it answers.
        questions: by variant, the question that the variant answers.
        params: by variant, its parameters by their dotted keys.
        titles: by column, its data set and its number of scored images.
        looks: the days of the looks at test images; none is known of tables of version 0.1.0.
        current: whether the table has the scores of the records beside it.
    """

    name: str
    kind: Kind
    baseline: str
    rows: Sequence[Mapping[str, str]]
    question: str
    questions: Mapping[str, str]
    params: Mapping[str, Mapping[str, Any]]
    titles: Mapping[str, str]
    looks: Sequence[str] = ()
    current: bool = True

    @property
    def columns(self) -> list[str]:
        """The columns of the table."""
        return list(dict.fromkeys(row["domain"] for row in self.rows))

    @property
    def scored_on(self) -> str:
        """The words for its images, which may choose a variant or not."""
        if self.kind == "transfer":
            return "images that may choose"
        return f"test images, a final look{f' of {listed(self.looks)}' if self.looks else ''}"

    @property
    def stale(self) -> str:
        """What to do about a table that is not current."""
        final = " FINAL=1" if self.kind == "table" else ""
        return (
            f"`{self.name}/{self.kind}.csv` is not shown: its scores are not those of the records "
            f"beside it. `make ablation FILE=experiments/{self.name}.yaml{final}` makes it anew."
        )

    def primary(self, target: str) -> str:
        """Returns the column of the verdicts: held-out sources, else val; of test, the target."""
        return self.choosing or target

    @property
    def choosing(self) -> str | None:
        """The column that may choose a variant; None of test images, none of which may."""
        if self.kind == "table":
            return None
        return HELD_OUT if HELD_OUT in self.columns else VAL

    def on(self, domain: str) -> list[Mapping[str, str]]:
        """Returns the rows of a column, the baseline first, then the highest difference first."""
        rows = [row for row in self.rows if row["domain"] == domain]
        return sorted(rows, key=lambda row: -float(row["difference"] or "inf"))

    def title(self, domain: str) -> str:
        """Returns the words for a column, with its data set where that is known."""
        return f"{domain} = {self.titles[domain]}" if domain in self.titles else domain


def kept_tables(results: Path) -> list[KeptAblation]:
    """Reads the tables of all ablations in a folder, of each the one that may choose first.

    Raises:
        RoadshiftError: a file is missing or damaged, or there is no baseline.
    """
    kinds: tuple[Kind, ...] = get_args(Kind)
    return [
        read_ablation(folder, kind)
        for folder in sorted(path for path in results.glob("*") if path.is_dir())
        for kind in kinds
        if (folder / f"{kind}.csv").is_file()
    ]


def read_ablation(folder: Path, kind: Kind) -> KeptAblation:
    """Reads a table of an ablation.

    Args:
        folder: the folder with the tables as CSV and Markdown, and a JSON file for each run.
        kind: the kind of the table.

    Raises:
        RoadshiftError: a file is missing or damaged, or there is no baseline.
    """
    file = folder / f"{kind}.csv"
    rows = read_table(file)
    question, questions = _questions(folder / f"{kind}.md")
    records = _records(folder)
    params: dict[str, Mapping[str, Any]] = {}
    titles: dict[str, str] = {}
    for record in records.values():
        params.setdefault(record["variant"], dict(leaves(record["params"])))
        for column, title in _titles(record, kind):
            titles.setdefault(column, title)
    # Records of version 0.1.0 do not name the baseline.
    bases = [record["base"] for record in records.values() if record.get("base")]
    compared = {row["variant"] for row in rows if row["difference"]}
    alone = [row["variant"] for row in rows if row["variant"] not in compared]
    baseline = next(iter([*bases, *alone]), None)
    if baseline is None or baseline not in {row["variant"] for row in rows}:
        raise RoadshiftError(f"{file}: no baseline; {_AGAIN}")
    looks = [record["final"]["date"] for record in records.values() if record.get("final")]
    return KeptAblation(
        name=folder.name,
        kind=kind,
        baseline=baseline,
        rows=rows,
        question=question,
        questions=questions,
        params=params,
        titles=titles,
        looks=sorted({*looks}) if kind == "table" else (),
        current=all(_is_current(row, records, kind) for row in rows),
    )


def _records(folder: Path) -> dict[tuple[str, int], Mapping[str, Any]]:
    """Reads the records of an ablation's runs, by variant and seed."""
    records = {}
    for file in sorted(folder.glob("*.json")):
        record = read_json(file)
        try:
            records[record["variant"], record["params"]["seed"]] = record
            for score in chain.from_iterable(_scores(record, kind) for kind in get_args(Kind)):
                _scored_miou(score[1], ""), score[1]["data_set"], score[1]["images"]
        except (KeyError, TypeError, AttributeError):
            raise RoadshiftError(f"{file}: not the record of a run; {_AGAIN}") from None
    return records


def _scores(record: Mapping[str, Any], kind: Kind) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yields the scores of a record by the column of the table that has them."""
    if kind == "table":
        yield from record["domains"].items()
        return
    for mix, found in record.get("transfer", {}).items():
        for role, score in found["domains"].items():
            yield transfer_column(mix, role), score


def _titles(record: Mapping[str, Any], kind: Kind) -> Iterator[tuple[str, str]]:
    parts: dict[str, list[str]] = {}
    for column, score in _scores(record, kind):
        splits = f" of {' and '.join(score['splits'])}" if "splits" in score else ""
        title = f"{score['data_set']} ({score['images']} images{splits})"
        yield column, title
        if kind == "transfer":
            mean = HELD_OUT if score["held_out"] else VAL
            parts.setdefault(mean, []).append(f"{column.partition(',')[0]} = {title}")
    for mean, titles in parts.items():
        yield mean, titles[0] if len(titles) == 1 else f"the mean of {listed(titles)}"


def _is_current(
    row: Mapping[str, str], records: Mapping[tuple[str, int], Mapping[str, Any]], kind: Kind
) -> bool:
    """Returns whether a row has the scores of its records, as far as these are there."""
    keys = [(row["variant"], int(seed)) for seed in row["seeds"].split()]
    if not all(key in records for key in keys):
        return True
    found = [records[key] for key in keys]
    column = row["domain"]
    if column in (HELD_OUT, VAL) or any(_is_mean(column, record, kind) for record in found):
        return True
    scores = [dict(_scores(record, kind)).get(column) for record in found]
    methods = dict.fromkeys(chain([""], *(score.get("adapted", ()) for score in scores if score)))
    return any(
        _same(row["miou"], [None if s is None else _scored_miou(s, method) for s in scores])
        for method in methods
    )


def _is_mean(column: str, record: Mapping[str, Any], kind: Kind) -> bool:
    """Returns whether a column of test images is a mean over the record's mixes."""
    return kind == "table" and len(record.get("mixes", ())) > 1 and "→" not in column


def _scored_miou(score: Mapping[str, Any], method: str) -> float | None:
    return score["adapted"][method]["miou"] if method else score["miou"]


def _same(written: str, mious: Sequence[float | None]) -> bool:
    known = [miou for miou in mious if miou is not None]
    if not written or len(known) < len(mious):
        return not written and not known
    return abs(float(written) - sum(known) / len(known)) <= _ROUNDING


def _questions(file: Path) -> tuple[str, dict[str, str]]:
    """Reads the questions of an ablation and of its variants from its table for people."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing; {_AGAIN}") from None
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    head = next((line.removeprefix("# ") for line in lines if line.startswith("# ")), "")
    return head, {name: question for name, question, *_ in (row for row in cells if row[1:])}


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


def forest_lines(kept: KeptAblation, domain: str) -> list[ForestLine]:
    """Returns the variants in a column for `forest_plot`."""
    return [
        ForestLine(
            row["variant"],
            difference_of(row) if row["difference"] else None,
            verdict_of(row),
            seeds_of(row),
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
    interval, in the colour of its verdict.
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
