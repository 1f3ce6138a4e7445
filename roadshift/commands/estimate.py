"""`roadshift estimate`: how good a network will be on images without labels, and where it fails."""

import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roadshift.commands.output import console, print_json, table
from roadshift.errors import RoadshiftError
from roadshift.scoring.numbers import level_percent, percent, percent_interval

if TYPE_CHECKING:
    from roadshift.estimation.images import ImageEstimate, SetEstimate
    from roadshift.estimation.network import EstimatingNetwork
    from roadshift.estimation.source_profile import SourceProfile
    from roadshift.report.estimate_page import SourceImage


@click.command()
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.keras")
@click.argument("place", type=click.Path(path_type=Path), metavar="IMAGE|FOLDER")
@click.option(
    "--most", type=click.IntRange(1), default=10, show_default=True, metavar="N",
    help="Most images and traits to list; --json and the page have all.",
)  # fmt: skip
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Page to write, with the images that it is least sure of.",
)  # fmt: skip
@click.option(
    "--sources", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    help="Images of the sources; the page shows the most similar of them beside the images that "
    "are nearest to and farthest from the sources.",
)  # fmt: skip
@click.option(
    "--max-pixels", type=click.IntRange(2**18), default=2**21, show_default=True,
    help="Limit on the pixels that pass through the network at once; larger images pass in tiles.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    model: Path,
    place: Path,
    most: int,
    html: Path | None,
    sources: Path | None,
    max_pixels: int,
    as_json: bool,
) -> None:
    """Say without labels how good a network will be on images, and where it fails.

    What the network's sources say of its confidence lies beside its file, in MODEL.estimate.json,
    where `dvc repro` writes it. The error bars are learned from sources that a network was not
    trained on: how far the estimate missed there.

    Of a folder in the layout of the cards 'folder' and 'unlabelled', the images in images/ count.
    The exit status is 1 if an image fails; the others are estimated all the same.
    """
    from roadshift.commands.image_sets import images_of

    if sources is not None and html is None:
        raise RoadshiftError("--sources: only the page shows images of the sources; add --html")
    images = images_of(place)
    source_images = images_of(sources) if sources is not None else None
    network, profile = load_for_estimates(model, max_pixels)
    found = estimate_set(network, profile, images, "estimate")
    if not found.images:
        raise RoadshiftError(*list(found.failed.values())[:1])
    # Before the page, which may have no room: thousands of images take hours.
    if as_json:
        print_json(as_content(model, found))
    else:
        _print(model, place, found, most)
    if html is not None:
        title = f"{model} on {place}"
        _write_page(html, network, found, sources=source_images, title=title, most=most)
        if not as_json:
            click.echo(f"\n{html}")
    raise_failures(found.failed, of=len(images))


def load_for_estimates(model: Path, max_pixels: int) -> "tuple[EstimatingNetwork, SourceProfile]":
    """Reads a network and what its sources say.

    Raises:
        RoadshiftError: a file is missing or damaged, or they do not belong together.
    """
    from roadshift.estimation.network import EstimatingNetwork
    from roadshift.estimation.source_profile import SourceProfile, profile_file
    from roadshift.inference.trained_network import load_trained_network

    trained = load_trained_network(model)
    profile = SourceProfile.load(profile_file(model))
    network = EstimatingNetwork.of(trained, max_pixels)
    profile.check_network(network.digest, profile_file(model))
    return network, profile


def estimate_set(
    network: "EstimatingNetwork", profile: "SourceProfile", images: list[Path], what: str
) -> "SetEstimate":
    """Estimates images with a progress bar; one that fails is named at once."""
    from functools import partial

    from roadshift.datasets.images import read_any_image
    from roadshift.estimation.images import NamedImage, estimate_images
    from roadshift.prediction.predictor import failure_reason
    from roadshift.progress import progress_bar

    with progress_bar(what, "image", len(images)) as progress:

        def failure(name: str, error: Exception) -> str:
            reason = failure_reason(Path(name), error)
            if len(images) > 1:
                progress.write(f"Error: {reason}", file=sys.stderr)
            return reason

        return estimate_images(
            network,
            profile,
            (NamedImage(str(file), partial(read_any_image, file)) for file in images),
            failure=failure,
            done=progress.update,
        )


def raise_failures(failed: dict[str, str], *, of: int) -> None:
    """Ends with an error if images failed, as `roadshift predict` does."""
    if len(failed) == of == 1:
        raise RoadshiftError(*failed.values())
    if failed:
        more = f" and {len(failed) - 3} more" if len(failed) > 3 else ""
        raise RoadshiftError(
            f"{len(failed)} of {of} images failed, the others are estimated: "
            f"{', '.join(islice(failed, 3))}{more}"
        )


def as_content(model: Path, found: "SetEstimate") -> dict[str, Any]:
    """Returns an estimate, ready to be printed as JSON."""
    from roadshift.estimation.estimates import HEADLINE
    from roadshift.estimation.source_profile import LEVEL

    accuracy_bar, miou_bar = found.profile.accuracy_bar(HEADLINE), found.profile.miou_bar()
    return {
        "model": str(model),
        "taxonomy": found.profile.taxonomy,
        "sources": found.profile.sources,
        "expected": found.expected.model_dump(),
        "error_bars": {
            "level": LEVEL,
            "pixel_accuracy": accuracy_bar.model_dump() if accuracy_bar else None,
            "miou": miou_bar.model_dump() if miou_bar else None,
        },
        "classes": [vars(each) for each in found.classes],
        "regions": found.regions.round(4).tolist(),
        "camera": [
            {
                "trait": shift.name,
                "meaning": shift.meaning,
                "sources": shift.sources.model_dump() if shift.sources else None,
                "here": shift.here.model_dump(),
                "outside": round(shift.outside, 4),
                "different": shift.is_different,
            }
            for shift in found.shifts
        ],
        "images": [_image(each) for each in found.worst_first],
        "failed": found.failed,
    }


