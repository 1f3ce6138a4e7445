"""The test images of a domain on a page, with the predictions that the evaluate stage kept.

A page is one file, so its images have a bound in bytes. Images are drawn narrower where many are to
fit, and where even that does not do, some are left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain

import numpy as np
from jinja2.utils import htmlsafe_json_dumps
from PIL import Image

from roadshift.errors import RoadshiftError
from roadshift.pictures.sheet import scaled_size
from roadshift.records.contents import read_contents
from roadshift.records.reader import Example, ShardSet, examples
from roadshift.report.data_uris import (
    MAX_WIDTH,
    classes_uri,
    errors_uri,
    fit_ids,
    fit_image,
    image_uri,
)
from roadshift.scoring.extremes import best_median_worst
from roadshift.scoring.metrics import mean_iou
from roadshift.scoring.results import ImageMatrices
from roadshift.taxonomy import Taxonomy

IMAGE_BYTES = 4_500_000
"""Upper bound on what all images of a page take, in bytes."""
WIDTHS = (MAX_WIDTH, 480, 320)
"""Greatest widths of an image in pixels, the preferred one first."""
ENOUGH = 30
"""Number of a domain's images that a narrower width is taken for."""


@dataclass(frozen=True)
class ShownPrediction:
    """A network's prediction on an image.

    Attributes:
        prediction: data URI of the prediction.
        error: data URI of the error map.
    """

    prediction: str
    error: str


@dataclass(frozen=True)
class ShownImage:
    """An image with its label, and what the networks make of it.

    Attributes:
        id: id of the image.
        width: width in pixels.
        height: height in pixels.
        image: data URI of the image.
        label: data URI of the label.
        mious: by mix, the mIoU of the image over the classes in its ground truth, 0..1, rounded to
            4 decimals; None without a labelled pixel.
        predictions: by mix, its prediction, where the evaluate stage kept one.
    """

    id: str
    width: int
    height: int
    image: str
    label: str
    mious: dict[str, float | None]
    predictions: dict[str, ShownPrediction]

    @property
    def size(self) -> int:
        """Number of bytes that the image takes in a page."""
        return len(htmlsafe_json_dumps(asdict(self)))


@dataclass(frozen=True)
class DomainViews:
    """The shown images of a domain.

    Attributes:
        images: the images, each once, in the order of the shards.
        kinds: by mix, the index in `images` of its 'best', 'median' and 'worst' image, where it is
            shown.
        total: number of images that were scored.
    """

    images: list[ShownImage]
    kinds: dict[str, dict[str, int]]
    total: int

    @property
    def size(self) -> int:
        """Number of bytes that the images take in a page."""
        return sum(image.size for image in self.images)

    def predicted(self, mix: str) -> int:
        """Returns the number of shown images with a prediction of a mix's network."""
        return sum(mix in image.predictions for image in self.images)


@dataclass(frozen=True, eq=False)
class ScoredNetwork:
    """The results of a network on a domain.

    Attributes:
        matrices: the confusion matrix of each image, in the order of the shards.
        predictions: by image id, uint8 (H, W) class ids of the images whose predictions were kept.
    """

    matrices: ImageMatrices
    predictions: Mapping[str, np.ndarray]


