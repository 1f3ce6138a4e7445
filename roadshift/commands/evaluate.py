"""`roadshift evaluate`: the scores of a network on images that are not in the workflow."""

import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roadshift.commands.inference import inference_options, load_for_inference
from roadshift.commands.output import completion, console, print_json, table
from roadshift.datasets.card import card_names, load_card
from roadshift.datasets.detection import card_of_folder
from roadshift.datasets.pairing import find_pairs, pair_files
from roadshift.datasets.splits import SPLITS, SplitConfig
from roadshift.datasets.walk import find_files, is_image
from roadshift.errors import RoadshiftError
from roadshift.scoring.numbers import percent, percent_interval
from roadshift.scoring.settings import EvaluateSettings

if TYPE_CHECKING:
    from roadshift.datasets.card import Card
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
    on the classes that its labels tell apart. Of images without labels it says what can be done
    with them.
    """
    card = load_card(name) if name else card_of_folder(folder)
    if not card.layout.has_labels:
        _print_unlabelled(model, card, folder, as_json=as_json)
        return
    if name is None and (number := _unlabelled_images(card, folder)):
        raise RoadshiftError(
            f"{folder}: {number} images and no label, so there is no score; "
            f"{'; '.join(_without_labels(model, folder))}; or add labels as the card "
            f"'{card.name}' says"
        )
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


def _unlabelled_images(card: "Card", folder: Path) -> int:
    """Returns the number of images of a folder that has no label; 0 if it has one, or no image."""
    if not folder.is_dir() or card.layout.is_shared or any(folder.glob(card.encoding)):
        return 0
    found = find_pairs(card, folder, None)
    if found.pairs or not all(each.is_image for each in found.alone):
        return 0
    return found.images or sum(is_image(file) for file in find_files(folder).files)


def _without_labels(model: Path, folder: Path) -> list[str]:
    """Says what can be done with images that have no labels."""
    shown = f"{shlex.quote(str(model))} {shlex.quote(str(folder))}"
    return [
        f"`roadshift predict {shown}` labels them",
        f"`roadshift estimate {shown}` says how good the labels will be",
        f"`roadshift pick {shown}` says which images to label first",
    ]


def _print_unlabelled(model: Path, card: "Card", folder: Path, *, as_json: bool) -> None:
    if not folder.is_dir():
        raise RoadshiftError(f"{folder}: there is no such folder")
    with redirect_stdout(sys.stderr):
        images = len(pair_files(card, folder, card.splits.published))
    advice = _without_labels(model, folder)
    if as_json:
        head = {"model": str(model), "data_set": card.name, "images": images}
        print_json(head | {"miou": None, "labels": "none", "advice": advice})
        return
    click.echo(f"{card.name}: {images} images without labels, so there is no score. With them:")
    for line in (
        *advice,
        "at data/own, `dvc exp run -S domains.target=unlabelled -S adapt.self_training.weight=1` "
        "adapts a network to them",
    ):
        click.echo(f"  {line}")


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
