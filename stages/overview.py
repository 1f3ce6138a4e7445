"""Draws a picture of every domain beside its label and what each network makes of it."""

from itertools import islice

from roadshift.determinism import be_deterministic
from roadshift.networks.files import load_network
from roadshift.outputs import whole_file
from roadshift.pictures.sheet import Panel, coloured, contact_sheet
from roadshift.records.reader import examples, open_shards
from roadshift.scoring.inference import Segmenter
from roadshift.taxonomy import load_taxonomy
from stages.entry import run
from stages.params import Params
from stages.paths import OVERVIEW, network, test

PANEL_WIDTH = 256


def main(params: Params, mixes: list[str]) -> None:
    """Write a contact sheet of predictions on the first test picture of every domain."""
    be_deterministic(params.seed)
    taxonomy = load_taxonomy(params.data.taxonomy)
    segmenters = {
        mix: Segmenter(load_network(network(mix)), params.data.max_height) for mix in mixes
    }
    rows = []
    for role in params.domains:
        shards = open_shards(test(role))
        for example in islice(examples(shards, "test"), 1):
            row = [
                Panel(f"{role}: {shards.name}", example.image),
                Panel("label", coloured(example.label, taxonomy)),
            ]
            for mix, segmenter in segmenters.items():
                prediction, _ = segmenter(example.image)
                shown = coloured(prediction, taxonomy, example.image)
                row.append(Panel(f"network trained on {' and '.join(params.mixes[mix])}", shown))
            rows.append(row)
    with whole_file(OVERVIEW) as file:
        contact_sheet(rows, taxonomy, PANEL_WIDTH).save(file, "PNG")


if __name__ == "__main__":
    run(main, "mixes")
