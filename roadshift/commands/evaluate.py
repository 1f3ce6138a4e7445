"""`roadshift evaluate`: the scores of a network on pictures that are not in the workflow."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from roadshift.commands.inference import inference_options
from roadshift.commands.output import completion, console, print_json, quieten_tensorflow, table
from roadshift.datasets.card import card_names, load_card
from roadshift.datasets.splits import SPLITS, Parting
from roadshift.scoring.settings import EvaluateSettings

ALL = "all"
VAL_SHARE, TEST_SHARE = 0.1, 0.3
"""Of a set that is parted by group or at random: those that params.yaml comes with."""


@click.command()
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.keras")
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER")
@click.option(
    "--card", "name", required=True, metavar="NAME", shell_complete=completion(card_names),
    help="The data set's card, which says where pictures and labels lie in the folder.",
)  # fmt: skip
@click.option(
    "--split", type=click.Choice([*SPLITS, ALL]), default="test", show_default=True,
    help="Which pictures; all takes what there is, without parting it.",
)  # fmt: skip
@click.option(
    "--split-by", default="official", show_default=True, metavar="WAY",
    help="How the set is parted, as data.split.by: official, group, random, or a way of the card.",
)  # fmt: skip
@click.option(
    "--split-seed", type=click.IntRange(0), default=0, show_default=True,
    help="Of what is parted by seed, as data.split.seed.",
)  # fmt: skip
@inference_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    model: Path,
    folder: Path,
    name: str,
    split: str,
    split_by: str,
    split_seed: int,
    max_height: int,
    max_pixels: int,
    flip: bool,
    scales: tuple[float, ...],
    as_json: bool,
) -> None:
    """Score a network on the labelled pictures of a folder, laid out as a data set's card says.

    Labels are mapped to the network's own taxonomy, and scored at their own resolution: mIoU
    with its interval over the pictures, and the IoU of every class, as in metrics/<mix>.json. A
    set whose labels are too coarse for the taxonomy is refused.
    """
    card = load_card(name)
    quieten_tensorflow()
    from roadshift.prediction.labelled import LabelledFolder
    from roadshift.prediction.network import load_with_taxonomy
    from roadshift.prediction.tiles import TiledSegmenter
    from roadshift.scoring.inference import score_examples
    from roadshift.scoring.report import score_domain

    network, taxonomy = load_with_taxonomy(model)
    # What it says of the folder is not part of the scores.
    with redirect_stdout(sys.stderr):
        parting = Parting(by=split_by, seed=split_seed, val=VAL_SHARE, test=TEST_SHARE)
        chosen = None if split == ALL else split
        pictures = LabelledFolder(card, folder, taxonomy, chosen, parting)
    settings, classes = EvaluateSettings(), taxonomy.class_names
    segmenter = TiledSegmenter(network, max_height, max_pixels, flip, scales)
    scored = score_examples(segmenter, pictures, len(classes), settings.calibration_bins)
    found = scored.ids, scored.matrices, scored.calibration
    scores = {
        "model": str(model),
        "taxonomy": taxonomy.name,
        "data_set": card.name,
        "split": split,
        **score_domain(*found, classes, settings),
    }
    if as_json:
        print_json(scores)
    else:
        _print(scores)


def _print(scores: dict[str, Any]) -> None:
    out = console()
    title = f"{scores['model']} on {scores['data_set']}, {scores['split']}"
    out.print(f"{title}: {scores['pictures']} pictures in {scores['taxonomy']}\n")
    grid = table("class", "IoU %")
    for name, iou in scores["iou"].items():
        grid.add_row(name, "absent" if iou is None else f"{100 * iou:.1f}")
    out.print(grid)
    if scores["miou"] is None:
        out.print("\nmIoU: none, no labelled pixel is of a class that is scored")
        return
    interval = ""
    if scores["miou_low"] is not None:
        low, high = 100 * scores["miou_low"], 100 * scores["miou_high"]
        interval = f" ({low:.1f} to {high:.1f})"
    counted = scores["classes_scored"]
    out.print(f"\nmIoU {100 * scores['miou']:.1f}{interval} over {counted} classes")
    out.print(f"pixel accuracy {100 * scores['pixel_accuracy']:.1f}")
