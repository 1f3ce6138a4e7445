"""What confirms a search: the best candidates and the base, by seeds that chose nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ablation.columns import mean_weights, transfer_heads
from roadshift.report.ablations import transfer_column
from roadshift.scoring.comparison import Variant, VariantRow, compare_variants
from roadshift.scoring.recipes import shown_value
from roadshift.scoring.results import MixMatrices
from roadshift.scoring.transfer import TransferScores
from roadshift.scoring.verdicts import seeds_apart
from search.plan import Run, State, confirming_runs
from search.settings import Search

BASE = "base"


@dataclass(frozen=True)
class Confirmed:
    """The confirming comparison.

    Attributes:
        column: the mean over mixes and sources, by which candidates are compared.
        rows: the base, then the candidates by their score in the search.
        heads: by column, the words above it.
        floor: how far two seeds of the base lie apart, 0..1; None for one seed.
    """

    column: str
    rows: list[VariantRow]
    heads: Mapping[str, str]
    floor: float | None

    def row(self, name: str) -> VariantRow:
        """The row of a candidate."""
        return next(row for row in self.rows if row.variant.name == name)

    def miou(self, name: str) -> float:
        """The mean of a candidate over sources and seeds, 0..1."""
        return self.row(name).cells[self.column].miou or 0.0

    @property
    def chosen(self) -> str:
        """Name of the highest candidate that is told apart as better than the base; else `base`."""
        rows = [row for row in self.rows if row.cells[self.column].verdict == "better"]
        return max((row.variant.name for row in rows), key=self.miou, default=BASE)

    @property
    def highest(self) -> str | None:
        """Name of the candidate with the highest mean; None if the base alone was confirmed."""
        names = [row.variant.name for row in self.rows if row.variant.name != BASE]
        return max(names, key=self.miou, default=None)


def kept_files(folder: Path, run: Run, mix: str) -> tuple[Path, Path]:
    """The scores and the matrices of a confirming run, where all machines see them.

    Args:
        folder: folder of the journal.
        run: the run.
        mix: one of its mixes.
    """
    stem = folder / "confirm" / f"{run.name}-{mix}"
    return stem.with_suffix(".json"), stem.with_suffix(".npz")


def compare_confirmed(search: Search, state: State, folder: Path) -> Confirmed:
    """Compares the best candidates with the base, paired by images and seeds.

    Args:
        search: the search.
        state: what it has done; all confirming runs are among it.
        folder: folder of the journal.
    """
    runs = confirming_runs(search, state)
    heads, weights = _columns(search, folder, runs[BASE][0])
    variants = []
    for name, of_variant in runs.items():
        trial = of_variant[0].trial
        values = {} if trial is None else state.params[trial]
        matrices = {
            (run, mix): MixMatrices.load(kept_files(folder, run, mix)[1]).domains
            for run in of_variant
            for mix in search.settings.mixes
        }
        scores = {
            column: [matrices[run, mix][role] for run in of_variant]
            for mix in search.settings.mixes
            for role in search.scored(mix)
            if (column := transfer_column(mix, role)) in weights
        }
        minutes = [state.results[run.name].minutes for run in of_variant]
        variants.append(
            Variant(
                name=name,
                question=described(values) or "no value of the space",
                seeds=tuple(search.settings.confirm.seeds),
                scores=scores,
                minutes=sum(minutes) / len(minutes),
            )
        )
    rows = compare_variants(
        variants,
        BASE,
        settings=search.params.evaluate,
        seed=search.params.seed,
        means={search.column: weights},
    )
    return Confirmed(
        search.column,
        rows,
        heads,
        floor=seeds_apart(rows[0].cells[search.column].by_seed),
    )


def described(values: Mapping[str, object]) -> str:
    """The values of a candidate on one line."""
    return " ".join(f"{key}={shown_value(value)}" for key, value in values.items())


def _columns(search: Search, folder: Path, run: Run) -> tuple[dict[str, str], dict[str, float]]:
    """By column its head, the mean's first; and the weights of the others in that mean."""
    transfer = {
        mix: TransferScores.load(kept_files(folder, run, mix)[0]) for mix in search.settings.mixes
    }
    weights = mean_weights(transfer, held_out=search.on_held_out)
    heads = transfer_heads(transfer)
    mean = {search.column: f"{search.column}, mean"}
    return mean | {column: heads[column] for column in weights}, weights
