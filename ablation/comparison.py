"""The results of an ablation: a Markdown table for people, a CSV table for programs, a chart."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ablation.records import RunRecord
from ablation.variants import Ablation, VariantSettings
from roadshift.atomic import atomic_file
from roadshift.pictures.forest import forest_plot
from roadshift.scoring.comparison import (
    TRANSDUCTIVE,
    Variant,
    compare_variants,
    comparison_rows,
    comparison_table,
)
from roadshift.scoring.results import ImageMatrices, target_use
from roadshift.scoring.tables import domain_title
from stages.params import TARGET
from stages.paths import ablation_results

TEXT = """# {question}

Mix `{mix}`. mIoU in percent; after the colon the difference to `{baseline}` in points with its
{level:g} % interval over the scored images (paired bootstrap), and *better* or *worse* where the
interval excludes 0. The intervals say nothing about other seeds, and are not widened for the number
of variants. Several seeds: their mean, and each in brackets. Minutes: wall-clock time of training
and scoring one network, since its last interruption.{notes}

{table}"""
CLOSED = (
    """ Gap closed: how much of the way from the baseline to `{oracle}`, by mIoU on the target."""
)
ADAPTED = f""" {TRANSDUCTIVE} Transductive: the network was adapted to the very images that are
scored, on every domain."""


@dataclass(frozen=True)
class Outcome:
    """A run that has ended.

    Attributes:
        record: record of the run.
        scores: confusion matrices of the scored images, by domain.
        ran: whether any of its stages had to run.
    """

    record: RunRecord
    scores: Mapping[str, ImageMatrices]
    ran: bool


def chart_file(ablation: str) -> Path:
    """The chart of an ablation."""
    return Path("report/ablations") / f"{ablation}.png"


def write_comparison(
    ablation: Ablation, outcomes: Mapping[str, Outcome], failed: Sequence[str]
) -> Path | None:
    """Writes the tables and the chart.

    Args:
        ablation: settings and runs of the ablation.
        outcomes: outcomes of the runs that have ended, by the run's name.
        failed: names of the runs that failed.

    Returns:
        The file of the Markdown table; None if the baseline has not run yet.
    """
    settings = ablation.settings
    variants, left_out = [], []
    for variant in settings.variants:
        names = [run.name for run in ablation.runs if run.variant.name == variant.name]
        if names and all(name in outcomes for name in names):
            variants.append(_variant(variant, [outcomes[name] for name in names]))
        else:
            reason = "failed" if any(name in failed for name in names) else "not run yet"
            left_out.append(f"`{variant.name}` ({reason if names else 'not asked for'})")
    if settings.base not in (compared.name for compared in variants):
        return None
    baseline = ablation.runs[0]
    evaluate = baseline.params.evaluate
    rows = compare_variants(
        variants,
        settings.base,
        settings=evaluate,
        seed=baseline.params.seed,
        target=TARGET,
        oracle=settings.oracle,
    )
    domains = outcomes[baseline.name].record.domains
    heads = {domain: domain_title(domain, score) for domain, score in domains.items()}
    level = 100 * evaluate.confidence_level
    notes = ""
    if any(row.gap_closed is not None for row in rows):
        notes += CLOSED.format(oracle=settings.oracle)
    if any(compared.transductive for compared in variants):
        notes += ADAPTED
    text = TEXT.format(
        question=settings.question,
        mix=settings.mix,
        baseline=settings.base,
        level=level,
        notes=notes,
        table=comparison_table(rows, heads, TARGET),
    )
    if left_out:
        text += f"\nLeft out: {', '.join(left_out)}.\n"
    folder = ablation_results(ablation.name)
    with atomic_file(folder / "table.md") as file:
        file.write_text(text, "utf-8")
    flat = list(comparison_rows(rows))
    with (
        atomic_file(folder / "table.csv") as file,
        file.open("w", encoding="utf-8", newline="") as sink,
    ):
        writer = csv.DictWriter(sink, list(flat[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
    figure = forest_plot(
        [(row.variant.name, row.cells[TARGET]) for row in rows],
        title=f"{settings.question}\n{heads[TARGET]}",
        x_label=f"mIoU, points above {settings.base}, {level:g} % interval",
    )
    with atomic_file(chart_file(ablation.name)) as file:
        figure.savefig(file, format="png")
    return folder / "table.md"


def _variant(settings: VariantSettings, outcomes: Sequence[Outcome]) -> Variant:
    minutes = [o.record.minutes for o in outcomes if o.record.minutes is not None]
    return Variant(
        name=settings.name,
        question=settings.question,
        seeds=tuple(outcome.record.seed for outcome in outcomes),
        scores={domain: [o.scores[domain] for o in outcomes] for domain in outcomes[0].scores},
        minutes=sum(minutes) / len(minutes) if minutes else None,
        use=target_use(outcomes[0].record.target_images),
        transductive=settings.scored != "plain",
    )
