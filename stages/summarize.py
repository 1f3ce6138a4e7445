"""Writes the small table that `dvc metrics diff` and `dvc exp show` are for."""

import json

from roadshift.outputs import whole_file
from roadshift.scoring.tables import summarize, target_use
from stages.entry import run
from stages.params import TARGET, Params
from stages.paths import SUMMARY, scores


def main(params: Params, mixes: list[str]) -> None:
    """Gather the mIoU of every mix on every domain into metrics/summary.json."""
    scored = {mix: json.loads(scores(mix).read_text("utf-8")) for mix in mixes}
    domains = {mix: found["domains"] for mix, found in scored.items()}
    uses = {mix: target_use(found["target_pictures"]) for mix, found in scored.items()}
    sources = {mix: list(params.mixes[mix]) for mix in mixes}
    with whole_file(SUMMARY) as file:
        table = summarize(domains, sources, TARGET, uses)
        file.write_text(json.dumps(table, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    run(main, "mixes")
