"""`roadshift evaluate`: the scores of a network on images that are not in the workflow."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from roadshift.commands.inference import inference_options, load_for_inference
from roadshift.commands.output import completion, console, print_json, table
from roadshift.datasets.card import card_names, load_card
from roadshift.datasets.splits import SPLITS, SplitConfig
from roadshift.scoring.numbers import percent, percent_interval
from roadshift.scoring.settings import EvaluateSettings

if TYPE_CHECKING:
    from roadshift.scoring.results import DomainScores

ALL = "all"
VAL_SHARE, TEST_SHARE = 0.1, 0.3
"""Shares of val and test where a set is split by group or at random; params.yaml has the same."""


@click.command()
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.keras")
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER")
@click.option(
    "--card", "name", required=True, metavar="NAME", shell_complete=completion(card_names),
    help="Card of the data set, which says where images and labels lie in the folder.",
)  # fmt: skip
@click.option(
    "--split", type=click.Choice([*SPLITS, ALL]), default="test", show_default=True,
    help="Split to score; all scores every image of the folder.",
)  # fmt: skip
@click.option(
    "--split-by", default="official", show_default=True, metavar="SCHEME",
    help="Split scheme, as data.split.by: official, group, random, or one that the card names.",
)  # fmt: skip
@click.option(
    "--split-seed", type=click.IntRange(0), default=0, show_default=True,
    help="Seed of the split, as data.split.seed.",
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
    max_height: int | None,
    max_pixels: int,
    tta_flip: bool | None,
    tta_scales: tuple[float, ...],
    as_json: bool,
) -> None:
    """Score a network on the labelled images of a folder, laid out as a data set's card says.

    Labels are mapped to the network's own taxonomy, and scored at their own resolution: mIoU
    with its interval over the images, and the IoU of every class, as in metrics/scores/<mix>.json.
    A set whose labels are too coarse for the taxonomy is refused.
    """
    card = load_card(name)
    from roadshift.inference.scorers import score_examples
    from roadshift.inference.tiles import TiledSegmenter
    from roadshift.prediction.labelled import LabelledFolder
    from roadshift.scoring.domain_metrics import score_domain

    trained = load_for_inference(
        model, max_height=max_height, tta_flip=tta_flip, tta_scales=tta_scales
    )
    # Messages about the folder go to stderr, since they are not part of the scores.
    with redirect_stdout(sys.stderr):
        split_config = SplitConfig(by=split_by, seed=split_seed, val=VAL_SHARE, test=TEST_SHARE)
        chosen = None if split == ALL else split
        images = LabelledFolder(
            card, folder, trained.taxonomy, split=chosen, split_config=split_config
        )
    settings, classes = EvaluateSettings(), trained.taxonomy.class_names
    found = score_examples(
        TiledSegmenter(trained.network, trained.inference, max_pixels),
        images,
        classes=len(classes),
        calibration_bins=settings.calibration_bins,
    )
    scores = score_domain(
        found.matrices,
        found.calibration,
        data_set=card.name,
        class_names=classes,
        settings=settings,
    )
    head = {"model": str(model), "taxonomy": trained.taxonomy.name, "split": split}
    if as_json:
        print_json(head | scores.model_dump(exclude={"adapted"}))
    else:
        _print(head, scores)


def _print(head: dict[str, str], scores: "DomainScores") -> None:
    out = console()
    title = f"{head['model']} on {scores.data_set}, {head['split']}"
    out.print(f"{title}: {scores.images} images in {head['taxonomy']}\n")
    grid = table("class", "IoU %")
    for name, iou in scores.iou.items():
        grid.add_row(name, "absent" if iou is None else percent(iou))
    out.print(grid)
    if scores.miou is None:
        out.print("\nmIoU: none, since no pixel is labelled with a scored class")
        return
    interval = f" ({percent_interval(scores.interval)})" if scores.interval else ""
    out.print(f"\nmIoU {percent(scores.miou)}{interval} over {scores.classes_scored} classes")
    out.print(f"pixel accuracy {percent(scores.pixel_accuracy)}")
