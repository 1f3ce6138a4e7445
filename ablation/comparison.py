"""The results of an ablation: Markdown tables for people, CSV tables for programs, charts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ablation.columns import Columns, Outcome, test_columns, transfer_columns
from ablation.race import Race, Settled
from ablation.variants import Ablation, VariantSettings
from ablation.writing import noise_floor, write_rows, write_text
from roadshift.atomic import atomic_file
from roadshift.pictures.forest import ForestLine, forest_plot
from roadshift.report.ablations import Kind
from roadshift.report.budgets import TrainedVariant, budget_curves
from roadshift.report.charts import budget_chart, write_svg
from roadshift.scoring.comparison import (
    TRANSDUCTIVE,
    Variant,
    VariantRow,
    compare_variants,
    comparison_rows,
    comparison_table,
)
from roadshift.scoring.recipes import leaves
from roadshift.scoring.results import target_use
from roadshift.scoring.verdicts import SEEDS_FOR_A_VERDICT, seeds_apart
from stages.params import TARGET
from stages.paths import ablation_results

TEXT = """# {question}

{scored}

{mixes}. mIoU in percent; after the colon the difference to `{baseline}` in points with its
{level:g} % interval over the scored images and, where both have several seeds, over seeds. *Better*
and *worse* need {needed} seeds of both, and hold for all rows of a column together (Holm). Several
seeds: their mean, and each in brackets. {floor} Minutes: wall-clock time of training and scoring
one run, since its last interruption; processor minutes: the same on all cores together, which other
work on the machine changes little.{notes}

