"""Draws an image of every domain beside its label and the prediction of each network."""

from roadshift.atomic import atomic_file
from roadshift.pictures.sheet import Panel, coloured, contact_sheet
from roadshift.records.reader import all_partial_labels, examples, open_shards
from roadshift.report.conclusions import listed
from roadshift.scoring.results import ExamplePredictions
from roadshift.taxonomy import load_taxonomy
from stages.entry import run
from stages.params import Params
from stages.paths import OVERVIEW, TEST, predictions_file

PANEL_WIDTH = 256


def main(params: Params) -> None:
    """Write a contact sheet of predictions on the first test image of every domain."""
    taxonomy = load_taxonomy(params.data.taxonomy)
    predictions = {
        mix: ExamplePredictions.load(predictions_file(mix)).domains for mix in params.mixes
    }
    rows = []
    domains = {role: open_shards(TEST / role) for role in params.domains}
    for role, shards in domains.items():
        example = next(examples(shards, "test", {0}))
        row = [
            Panel(f"{role}: {shards.name}", example.image),
            Panel("label", coloured(example.label, taxonomy)),
        ]
        for mix, sources in params.mixes.items():
            shown = coloured(predictions[mix][role][example.id], taxonomy, example.image)
            row.append(Panel(f"network trained on {listed(list(sources))}", shown))
        rows.append(row)
    with atomic_file(OVERVIEW) as file:
        sheet = contact_sheet(
            rows, taxonomy, PANEL_WIDTH, partial_labels=all_partial_labels(domains.values())
        )
        sheet.save(file, "PNG")


if __name__ == "__main__":
    run(main)
