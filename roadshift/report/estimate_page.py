"""The page of an estimate: one HTML file without a script, which loads nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import jinja2
import numpy as np
from markupsafe import Markup

from roadshift.estimation.estimates import HEADLINE
from roadshift.estimation.images import ImageEstimate, SetEstimate
from roadshift.estimation.neighbours import Neighbour
from roadshift.estimation.source_profile import LEVEL
from roadshift.pictures.palette import WRONG
from roadshift.report.data_uris import fit_ids, fit_image, image_uri
from roadshift.report.page import breakable
from roadshift.scoring.numbers import level_percent, percent, percent_interval

SHOWN_WORST = 6
SHOWN_BY_DISTANCE = 3
"""Number of images that the page shows with the largest expected error; nearest and farthest."""


@dataclass(frozen=True)
class ShownImage:
    """An image of the page, small.

    Attributes:
        image: JPEG, as a data URI.
        unsure: the image in grey, with pixels that are expected to be wrong in orange, likewise.
    """

    image: str
    unsure: str


@dataclass(frozen=True)
class SourceImage:
    """An image of the sources, small, beside the image that it is nearest to.

    Attributes:
        name: name of its file.
        distance: distance of their features, in standard deviations of the sources.
        image: JPEG, as a data URI.
    """

    name: str
    distance: float
    image: str


def source_image(neighbour: Neighbour, image: np.ndarray) -> SourceImage:
    """Draws a source image, uint8 RGB (H, W, 3), for the page."""
    return SourceImage(str(neighbour.file), neighbour.distance, image_uri(fit_image(image)))


def shown_image(image: np.ndarray, counted: np.ndarray) -> ShownImage:
    """Draws an image for the page.

    Args:
        image: uint8 RGB (H, W, 3).
        counted: whether a pixel is taken for recognized, 0..1, on a grid of the image, (h, w).
    """
    small = fit_image(image)
    height, width = small.shape[:2]
    rows = np.arange(height) * counted.shape[0] // height
    columns = np.arange(width) * counted.shape[1] // width
    wrong = fit_ids((counted < 0.5).astype(np.uint8)[np.ix_(rows, columns)]).astype(bool)
    grey = small.mean(-1, keepdims=True).astype(np.uint8).repeat(3, -1)
    drawn = np.where(wrong[..., np.newaxis], np.array(WRONG, np.uint8), grey)
    return ShownImage(image_uri(small), image_uri(drawn))


def shown_images(found: SetEstimate) -> list[ImageEstimate]:
    """Lists the images that the page shows, each once."""
    wanted = [*found.worst_first[:SHOWN_WORST], *shown_by_distance(found)]
    return [*{image.name: image for image in wanted}.values()]


def shown_by_distance(found: SetEstimate) -> list[ImageEstimate]:
    """Lists the images nearest to and farthest from the sources, each once."""
    farthest = found.farthest_first
    wanted = [*farthest[:SHOWN_BY_DISTANCE], *farthest[-SHOWN_BY_DISTANCE:]]
    return [*{image.name: image for image in wanted}.values()]


def estimate_page(
    found: SetEstimate,
    shown: Mapping[str, ShownImage],
    *,
    title: str,
    most: int,
    beside: Mapping[str, SourceImage] | None = None,
) -> str:
    """Writes the page. The same arguments give the same text.

    Args:
        found: the estimate; at least one image.
        shown: drawings of the images of `shown_images` by their names; what could not be drawn is
            left out.
        title: what was estimated, such as the network and the folder.
        most: number of images that are listed at once; the others are folded away.
        beside: the nearest source images by the names of the images of `shown_by_distance`; None,
            the default, if no images of the sources were given.

    Returns:
        HTML that loads nothing else.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("roadshift.report", "estimate_templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "interval": percent_interval,
        "breakable": breakable,
        "number": _number,
    }
    style = (resources.files(__package__) / "templates/page.css").read_text("utf-8")
    by_distance = found.farthest_first
    return environment.get_template(
        "estimate.html"
    ).render(
        style=Markup(style),  # noqa: S704 - own file
        title=title,
        found=found,
        expected=found.expected,
        accuracy_bar=found.profile.accuracy_bar(HEADLINE),
        miou_bar=found.profile.miou_bar(),
        level=level_percent(LEVEL),
        classes=[each for each in found.classes if each.share],
        regions=found.regions,
        shifts=found.shifts,
        different=[shift for shift in found.shifts if shift.is_different],
        worst=_with_drawings(found.worst_first[:SHOWN_WORST], shown),
        nearest=_with_drawings(by_distance[::-1][:SHOWN_BY_DISTANCE], shown),
        farthest=_with_drawings(by_distance[:SHOWN_BY_DISTANCE], shown),
        images=found.worst_first,
        most=most,
        beside=beside,
    )


def _with_drawings(
    images: Sequence[ImageEstimate], shown: Mapping[str, ShownImage]
) -> list[tuple[ImageEstimate, ShownImage]]:
    return [(image, shown[image.name]) for image in images if image.name in shown]


def _number(value: float) -> str:
    """Writes a trait with three digits that say something."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
