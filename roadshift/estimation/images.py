"""Estimates a network on images without labels, one after the other."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from roadshift.estimation.camera import TRAITS, Range
from roadshift.estimation.estimates import (
    ConfidenceSums,
    calibrated_pixels,
    confidence_sums,
    expected_matrix,
    no_sums,
)
from roadshift.estimation.expected import Expected, expect
from roadshift.estimation.network import EstimatingNetwork
from roadshift.estimation.source_profile import SourceProfile

REGIONS = (6, 10)
"""Number of regions that the image is divided into, down and across."""
ODD = 0.25
"""Share of the images out of the sources' range from which a trait is called different: of the
sources' own images a tenth is."""


class NamedImage(NamedTuple):
    """An image with the name it is shown by.

    Attributes:
        name: file or id of the image.
        read: function that returns it, uint8 RGB (H, W, 3).
    """

    name: str
    read: Callable[[], np.ndarray]


@dataclass(frozen=True, eq=False)
class ImageEstimate:
    """Expected scores of a network on an image.

    Attributes:
        name: file or id of the image.
        width: width in pixels.
        height: height in pixels.
        accuracy: expected pixel accuracy, 0..1.
        confidence: mean calibrated confidence, 0..1.
        distance: distance of its features from those of the sources, in standard deviations.
        traits: measured traits; see `roadshift.estimation.camera`.
        features: features of the encoder, float32 (channels,).
        odd: names of the traits that are out of the sources' range.
    """

    name: str
    width: int
    height: int
    accuracy: float
    confidence: float
    distance: float
    traits: dict[str, float]
    features: np.ndarray
    odd: list[str]


@dataclass(frozen=True)
class ClassEstimate:
    """Expected accuracy of the pixels that are predicted as a class.

    Attributes:
        name: name of the class.
        share: its share of the predicted pixels, 0..1.
        precision: expected share of these pixels that are recognized; None without any.
        iou: expected IoU; None where the class is not expected.
        confused_with: the class that most of the others are expected to be; '' if there is none.
    """

    name: str
    share: float
    precision: float | None
    iou: float | None
    confused_with: str


@dataclass(frozen=True)
class TraitShift:
    """A trait of the new images against that of the sources.

    Attributes:
        name: name of the trait.
        meaning: what it measures.
        sources: range over the sources' images; None if they do not have it.
        here: range over the new images that have it.
        outside: share of all new images that are out of the sources' range, or have what no image
            of the sources has, 0..1.
    """

    name: str
    meaning: str
    sources: Range | None
    here: Range
    outside: float

    @property
    def is_different(self) -> bool:
        """Whether clearly more images are out of the range than of the sources' own."""
        return self.outside >= ODD


