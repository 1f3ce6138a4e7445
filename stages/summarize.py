"""Writes the small tables by which DVC's commands compare runs."""

import json

from roadshift.atomic import atomic_file, atomic_folder
from roadshift.report.files import read_curves
from roadshift.report.plots import write_curve_tables
from roadshift.scoring.results import MixScores
from roadshift.scoring.tables import summarize
from stages.entry import run
from stages.params import TARGET, Params
from stages.paths import PLOTS, SUMMARY, curves_folder, scores_file


def main(params: Params) -> None:
    """Gather every mix's mIoU on all domains in metrics/summary.json, and its curves for plots."""
    scores = {mix: MixScores.load(scores_file(mix)) for mix in params.mixes}
    sources = {mix: list(weights) for mix, weights in params.mixes.items()}
    curves = {mix: read_curves(curves_folder(mix)) for mix in params.mixes}
    with atomic_folder(PLOTS) as plots, atomic_file(SUMMARY) as file:
        write_curve_tables(curves, plots)
        table = summarize(scores, sources, TARGET)
        file.write_text(json.dumps(table, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    run(main)
