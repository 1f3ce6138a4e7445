"""Writes the small table by which `dvc metrics diff` and `dvc exp show` compare runs."""

import json

from roadshift.atomic import atomic_file
from roadshift.scoring.results import MixScores
from roadshift.scoring.tables import summarize
from stages.entry import run
from stages.params import TARGET, Params
from stages.paths import SUMMARY, scores_file


def main(params: Params) -> None:
    """Gather the mIoU of every mix on every domain into metrics/summary.json."""
    scores = {mix: MixScores.load(scores_file(mix)) for mix in params.mixes}
    sources = {mix: list(weights) for mix, weights in params.mixes.items()}
    with atomic_file(SUMMARY) as file:
        table = summarize(scores, sources, TARGET)
        file.write_text(json.dumps(table, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    run(main)
