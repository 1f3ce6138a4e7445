"""`roadshift export`: a network in the format of another runtime, compared with the original."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roadshift.commands.output import completion, console, print_json, table
from roadshift.commands.shards import open_splits, roles, shard_folders
from roadshift.errors import RoadshiftError

if TYPE_CHECKING:
    import keras

    from roadshift.deployment.formats import Size
    from roadshift.deployment.shard_images import ShardImages
    from roadshift.taxonomy import Taxonomy

SUFFIXES = {
    "savedmodel": "-savedmodel",
    "tflite": ".tflite",
    "tflite-int8": "-int8.tflite",
    "onnx": ".onnx",
}
"""Suffix of each format, for files that are named after the network."""


@click.command()
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.keras")
@click.option(
    "--to", "format_name", type=click.Choice([*SUFFIXES]), required=True, help="Format to write."
)
@click.option(
    "--shards", "place", metavar="ROLE|FOLDER", shell_complete=completion(roles),
    help="Images to check the export on, and to calibrate integers with.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE",
    help="File to write; named as the model, in this folder, where none is given.",
)  # fmt: skip
@click.option(
    "--size", type=click.IntRange(32), nargs=2, metavar="HEIGHT WIDTH",
    help="Size in pixels of the images that TensorFlow Lite takes; the smallest that fits the "
    "shards' images where none is given.",
)  # fmt: skip
@click.option(
    "--max-height", type=click.IntRange(0), metavar="PIXELS",
    help="Scale taller images down to this height; 0 = never.  [default: as the network was "
    "trained]",
)  # fmt: skip
@click.option(
    "--check", "check_count", type=click.IntRange(1), default=50, show_default=True,
    help="Number of images to check the export on, from the test split where there is one.",
)  # fmt: skip
@click.option(
    "--calibrate", "calibration_count", type=click.IntRange(1), default=64, show_default=True,
    help="Number of images to calibrate integers with, from the train split.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    model: Path,
    format_name: str,
    place: str | None,
    out: Path | None,
    size: tuple[int, int] | None,
    max_height: int | None,
    check_count: int,
    calibration_count: int,
    as_json: bool,
) -> None:
    """Write a network as SavedModel, TensorFlow Lite (floats or 8-bit integers) or ONNX.

    The file holds the taxonomy, as taxonomy.json. It is read back and compared with the Keras
    network on images of shards. SavedModel and ONNX take images of any size whose sides are
    multiples of 32, TensorFlow Lite takes images of one size.

    The exit status is 1 if floats agree on less than 99.5 % of the pixels, or if the export loses
    more than a point of mIoU; the file stays.
    """
    file = out or Path(f"{model.stem}{SUFFIXES[format_name]}")
    _check_usage(format_name, place, size)
    folders = shard_folders(place) if place else []
    from roadshift.deployment.check import check_export
    from roadshift.deployment.runtimes import open_exported
    from roadshift.deployment.shard_images import ShardImages
    from roadshift.inference.trained_network import load_trained_network

    trained = load_trained_network(model, max_height=max_height)
    network, taxonomy = trained.network, trained.taxonomy
    shard_images = None
    if folders:
        needed = calibration_count if format_name == "tflite-int8" else 0
        shard_images = ShardImages(
            open_splits(folders),
            taxonomy,
            max_height=trained.inference.max_height,
            check_count=check_count,
            calibration_count=needed,
        )
    fixed = _fixed_size(size, shard_images) if format_name.startswith("tflite") else None
    description = _write(
        network,
        taxonomy,
        file,
        format_name=format_name,
        size=fixed,
        shard_images=shard_images,
    )
    run, found = open_exported(file, format_name)
    if found != description:
        raise RoadshiftError(
            f"{file}: its taxonomy was not read back as it was written; do not use it"
        )
    check, shown = None, None
    if shard_images:
        check = check_export(
            network,
            run,
            size=fixed,
            max_height=trained.inference.max_height,
            classes=len(taxonomy.classes),
            labelled=shard_images.check_images("check"),
        )
        shown = asdict(check) | {"split": shard_images.check_split}
    result = {
        "model": str(model),
        "file": str(file),
        "format": format_name,
        "taxonomy": taxonomy.name,
        "size": fixed,
        "bytes_before": _bytes(model),
        "bytes": _bytes(file),
        "check": shown,
    }
    if as_json:
        print_json(result)
    else:
        _print(result)
    failure = check.failure(integers=format_name == "tflite-int8") if check else ""
    if failure:
        raise RoadshiftError(f"{file}: is written, but {failure}")


def _check_usage(format_name: str, place: str | None, size: tuple[int, int] | None) -> None:
    if format_name == "tflite-int8" and not place:
        raise click.UsageError("tflite-int8 is calibrated on images: name them with --shards")
    if format_name == "tflite" and not (place or size):
        raise click.UsageError("tflite takes images of one size: give --size or --shards")
    if size and not format_name.startswith("tflite"):
        raise click.BadParameter(f"{format_name} takes images of any size", param_hint="--size")
    if size and (size[0] % 32 or size[1] % 32):
        raise click.BadParameter("expected multiples of 32", param_hint="--size")


def _fixed_size(size: "Size | None", shard_images: "ShardImages | None") -> "Size | None":
    if shard_images is None:
        return size
    needed = shard_images.smallest_size()
    if size and (size[0] < needed[0] or size[1] < needed[1]):
        raise RoadshiftError(
            f"--size {size[0]} {size[1]}: the images of the shards need {needed[0]} {needed[1]}; "
            "give at least that size"
        )
    return size or needed


def _write(
    network: "keras.Model",
    taxonomy: "Taxonomy",
    file: Path,
    *,
    format_name: str,
    size: "Size | None",
    shard_images: "ShardImages | None",
) -> dict[str, Any]:
    """Writes the file, and returns the description in it."""
    from roadshift.deployment import formats

    description = formats.describe(taxonomy, size)
    if format_name == "savedmodel":
        formats.write_savedmodel(network, description, file)
    elif format_name == "onnx":
        formats.write_onnx(network, description, file)
    elif size:
        images = shard_images.calibration_images(size) if shard_images else ()
        formats.write_tflite(network, description, file, size=size, calibration=images)
    return description


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)


def _print(result: dict[str, Any]) -> None:
    out = console()
    check = result["check"]
    grid = table("file", "MB", "mIoU %", "ms an image", "agreement", paths=True)
    for name, when in (("model", "before"), ("file", "after")):
        count = result["bytes_before" if when == "before" else "bytes"]
        cells = ["-", "-", "-"]
        if check:
            miou = check[f"miou_{when}"]
            cells[0] = "-" if miou is None else f"{100 * miou:.2f}"
            cells[1] = f"{check[f'milliseconds_{when}']:.0f}"
            cells[2] = "" if when == "before" else f"{check['agreement']:.3%}"
        grid.add_row(result[name], f"{count / 1e6:.1f}", *cells)
    out.print(grid)
    fixed = result["size"]
    size = " x ".join(map(str, fixed)) if fixed else "any size in multiples of 32"
    out.print(f"takes images of {size}; classes of {result['taxonomy']} in taxonomy.json")
    if check:
        out.print(f"checked on {check['images']} images of split '{check['split']}'")
    else:
        out.print("not checked on images: name some with --shards")
