"""The images of a domain on a page: the best, median and worst image of each network."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from roadshift.errors import RoadshiftError
from roadshift.records.contents import read_contents
from roadshift.records.reader import Example, ShardSet, examples
from roadshift.report.data_uris import classes_uri, errors_uri, fit_ids, fit_image, image_uri
from roadshift.scoring.extremes import best_median_worst
from roadshift.scoring.metrics import mean_iou
from roadshift.scoring.results import ImageMatrices
from roadshift.taxonomy import Taxonomy


@dataclass(frozen=True)
class ShownImage:
    """An image with its label.

    Attributes:
        id: id of the image.
        width: width in pixels.
        height: height in pixels.
        image: data URI of the image.
        label: data URI of the label.
    """

    id: str
    width: int
    height: int
    image: str
    label: str


@dataclass(frozen=True)
class ShownPrediction:
    """A network's prediction on an image.

    Attributes:
        kind: 'best', 'median' or 'worst'.
        image: index of the image in `DomainViews.images`.
        miou: mIoU of the image over the classes in its ground truth, 0..1.
        prediction: data URI of the prediction.
        error: data URI of the error map.
    """

    kind: str
    image: int
    miou: float | None
    prediction: str
    error: str


@dataclass(frozen=True)
class DomainViews:
    """The shown images of a domain.

    Attributes:
        images: the images, each once.
        predictions: by mix, its best, median and worst prediction.
    """

    images: list[ShownImage]
    predictions: dict[str, list[ShownPrediction]]


@dataclass(frozen=True, eq=False)
class ScoredNetwork:
    """The results of a network on a domain.

    Attributes:
        matrices: the confusion matrix of each image, in the order of the shards.
        predictions: by image id, uint8 (H, W) class ids of the images that are shown.
    """

    matrices: ImageMatrices
    predictions: Mapping[str, np.ndarray]


def domain_views(
    shards: ShardSet, split: str, *, scored: Mapping[str, ScoredNetwork], taxonomy: Taxonomy
) -> DomainViews:
    """Draws the best, the median and the worst image of each network on a domain.

    Only these images are decoded, and memory holds one at a time at its full size.

    Args:
        shards: the shards of the domain.
        split: name of the split that was scored.
        scored: by mix, the results of its network.
        taxonomy: taxonomy of the class ids.

    Raises:
        RoadshiftError: the images are not those that were scored, or a record is damaged.
    """
    ids = read_contents(shards.folder, split, shards.class_names).ids
    for mix, entry in scored.items():
        if entry.matrices.ids != ids:
            raise RoadshiftError(
                f"{shards.folder}: its {split} images are not those that mix '{mix}' was scored "
                "on; run the evaluate stage again"
            )
    chosen = {mix: best_median_worst(entry.matrices) for mix, entry in scored.items()}
    places = sorted({ids.index(name) for kinds in chosen.values() for name in kinds.values()})
    images: list[ShownImage] = []
    found: dict[str, dict[str, ShownPrediction]] = {mix: {} for mix in scored}
    for place, example in zip(places, examples(shards, split, places), strict=True):
        label = fit_ids(example.label)
        images.append(_shown_image(example, label, taxonomy))
        for mix, entry in scored.items():
            kinds = [kind for kind, name in chosen[mix].items() if name == example.id]
            if not kinds:
                continue
            prediction = fit_ids(entry.predictions[example.id])
            for kind in kinds:
                found[mix][kind] = ShownPrediction(
                    kind=kind,
                    image=len(images) - 1,
                    miou=mean_iou(entry.matrices.matrices[place]),
                    prediction=classes_uri(prediction, taxonomy),
                    error=errors_uri(label, prediction),
                )
    predictions = {mix: [found[mix][kind] for kind in kinds] for mix, kinds in chosen.items()}
    return DomainViews(images, predictions)


def _shown_image(example: Example, label: np.ndarray, taxonomy: Taxonomy) -> ShownImage:
    image = fit_image(example.image)
    height, width = image.shape[:2]
    return ShownImage(
        id=example.id,
        width=width,
        height=height,
        image=image_uri(image),
        label=classes_uri(label, taxonomy),
    )