{table}"""
MAY_CHOOSE = """Scored on images that may choose a variant: of sources that a network was not
trained on (held out) train and val, of its own val. No test image is among them, and nothing of the
target."""
FINAL = """**A look at the test images and the target**, {looks}. They are for a final comparison: a
variant that is chosen by them makes them images that chose."""
CLOSED = (
    """ Gap closed: how much of the way from the baseline to `{oracle}`, by mIoU on the target."""
)
ADAPTED = f""" {TRANSDUCTIVE} Transductive: the network was adapted to the very images that are
scored, on every domain."""
RACE = """ Race: each variant may run {seeds} seeds, and is looked at after {first} and after each
further one. It runs no further seed once it is decided by {column}, or could hardly be any more.
P-values count {looks} times, the number of looks, and all {variants} variants beside `{baseline}`
count, run or not, so that any verdict of a column is by chance with a probability of at most
{error:g} %. A variant is compared with the same seeds of `{baseline}`."""


@dataclass(frozen=True)
class Results:
    """The outcomes of an ablation until now.

    Attributes:
        ablation: settings and runs of the ablation.
        outcomes: outcomes of the runs that have ended, by the run's name.
        failed: names of the runs that failed.
        settled: by variant of a race, why it ran no further seed, and after how many.
    """

    ablation: Ablation
    outcomes: dict[str, Outcome]
    failed: list[str]
    settled: dict[str, tuple[Settled, int]]

    def variant(self, name: str) -> Variant | None:
        """The variant with its runs that have ended; None where it is not whole.

        In a race, a variant without a failed run counts with the seeds that it has run.
        """
        names = [run.name for run in self.ablation.runs if run.variant.name == name]
        ended = [run for run in names if run in self.outcomes]
        racing = self.ablation.settings.race is not None
        if not ended or any(run in self.failed for run in names):
            return None
        if len(ended) < len(names) and not racing:
            return None
        settings = next(v for v in self.ablation.settings.variants if v.name == name)
        return _variant(settings, [self.outcomes[run] for run in ended])

    @property
    def first(self) -> Outcome | None:
        """The first outcome of the baseline; None where it has none."""
        return self.outcomes.get(self.ablation.runs[0].name)

    def race(self) -> Race:
        """The rules of the race, by what the baseline was scored on."""
        settings, params = self.ablation.settings, self.ablation.runs[0].params
        if settings.race is None or self.first is None:
            raise ValueError("no race, or no outcome of the baseline")
        return Race(
            seeds=len(settings.seeds or []),
            # Also those that --only leaves out: whoever runs them one by one has as many chances.
            variants=len(settings.variants) - 1,
            error=settings.race.error,
            weights=transfer_columns(self.first.record).weights,
            samples=params.evaluate.bootstrap_samples,
            seed=params.seed,
        )


def chart_file(ablation: str, kind: Kind) -> Path:
    """The chart of a table of an ablation."""
    return Path("report/ablations") / f"{ablation}{'-final' if kind == 'table' else ''}.png"


def write_comparison(results: Results, kind: Kind) -> Path | None:
    """Writes a table, for people and for programs, and its chart.

    Returns:
        The file of the Markdown table; None if the baseline has not run yet.
    """
    ablation = results.ablation
    settings, baseline = ablation.settings, ablation.runs[0]
    variants, left_out = [], []
    for each in settings.variants:
        if found := results.variant(each.name):
            variants.append(found)
        else:
            names = [run.name for run in ablation.runs if run.variant.name == each.name]
            reason = "failed" if {*names} & {*results.failed} else "not run yet"
            left_out.append(f"`{each.name}` ({reason if names else 'not asked for'})")
    if results.first is None or settings.base not in (compared.name for compared in variants):
        return None
    record = results.first.record
    columns = transfer_columns(record) if kind == "transfer" else test_columns(record)
    evaluate, race = baseline.params.evaluate, results.race() if settings.race else None
    if race is not None:
        evaluate = evaluate.model_copy(update={"confidence_level": 1 - race.error})
    # The oracle may not have run yet, or not be asked for.
    has_oracle = kind == "table" and settings.oracle in [variant.name for variant in variants]
    rows = compare_variants(
        [variant.on(columns.singles) for variant in variants],
        settings.base,
        settings=evaluate,
        seed=baseline.params.seed,
        target=TARGET,
        oracle=settings.oracle if has_oracle else None,
        means=columns.means,
        looks=race.looks if race else 1,
        family=race.variants if race else None,
    )
    text = TEXT.format(
        question=settings.question,
        scored=MAY_CHOOSE if kind == "transfer" else FINAL.format(looks=_looks(results)),
        mixes=f"Mix{'es' if settings.mixes else ''} `{'`, `'.join(settings.all_mixes)}`",
        baseline=settings.base,
        level=100 * evaluate.confidence_level,
        needed=SEEDS_FOR_A_VERDICT,
        floor=_floor(rows, settings.base, columns),
        notes=_notes(rows, results, columns, race),
        table=comparison_table(rows, columns.heads, TARGET),
    )
    if left_out:
        text += f"\nLeft out: {', '.join(left_out)}.\n"
    folder = ablation_results(ablation.name)
    write_text(folder / f"{kind}.md", text)
    write_rows(folder / f"{kind}.csv", list(comparison_rows(rows)))
    figure = forest_plot(
        [ForestLine.of(row.variant.name, row.cells[columns.primary]) for row in rows],
        title=f"{settings.question}\n{columns.heads[columns.primary]}",
        x_label=f"mIoU, points above {settings.base}, {100 * evaluate.confidence_level:g} % "
        "interval",
    )
    with atomic_file(chart_file(ablation.name, kind)) as file:
        figure.savefig(file, format="png")
    title = f"{settings.question}\n{columns.heads[columns.primary]}"
    _write_curves(folder / f"{kind}-minutes.svg", rows, results, columns.primary, title)
    return folder / f"{kind}.md"


def _write_curves(
    file: Path, rows: Sequence[VariantRow], results: Results, column: str, title: str
) -> None:
    """Writes the chart of mIoU over processor time, or removes an earlier one without a curve."""
    params = {o.record.variant: dict(leaves(o.record.params)) for o in results.outcomes.values()}
    curves = budget_curves(
        TrainedVariant(
            name=row.variant.name,
            params=params[row.variant.name],
            minutes=row.variant.processor_minutes,
            miou=row.cells[column].miou,
            by_seed=[miou for miou in row.cells[column].by_seed if miou is not None],
        )
        for row in rows
    )
    if not curves:
        file.unlink(missing_ok=True)
        return
    with atomic_file(file) as partial:
        write_svg(budget_chart(curves, title), partial)


def _looks(results: Results) -> str:
    found = [o.record.final for o in results.outcomes.values() if o.record.final is not None]
    return " and ".join(sorted({f"{each.date} at git revision {each.revision}" for each in found}))


def _notes(
    rows: Sequence[VariantRow], results: Results, columns: Columns, race: Race | None
) -> str:
    settings, notes = results.ablation.settings, ""
    if any(row.gap_closed is not None for row in rows):
        notes += CLOSED.format(oracle=settings.oracle)
    if any(row.variant.transductive for row in rows):
        notes += ADAPTED
    if race is not None and results.first is not None:
        notes += RACE.format(
            seeds=race.seeds,
            first=SEEDS_FOR_A_VERDICT,
            column=f"*{transfer_columns(results.first.record).primary}*",
            looks=race.looks,
            variants=race.variants,
            error=100 * race.error,
            baseline=settings.base,
        )
        ended = [
            f"`{name}` after {seeds} ({why})" for name, (why, seeds) in results.settled.items()
        ]
        notes += f" Ended early: {', '.join(ended)}." if ended else ""
    return notes


def _floor(rows: Sequence[VariantRow], baseline: str, columns: Columns) -> str:
    cells = next(row.cells for row in rows if row.variant.name == baseline)
    apart = {name: seeds_apart(cells[name].by_seed) for name in columns.heads}
    return noise_floor(f"`{baseline}`", apart)


def _variant(settings: VariantSettings, outcomes: Sequence[Outcome]) -> Variant:
    records = [outcome.record for outcome in outcomes]
    cells = [outcome.cells for outcome in outcomes]
    return Variant(
        name=settings.name,
        question=settings.question,
        seeds=tuple(outcome.record.seed for outcome in outcomes),
        scores={column: [each[column] for each in cells] for column in cells[0]},
        minutes=_mean([record.minutes for record in records]),
        processor_minutes=_mean([record.processor_minutes for record in records]),
        use=target_use(outcomes[0].record.target_images),
        transductive=settings.scored != "plain",
    )


def _mean(measured: Sequence[float | None]) -> float | None:
    known = [minutes for minutes in measured if minutes is not None]
    return sum(known) / len(known) if known else None