def domain_views(
    shards: ShardSet,
    split: str,
    *,
    scored: Mapping[str, ScoredNetwork],
    taxonomy: Taxonomy,
    most_bytes: int = IMAGE_BYTES,
) -> DomainViews:
    """Draws the scored images of a domain, as many as fit.

    The best, the median and the worst image of each network come first, then those with most
    predictions, spread evenly over the split. Images that are not shown are not decoded. Memory
    holds the first ones at the page's size, and one image at its full size.

    Args:
        shards: the shards of the domain.
        split: name of the split that was scored.
        scored: by mix, the results of its network.
        taxonomy: taxonomy of the class ids.
        most_bytes: upper bound on what the images take in a page.

    Raises:
        RoadshiftError: the images are not those that were scored, or a record is damaged.
    """
    ids = read_contents(shards.folder, split, shards.label_names).ids
    for mix, entry in scored.items():
        if entry.matrices.ids != ids:
            raise RoadshiftError(
                f"{shards.folder}: its {split} images are not those that mix '{mix}' was scored "
                "on; run the evaluate stage again"
            )
    place_of = {name: place for place, name in enumerate(ids)}
    kinds = {
        mix: {kind: place_of[name] for kind, name in best_median_worst(entry.matrices).items()}
        for mix, entry in scored.items()
    }
    ranked = _ranked(ids, scored)
    first = sorted({*chain(*(found.values() for found in kinds.values()))} or ranked[:3])
    chosen = list(kinds.values())
    drawing = _Drawing(shards, split, scored, taxonomy)
    tried = [*drawing.layers(first)]
    width, each = _width(tried, drawing, most=most_bytes, wanted=min(len(ids), ENOUGH))
    shown: dict[int, ShownImage] = {}
    left = most_bytes
    # Where not even these fit, the worst images go first: they say most.
    kind_first = [found[kind] for kind in ("worst", "best", "median") for found in chosen if found]
    by_place = {layers.place: layers for layers in tried}
    for place in dict.fromkeys([*kind_first, *first]):
        image = drawing.shown(by_place[place], width)
        if image.size <= left:
            shown[place] = image
            left -= image.size
    rest = [place for place in ranked if place not in by_place]
    while rest and left >= each:
        chunk, rest = rest[: left // each], rest[left // each :]
        sizes = []
        for layers in drawing.layers(sorted(chunk)):
            image = drawing.shown(layers, width)
            if image.size > left:
                rest = []
                break
            shown[layers.place] = image
            left -= image.size
            sizes.append(image.size)
        # Images with fewer predictions are smaller, so that more of them fit.
        each = max(1, sum(sizes) // max(1, len(sizes)))
    places = sorted(shown)
    return DomainViews(
        images=[shown[place] for place in places],
        kinds={
            mix: {kind: places.index(place) for kind, place in found.items() if place in shown}
            for mix, found in kinds.items()
        },
        total=len(ids),
    )


def _ranked(ids: Sequence[str], scored: Mapping[str, ScoredNetwork]) -> list[int]:
    """Returns the places of all images: those with most predictions first.

    Any first part of equals is spread evenly: images that follow one another are often alike.
    """
    bits = max(1, (len(ids) - 1).bit_length())

    def rank(place: int) -> tuple[int, int]:
        kept = sum(ids[place] in entry.predictions for entry in scored.values())
        return -kept, int(f"{place:0{bits}b}"[::-1], 2)

    return sorted(range(len(ids)), key=rank)


@dataclass(frozen=True, eq=False)
class _Layers:
    """An image with its label and predictions as arrays, at most `MAX_WIDTH` wide."""

    place: int
    id: str
    image: np.ndarray
    label: np.ndarray
    predictions: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class _Drawing:
    """Reads and draws the images of a domain."""

    shards: ShardSet
    split: str
    scored: Mapping[str, ScoredNetwork]
    taxonomy: Taxonomy

    def layers(self, places: Sequence[int]) -> Iterator[_Layers]:
        """Yields the images at the given places, which are sorted."""
        if not places:
            return
        found: Iterator[Example] = examples(self.shards, self.split, places)
        for place, example in zip(places, found, strict=True):
            yield _Layers(
                place,
                example.id,
                fit_image(example.image),
                fit_ids(example.label),
                {
                    mix: fit_ids(entry.predictions[example.id])
                    for mix, entry in self.scored.items()
                    if example.id in entry.predictions
                },
            )

    def shown(self, layers: _Layers, width: int) -> ShownImage:
        """Returns an image for the page, at most `width` wide."""
        image = _narrowed(layers.image, width, Image.Resampling.BICUBIC)
        label = _narrowed(layers.label, width, Image.Resampling.NEAREST)
        predictions = {}
        for mix, ids in layers.predictions.items():
            prediction = _narrowed(ids, width, Image.Resampling.NEAREST)
            predictions[mix] = ShownPrediction(
                prediction=classes_uri(prediction, self.taxonomy),
                error=errors_uri(label, prediction, self.shards.partial_labels),
            )
        mious = {
            mix: mean_iou(entry.matrices.matrices[layers.place])
            for mix, entry in self.scored.items()
        }
        return ShownImage(
            id=layers.id,
            width=image.shape[1],
            height=image.shape[0],
            image=image_uri(image),
            label=classes_uri(label, self.taxonomy),
            mious={mix: None if miou is None else round(miou, 4) for mix, miou in mious.items()},
            predictions=predictions,
        )


def _width(
    tried: Sequence[_Layers], drawing: _Drawing, *, most: int, wanted: int
) -> tuple[int, int]:
    """Returns the first of `WIDTHS` at which enough images fit, and the mean bytes of an image."""
    for width in WIDTHS:
        sizes = [drawing.shown(layers, width).size for layers in tried]
        each = max(1, sum(sizes) // len(sizes))
        if most // each >= wanted:
            break
    return width, each


def _narrowed(array: np.ndarray, width: int, resampling: Image.Resampling) -> np.ndarray:
    if array.shape[1] <= width:
        return array
    return np.asarray(Image.fromarray(array).resize(scaled_size(array, width), resampling))
