"""What networks make of a domain's pictures, for a page: best, median and worst of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from roadshift.errors import RoadshiftError
from roadshift.pictures.layers import classes_uri, errors_uri, fit_ids, fit_picture, picture_uri
from roadshift.records.contents import read_contents
from roadshift.records.reader import Example, ShardSet, examples
from roadshift.scoring.extremes import best_median_worst
from roadshift.scoring.inference import Segment
from roadshift.scoring.metrics import mean_iou
from roadshift.taxonomy import Taxonomy


@dataclass(frozen=True)
class Picture:
    """A picture with its label."""

    id: str
    width: int
    height: int
    image: str
    """A data URI, as all that follow."""
    label: str


@dataclass(frozen=True)
class Sample:
    """What one network makes of a picture."""

    kind: str
    """best, median or worst."""
    picture: int
    """Its place among the domain's pictures."""
    miou: float | None
    """Of the picture, over the classes that it shows, 0..1."""
    prediction: str
    error: str


@dataclass(frozen=True)
class DomainViews:
    """A domain's pictures, and the samples that each mix takes of them."""

    pictures: list[Picture]
    samples: dict[str, list[Sample]]


@dataclass(frozen=True)
class Scored:
    """A network and how it did, picture by picture."""

    segment: Segment
    """As it was when it was scored."""
    ids: Sequence[str]
    """Of the pictures, in the order of the shards."""
    matrices: np.ndarray
    """int64 (pictures, classes, classes), in the same order."""


def domain_views(
    shards: ShardSet, split: str, scored: Mapping[str, Scored], taxonomy: Taxonomy
) -> DomainViews:
    """Draws the pictures of a domain on which each network does best, in the middle and worst.

    Only these are decoded, and one at a time is held at its own size.

    Args:
        shards: the domain.
        split: that was scored.
        scored: by mix.
        taxonomy: for the colours.

    Raises:
        RoadshiftError: the pictures are not those that were scored, or a record is damaged.
    """
    ids = read_contents(shards.folder, split, shards.class_names).ids
    for mix, entry in scored.items():
        if tuple(entry.ids) != ids:
            raise RoadshiftError(
                f"{shards.folder}: its {split} pictures are not those that mix '{mix}' was scored "
                "on; run the evaluate stage again"
            )
    chosen = {mix: best_median_worst(ids, entry.matrices) for mix, entry in scored.items()}
    places = sorted({ids.index(name) for kinds in chosen.values() for name in kinds.values()})
    pictures: list[Picture] = []
    found: dict[str, dict[str, Sample]] = {mix: {} for mix in scored}
    for place, example in zip(places, examples(shards, split, places), strict=True):
        label = fit_ids(example.label)
        pictures.append(_picture(example, label, taxonomy))
        for mix, entry in scored.items():
            kinds = [kind for kind, name in chosen[mix].items() if name == example.id]
            if not kinds:
                continue
            prediction = fit_ids(entry.segment(example.image)[0])
            miou = mean_iou(entry.matrices[place])
            shown = classes_uri(prediction, taxonomy), errors_uri(label, prediction)
            for kind in kinds:
                found[mix][kind] = Sample(kind, len(pictures) - 1, miou, *shown)
    samples = {mix: [found[mix][kind] for kind in kinds] for mix, kinds in chosen.items()}
    return DomainViews(pictures, samples)


def _picture(example: Example, label: np.ndarray, taxonomy: Taxonomy) -> Picture:
    image = fit_picture(example.image)
    height, width = image.shape[:2]
    return Picture(example.id, width, height, picture_uri(image), classes_uri(label, taxonomy))