@dataclass(eq=False)
class SetEstimate:
    """Expected scores of a network on a set of images.

    Attributes:
        profile: what the sources say.
        class_names: names of the classes in the order of their ids.
        images: the images, in the order in which they were given.
        failed: reason of each image that could not be estimated, by its name.
        sums: sums over the pixels of all images.
        region_errors: float64 `REGIONS`, sum over the images of the expected share of wrong pixels.
    """

    profile: SourceProfile
    class_names: Sequence[str]
    images: list[ImageEstimate] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    sums: ConfidenceSums = field(init=False)
    region_errors: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.sums = no_sums(len(self.class_names))
        self.region_errors = np.zeros(REGIONS)

    @property
    def expected(self) -> Expected:
        """Expected scores of all images together; at least one must have been added."""
        return expect(
            self.sums, self.profile, images=len(self.images), class_names=self.class_names
        )

    @property
    def worst_first(self) -> list[ImageEstimate]:
        """The images by their expected error, the largest first."""
        return sorted(self.images, key=lambda image: (image.accuracy, image.name))

    @property
    def farthest_first(self) -> list[ImageEstimate]:
        """The images by their distance from the sources, the farthest first."""
        return sorted(self.images, key=lambda image: (-image.distance, image.name))

    @property
    def regions(self) -> np.ndarray:
        """Expected share of wrong pixels in each region of the image, float64 `REGIONS`."""
        return self.region_errors / max(1, len(self.images))

    @property
    def classes(self) -> list[ClassEstimate]:
        """Expected accuracy of each predicted class, the least certain first."""
        matrix, predicted = expected_matrix(self.sums), self.sums.predicted
        iou = self.expected.iou
        found = []
        for class_id, name in enumerate(self.class_names):
            column = matrix[:, class_id].copy()
            column[class_id] = 0
            total = float(predicted[class_id])
            found.append(
                ClassEstimate(
                    name,
                    share=total / self.sums.pixels,
                    precision=float(matrix[class_id, class_id]) / total if total else None,
                    iou=iou[name],
                    confused_with=self.class_names[int(column.argmax())] if column.any() else "",
                )
            )
        return sorted(found, key=lambda each: (each.precision is None, each.precision or 0.0))

    @property
    def shifts(self) -> list[TraitShift]:
        """Every trait of the images against the sources, the most different first."""
        ranges = self.profile.look.traits
        names = dict.fromkeys(name for image in self.images for name in image.traits)
        found = []
        for name in names:
            values = [i.traits[name] for i in self.images if name in i.traits]
            sources = ranges.get(name)
            out = [value for value in values if sources is None or not sources.holds(value)]
            # Of all images: a trait that few of them have does not make the camera different.
            outside = len(out) / len(self.images)
            here = Range.of(values)
            meaning = TRAITS.get(name, f"{name.removeprefix('share of ')} among predicted pixels")
            found.append(TraitShift(name, meaning, sources, here, outside))
        return sorted(found, key=lambda shift: (-shift.outside, shift.name))

    def add(self, name: str, image: np.ndarray, network: EstimatingNetwork) -> None:
        """Estimates an image, uint8 RGB (H, W, 3), and adds it.

        Raises:
            RoadshiftError: the image cannot be segmented.
        """
        grid = network.grid(image)
        calibration = self.profile.calibration
        pixels = calibrated_pixels(grid.probabilities, calibration)
        sums = confidence_sums(pixels, calibration)
        traits = network.traits(image, grid)
        features = network.features(image)
        height, width = image.shape[:2]
        errors = 1 - pixels.counted.reshape(grid.probabilities.shape[:2])
        self.sums += sums * (height * width / sums.pixels)
        self.region_errors += region_means(errors)
        self.images.append(
            ImageEstimate(
                name,
                width=width,
                height=height,
                accuracy=float(pixels.counted.mean()),
                confidence=float(pixels.confidence.mean(dtype=np.float64)),
                distance=self.profile.look.distance_of(features),
                traits=traits,
                features=features,
                odd=odd_traits(traits, self.profile.look.traits),
            )
        )


def odd_traits(traits: Mapping[str, float], ranges: Mapping[str, Range]) -> list[str]:
    """Names the traits that are out of the sources' range."""
    known = ((name, value, ranges[name]) for name, value in traits.items() if name in ranges)
    return [name for name, value, found in known if not found.holds(value)]


def region_means(values: np.ndarray) -> np.ndarray:
    """Returns the mean over each of `REGIONS`, of float64 (h, w) of any size."""
    # An image with fewer rows than regions has a row in several of them.
    tops, lefts = (
        np.arange(number) * side // number
        for number, side in zip(REGIONS, values.shape, strict=True)
    )
    bottoms, rights = [*tops[1:], values.shape[0]], [*lefts[1:], values.shape[1]]
    return np.array(
        [
            [
                values[top : max(bottom, top + 1), left : max(right, left + 1)].mean()
                for left, right in zip(lefts, rights, strict=True)
            ]
            for top, bottom in zip(tops, bottoms, strict=True)
        ]
    )


def estimate_images(
    network: EstimatingNetwork,
    profile: SourceProfile,
    images: Iterable[NamedImage],
    *,
    failure: Callable[[str, Exception], str],
    done: Callable[[], object] = lambda: None,
) -> SetEstimate:
    """Estimates images; one that fails does not keep the others. Memory holds one at a time.

    Args:
        network: the network.
        profile: what its sources say.
        images: the images.
        failure: function that is told the name of an image that failed and the error, and returns
            the reason to keep.
        done: function that is called after each image.
    """
    found = SetEstimate(profile, network.taxonomy.class_names)
    for image in images:
        try:
            found.add(image.name, image.read(), network)
        # Whatever a file of a user makes a library raise, it says nothing about the others.
        except Exception as error:
            found.failed[image.name] = failure(image.name, error)
        done()
    return found
