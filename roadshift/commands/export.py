"""`roadshift export`: a network in the format of another runtime, held against the original."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roadshift.commands.output import completion, console, print_json, quieten_tensorflow, table
from roadshift.commands.shards import open_splits, roles, shard_folders
from roadshift.errors import RoadshiftError

if TYPE_CHECKING:
    import keras

    from roadshift.deployment.formats import Size
    from roadshift.deployment.pictures import ShardPictures

SUFFIXES = {
    "savedmodel": "-savedmodel",
    "tflite": ".tflite",
    "tflite-int8": "-int8.tflite",
    "onnx": ".onnx",
}
"""By format, what follows the network's name where no file is named."""


@click.command()
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.keras")
@click.option("--to", "form", type=click.Choice([*SUFFIXES]), required=True, help="The format.")
@click.option(
    "--shards", "place", metavar="ROLE|FOLDER", shell_complete=completion(roles),
    help="Pictures to check it on, and to calibrate integers with.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE",
    help="What to write; named as the model, in this folder, where it is left out.",
)  # fmt: skip
@click.option(
    "--size", type=click.IntRange(32), nargs=2, metavar="HEIGHT WIDTH",
    help="Of the pictures that TensorFlow Lite takes, in pixels; as large as those of the shards "
    "need where it is left out.",
)  # fmt: skip
@click.option(
    "--max-height", type=click.IntRange(0), default=384, show_default=True, metavar="PIXELS",
    help="Taller pictures are scaled down to it, as data.max_height was; 0 = never.",
)  # fmt: skip
@click.option(
    "--check", "checked", type=click.IntRange(1), default=50, show_default=True,
    help="How many pictures to check it on, of the test split where there is one.",
)  # fmt: skip
@click.option(
    "--calibrate", "calibrated", type=click.IntRange(1), default=64, show_default=True,
    help="How many pictures to calibrate integers with, of the train split.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    model: Path,
    form: str,
    place: str | None,
    out: Path | None,
    size: tuple[int, int] | None,
    max_height: int,
    checked: int,
    calibrated: int,
    as_json: bool,
) -> None:
    """Write a network as SavedModel, TensorFlow Lite (floats or 8-bit integers) or ONNX.

    The taxonomy goes with it, as taxonomy.json. What was written is read back and held against
    the Keras network on pictures of shards. SavedModel and ONNX take pictures of any size whose
    sides are multiples of 32, TensorFlow Lite those of one size.

    Status 1 where floats agree on less than 99.5 % of the pixels or more than a point of mIoU is
    lost; the file stays.
    """
    file = out or Path(f"{model.stem}{SUFFIXES[form]}")
    _check_usage(form, place, size)
    folders = shard_folders(place) if place else []
    quieten_tensorflow()
    from roadshift.deployment.check import check_export
    from roadshift.deployment.pictures import ShardPictures
    from roadshift.deployment.runtimes import open_exported
    from roadshift.prediction.network import load_with_taxonomy

    network, taxonomy = load_with_taxonomy(model)
    pictures = None
    if folders:
        number = calibrated if form == "tflite-int8" else 0
        pictures = ShardPictures(open_splits(folders), taxonomy, max_height, checked, number)
    fixed = _fixed_size(size, pictures) if form.startswith("tflite") else None
    description = _write(network, taxonomy.name, form, file, fixed, pictures)
    run, found = open_exported(file, form)
    if found != description:
        raise RoadshiftError(f"{file}: does not give its taxonomy back; the format is not sound")
    check = None
    if pictures:
        check = check_export(
            network, run, fixed, max_height, len(taxonomy.classes), pictures.check("check")
        )
    result = {
        "model": str(model),
        "file": str(file),
        "format": form,
        "taxonomy": taxonomy.name,
        "size": fixed,
        "bytes_before": _bytes(model),
        "bytes": _bytes(file),
        "check": asdict(check) | {"split": pictures.checked_on} if check and pictures else None,
    }
    if as_json:
        print_json(result)
    else:
        _print(result)
    failure = check.failure(integers=form == "tflite-int8") if check else ""
    if failure:
        raise RoadshiftError(f"{file}: is written, but {failure}")


def _check_usage(form: str, place: str | None, size: tuple[int, int] | None) -> None:
    if form == "tflite-int8" and not place:
        raise click.UsageError("tflite-int8 is calibrated on pictures: name them with --shards")
    if form == "tflite" and not (place or size):
        raise click.UsageError("tflite takes pictures of one size: give --size or --shards")
    if size and not form.startswith("tflite"):
        raise click.BadParameter(f"{form} takes pictures of any size", param_hint="--size")
    if size and (size[0] % 32 or size[1] % 32):
        raise click.BadParameter("expected multiples of 32", param_hint="--size")


def _fixed_size(size: "Size | None", pictures: "ShardPictures | None") -> "Size | None":
    if pictures is None:
        return size
    needed = pictures.size()
    if size and (size[0] < needed[0] or size[1] < needed[1]):
        raise RoadshiftError(
            f"--size {size[0]} {size[1]}: the pictures of the shards need {needed[0]} {needed[1]}"
        )
    return size or needed


def _write(
    network: "keras.Model",
    taxonomy: str,
    form: str,
    file: Path,
    size: "Size | None",
    pictures: "ShardPictures | None",
) -> dict[str, Any]:
    """Writes the file, and returns the description in it."""
    from roadshift.deployment import formats
    from roadshift.taxonomy import load_taxonomy

    description = formats.describe(load_taxonomy(taxonomy), size)
    if form == "savedmodel":
        formats.write_savedmodel(network, description, file)
    elif form == "onnx":
        formats.write_onnx(network, description, file)
    elif size:
        calibration = pictures.calibration(size) if pictures else ()
        formats.write_tflite(network, description, size, file, calibration)
    return description


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)


def _print(result: dict[str, Any]) -> None:
    out = console()
    check = result["check"]
    grid = table("file", "MB", "mIoU %", "ms a picture", "pixels alike")
    for name, when in (("model", "before"), ("file", "after")):
        size = result["bytes_before" if when == "before" else "bytes"]
        cells = ["-", "-", "-"]
        if check:
            miou = check[f"miou_{when}"]
            cells[0] = "-" if miou is None else f"{100 * miou:.2f}"
            cells[1] = f"{check[f'milliseconds_{when}']:.0f}"
            cells[2] = "" if when == "before" else f"{check['agreement']:.3%}"
        grid.add_row(result[name], f"{size / 1e6:.1f}", *cells)
    out.print(grid)
    some = result["size"]
    sizes = " x ".join(map(str, some)) if some else "any size in multiples of 32"
    out.print(f"takes pictures of {sizes}; classes of {result['taxonomy']} in taxonomy.json")
    if check:
        out.print(f"checked on {check['pictures']} pictures of split '{check['split']}'")
    else:
        out.print("not checked on pictures: name some with --shards")
