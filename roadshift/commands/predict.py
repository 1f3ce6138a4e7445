"""`roadshift predict`: labels of images and videos, and overlays to look at."""

from collections.abc import Collection
from itertools import islice
from pathlib import Path

import click

from roadshift.commands.inference import inference_options, load_for_inference
from roadshift.commands.output import print_json
from roadshift.errors import RoadshiftError


@click.command()
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.keras")
@click.argument("place", type=click.Path(path_type=Path), metavar="IMAGE|FOLDER|VIDEO")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("predictions"),
    show_default=True, metavar="FOLDER", help="Folder to write to; not in the folder of images.",
)  # fmt: skip
@click.option(
    "--overlay/--no-overlay", default=True, show_default=True,
    help="Write the classes' colours over the image, with a legend.",
)  # fmt: skip
@click.option(
    "--labels", type=click.Choice(["taxonomy", "cityscapes"]), default="taxonomy",
    show_default=True, help="Write labels as grey ids of the taxonomy, or in Cityscapes' colours.",
)  # fmt: skip
@click.option(
    "--probabilities", is_flag=True,
    help="Write the probability of the chosen class as grey images; white is 1.",
)  # fmt: skip
@inference_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    model: Path,
    place: Path,
    out: Path,
    overlay: bool,
    labels: str,
    probabilities: bool,
    max_height: int | None,
    max_pixels: int,
    tta_flip: bool | None,
    tta_scales: tuple[float, ...],
    as_json: bool,
) -> None:
    """Label an image, all images and videos of a folder, or a video.

    An image gives labels/NAME.png, of the image's own size, overlays/NAME.png and, with
    --probabilities, probabilities/NAME.png. A video gives overlays/NAME.mp4, and a folder
    labels/NAME with a label for each frame.

    Images are read as viewers show them: turned upright, transparency as white, 16 bits as 8.
    The exit status is 1 if an input fails; the others are predicted all the same.
    """
    from roadshift.prediction.inputs import find_inputs

    inputs, others = find_inputs(place, out)
    from roadshift.inference.tiles import TiledSegmenter
    from roadshift.prediction.log import open_log
    from roadshift.prediction.predictor import Predictor, predict_all

    trained = load_for_inference(
        model, max_height=max_height, tta_flip=tta_flip, tta_scales=tta_scales
    )
    log = open_log(out, model, trained.taxonomy, inputs=len(inputs))
    predictor = Predictor(
        segment=TiledSegmenter(trained.network, trained.inference, max_pixels).parts,
        taxonomy=trained.taxonomy,
        out=out,
        overlay=overlay,
        cityscapes=labels == "cityscapes",
        probabilities=probabilities,
    )
    predict_all(inputs, predictor, log)
    if as_json:
        print_json(log.content())
    else:
        for each in log.done:
            click.echo(each.get("overlays", each["labels"]))
    for each in log.done:
        if each.get("frames", 0) < each.get("frames_expected", 0):
            shown = f"{each['frames']} of {each['frames_expected']} frames could be read"
            click.echo(f"Warning: {each['input']}: {shown}", err=True)
    if others:
        click.echo(f"Skipped, neither images nor videos: {_listed(others)}", err=True)
    if len(inputs) == 1 and log.failed:
        raise RoadshiftError(*log.failed.values())
    if log.failed:
        raise RoadshiftError(
            f"{len(log.failed)} of {len(inputs)} inputs failed, the others are predicted: "
            f"{_listed(log.failed)}"
        )


def _listed(files: Collection[Path | str]) -> str:
    first = ", ".join(str(file) for file in islice(files, 3))
    return f"{first} and {len(files) - 3} more" if len(files) > 3 else first
