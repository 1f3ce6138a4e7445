"""`roadshift predict`: labels of pictures and videos, and overlays to look at."""

import sys
from collections.abc import Collection
from itertools import islice
from pathlib import Path

import click

from roadshift.commands.inference import inference_options
from roadshift.commands.output import print_json, quieten_tensorflow
from roadshift.errors import RoadshiftError
from roadshift.progress import progress_bar


@click.command()
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.keras")
@click.argument("place", type=click.Path(path_type=Path), metavar="PICTURE|FOLDER|VIDEO")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("predictions"),
    show_default=True, metavar="FOLDER", help="Where to write; not in the folder of pictures.",
)  # fmt: skip
@click.option(
    "--overlay/--no-overlay", default=True, show_default=True,
    help="Write the classes' colours over the picture, with a legend.",
)  # fmt: skip
@click.option(
    "--labels", type=click.Choice(["taxonomy", "cityscapes"]), default="taxonomy",
    show_default=True, help="Labels as grey ids of the taxonomy, or in Cityscapes' colours.",
)  # fmt: skip
@click.option(
    "--probabilities", is_flag=True,
    help="Write the probability of the chosen class as grey pictures, white is 1.",
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
    max_height: int,
    max_pixels: int,
    flip: bool,
    scales: tuple[float, ...],
    as_json: bool,
) -> None:
    """Label a picture, all pictures and videos of a folder, or a video.

    Writes labels/NAME.png, of the picture's own size, overlays/NAME.png and, if wanted,
    probabilities/NAME.png. Of a video: overlays/NAME.mp4, and a folder labels/NAME with a label a
    frame.

    Pictures are taken as they are seen: turned upright, transparency as white, 16 bits as 8.
    Status 1 where one could not be read; the others are done all the same.
    """
    from roadshift.prediction.inputs import find_inputs

    inputs, others = find_inputs(place, out)
    quieten_tensorflow()
    from roadshift.prediction.network import load_with_taxonomy
    from roadshift.prediction.predictor import Predictor
    from roadshift.prediction.record import open_record
    from roadshift.prediction.tiles import TiledSegmenter

    network, taxonomy = load_with_taxonomy(model)
    record = open_record(out, model, taxonomy)
    segmenter = TiledSegmenter(network, max_height, max_pixels, flip, scales)
    cityscapes = labels == "cityscapes"
    predictor = Predictor(segmenter, taxonomy, out, overlay, cityscapes, probabilities)
    with progress_bar("predict", "input", len(inputs)) as progress:
        for given in inputs:
            try:
                record.done.append(predictor.predict(given))
            except RoadshiftError as error:
                record.failed[str(given.file)] = str(error)
                if len(inputs) > 1:
                    progress.write(f"Error: {error}", file=sys.stderr)
            progress.update()
    record.write()
    if as_json:
        print_json(record.content())
    else:
        for each in record.done:
            click.echo(each.get("overlays", each["labels"]))
    for each in record.done:
        if each.get("frames", 0) < each.get("frames_expected", 0):
            shown = f"{each['frames']} of {each['frames_expected']} frames could be read"
            click.echo(f"Warning: {each['input']}: {shown}", err=True)
    if others:
        click.echo(f"Passed over, neither pictures nor videos: {_listed(others)}", err=True)
    if len(inputs) == 1 and record.failed:
        raise RoadshiftError(*record.failed.values())
    if record.failed:
        raise RoadshiftError(
            f"{len(record.failed)} of {len(inputs)} could not be read, the others are done: "
            f"{_listed(record.failed)}"
        )


def _listed(files: Collection[Path | str]) -> str:
    first = ", ".join(str(file) for file in islice(files, 3))
    return f"{first} and {len(files) - 3} more" if len(files) > 3 else first