def _image(image: "ImageEstimate") -> dict[str, Any]:
    return {
        "image": image.name,
        "width": image.width,
        "height": image.height,
        "pixel_accuracy": round(image.accuracy, 4),
        "confidence": round(image.confidence, 4),
        "distance": round(image.distance, 3),
        "traits": {name: round(value, 4) for name, value in image.traits.items()},
        "out_of_range": image.odd,
    }


def _print(model: Path, place: Path, found: "SetEstimate", most: int) -> None:
    from roadshift.estimation.estimates import HEADLINE
    from roadshift.estimation.source_profile import LEVEL

    out, expected = console(), found.expected
    images = f"{expected.images} image{'s' * (expected.images != 1)}"
    out.print(f"{model} on {place}: {images} in {found.profile.taxonomy}\n", soft_wrap=True)
    interval = percent_interval(expected.accuracy_interval)
    shown = f" ({interval})" if interval else ""
    out.print(f"expected pixel accuracy {percent(expected.pixel_accuracy)} %{shown}")
    if expected.miou_is_known:
        interval = percent_interval(expected.miou_interval)
        out.print(f"expected mIoU           {percent(expected.miou)} % ({interval})")
    else:
        out.print(f"expected mIoU           at most {percent(expected.miou_upper_bound)} %")
    bar = found.profile.accuracy_bar(HEADLINE)
    if bar is None:
        out.print("No source was held out, so nothing tells how far the estimate misses.")
    else:
        out.print(
            f"Bars of {level_percent(LEVEL)}, from {bar.cells} held-out "
            f"source{'s' * (bar.cells != 1)}: there the accuracy was missed by "
            f"{percent(bar.mean)} points on average, {percent(bar.largest)} at most."
        )
    grid = table("predicted class", "% of pixels", "right %", "else mostly")
    for each in found.classes:
        if each.share:
            precision = percent(each.precision)
            grid.add_row(each.name, percent(each.share), precision, each.confused_with)
    out.print("\nClasses, the least certain first:")
    out.print(grid)
    different = [shift for shift in found.shifts if shift.is_different]
    if different:
        grid = table("trait", "sources", "here", "% of images outside")
        for shift in different[:most]:
            sources = "-" if shift.sources is None else _range(shift.sources)
            grid.add_row(shift.name, sources, _range(shift.here), percent(shift.outside))
        out.print("\nDifferent from the sources (5 % to 95 % quantiles):")
        out.print(grid)
    grid = table("image", "accuracy %", "distance", "out of the sources' range", paths=True)
    for image in found.worst_first[:most]:
        odd = ", ".join(image.odd[:3])
        grid.add_row(image.name, percent(image.accuracy), f"{image.distance:.1f}", odd)
    out.print("\nImages by their expected error, the largest first:")
    out.print(grid)


def _range(found: Any) -> str:
    return f"{found.low:.3g} to {found.high:.3g}"


def _write_page(
    file: Path,
    network: "EstimatingNetwork",
    found: "SetEstimate",
    *,
    sources: list[Path] | None,
    title: str,
    most: int,
) -> None:
    from contextlib import suppress

    from roadshift.atomic import atomic_file
    from roadshift.datasets.images import read_any_image
    from roadshift.estimation.estimates import calibrated_pixels
    from roadshift.report.estimate_page import estimate_page, shown_image, shown_images

    shown = {}
    for each in shown_images(found):
        # The image was there a moment ago; where it is no longer, the page goes without it.
        with suppress(RoadshiftError, OSError):
            image = read_any_image(Path(each.name))
            grid = network.grid(image)
            pixels = calibrated_pixels(grid.probabilities, found.profile.calibration)
            counted = pixels.counted.reshape(grid.probabilities.shape[:2])
            shown[each.name] = shown_image(image, counted)
    beside = None if sources is None else _source_images(network, found, sources)
    text = estimate_page(found, shown, beside=beside, title=title, most=most)
    with atomic_file(file) as partial:
        # A name may have bytes that are no UTF-8; they are shown as on the terminal.
        partial.write_text(text, "utf-8", errors="backslashreplace")


def _source_images(
    network: "EstimatingNetwork", found: "SetEstimate", sources: list[Path]
) -> "dict[str, SourceImage]":
    """Finds and draws the source image that is nearest to each image that is shown by distance."""
    from contextlib import suppress

    from roadshift.datasets.images import read_any_image
    from roadshift.estimation.neighbours import nearest_sources
    from roadshift.prediction.predictor import failure_reason
    from roadshift.progress import progress_bar
    from roadshift.report.estimate_page import shown_by_distance, source_image

    with progress_bar("look at sources", "image", len(sources)) as progress:

        def failure(file: Path, error: Exception) -> None:
            progress.write(f"Left out: {failure_reason(file, error)}", file=sys.stderr)

        neighbours = nearest_sources(
            shown_by_distance(found),
            sources,
            network.features,
            found.profile.look,
            failure=failure,
            done=progress.update,
        )
    drawn = {}
    for name, neighbour in neighbours.items():
        with suppress(RoadshiftError, OSError):
            drawn[name] = source_image(neighbour, read_any_image(neighbour.file))
    return drawn
