"""`roadshift evaluate`: the scores of a network on images that are not in the workflow."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roadshift.commands.inference import inference_options, load_for_inference
from roadshift.commands.output import completion, console, print_json, table
from roadshift.datasets.card import card_names, load_card
from roadshift.datasets.detection import card_of_folder
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
    "--card", "name", metavar="NAME", shell_complete=completion(card_names),
    help="Card of the data set, or path of a card's file (.yaml), which says where images and "
    "labels lie in the folder. A label tool's export needs none, nor does a folder as the card "
    "'folder' describes it.",
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
@click.option(
    "--partial-labels", is_flag=True,
    help="Accept labels too coarse for the network's taxonomy, as data.partial_labels: classes "
    "that they do not tell apart are joined.",
)  # fmt: skip
@inference_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    model: Path,
    folder: Path,
    name: str | None,
    split: str,
    split_by: str,
    split_seed: int,
    partial_labels: bool,
    max_height: int | None,
    max_pixels: int,
    tta_flip: bool | None,
    tta_scales: tuple[float, ...],
    as_json: bool,
) -> None:
    """Score a network on the labelled images of a folder, laid out as a data set's card says.

    Labels are mapped to the network's own taxonomy, and scored at their own resolution: mIoU
    with its interval over the images, and the IoU of every class, as in metrics/scores/<mix>.json.
    A set whose labels are too coarse for the taxonomy is refused, or with --partial-labels scored
    on the classes that its labels tell apart.
    """
    card = load_card(name) if name else card_of_folder(folder)
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
            card,
            folder,
            trained.taxonomy,
            split=chosen,
            split_config=split_config,
            accept_partial_labels=partial_labels,
        )
    settings, classes = EvaluateSettings(), trained.taxonomy.class_names
    found = score_examples(
        TiledSegmenter(trained.network, trained.inference, max_pixels),
        images,
        classes=len(classes),
        calibration_bins=settings.calibration_bins,
        partial_labels=images.partial_labels,
    )
    scores = score_domain(
        found.matrices,
        found.calibration,
        data_set=card.name,
        class_names=classes,
        settings=settings,
        partial_labels=found.partial_labels,
    )
    head: dict[str, Any] = {
        "model": str(model),
        "taxonomy": trained.taxonomy.name,
        "split": split,
    }
    if found.partial_labels:
        head["partial_labels"] = [partial.name for partial in found.partial_labels]
    if as_json:
        print_json(head | scores.model_dump(exclude={"adapted"}))
    else:
        _print(head, scores)


def _print(head: dict[str, Any], scores: "DomainScores") -> None:
    out = console()
    title = f"{head['model']} on {scores.data_set}, {head['split']}"
    out.print(f"{title}: {scores.images} images in {head['taxonomy']}\n")
    grid = table("class", "IoU %")
    shown = {name: "absent" if iou is None else percent(iou) for name, iou in scores.iou.items()}
    shown |= dict.fromkeys(scores.joined_parts, "joined")
    for name, iou in scores.joined.items():
        shown[name] = "absent" if iou is None else percent(iou)
    for row in shown.items():
        grid.add_row(*row)
    out.print(grid)
    if scores.joined:
        names = "; ".join(head["partial_labels"])
        out.print(f"\njoined, since labels do not tell them apart: {names}")
    if scores.miou is None:
        out.print("\nmIoU: none, since no pixel is labelled with a scored class")
        return
    interval = f" ({percent_interval(scores.interval)})" if scores.interval else ""
    out.print(f"\nmIoU {percent(scores.miou)}{interval} over {scores.classes_scored} classes")
    out.print(f"pixel accuracy {percent(scores.pixel_accuracy)}")
