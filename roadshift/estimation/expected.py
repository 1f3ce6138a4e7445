"""Expected scores of a network on images without labels, and the workflow's file of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field, ValidationError

from roadshift.atomic import atomic_file
from roadshift.errors import RoadshiftError
from roadshift.estimation.estimates import HEADLINE, ConfidenceSums, accuracies, expected_iou
from roadshift.estimation.source_profile import Bar, SourceProfile
from roadshift.settings import Settings, format_validation_error

SMALL_MISS = 0.03
"""Largest mean miss on held-out sources at which the expected mIoU is shown as a figure; beyond it,
and where no held-out source is, only its upper bound is."""


class Expected(Settings):
    """Expected scores of a network on some images. Shares are in 0..1.

    Attributes:
        images: number of images.
        pixel_accuracy: expected share of the pixels that are recognized.
        pixel_accuracy_low: lower end of its error bar; None without a held-out source.
        pixel_accuracy_high: upper end of its error bar; None without a held-out source.
        miou: expected mean IoU, over the classes that are expected to be present.
        miou_low: lower end of its error bar; None without a held-out source.
        miou_high: upper end of its error bar; None without a held-out source.
        miou_is_known: whether the mIoU missed little enough on held-out sources to be a figure;
            else only `miou_upper_bound` may be said.
        miou_upper_bound: mean IoU by the probabilities as they are, which is too high out of the
            sources' domain.
        iou: expected IoU of each class by its name; None for a class that is not expected.
        by_estimator: expected pixel accuracy by each estimator.
    """

    images: int = Field(ge=0)
    pixel_accuracy: float
    pixel_accuracy_low: float | None
    pixel_accuracy_high: float | None
    miou: float
    miou_low: float | None
    miou_high: float | None
    miou_is_known: bool
    miou_upper_bound: float
    iou: dict[str, float | None]
    by_estimator: dict[str, float]

    @property
    def accuracy_interval(self) -> tuple[float, float] | None:
        """Both ends of the error bar of the pixel accuracy; None where there is none."""
        if self.pixel_accuracy_low is None or self.pixel_accuracy_high is None:
            return None
        return self.pixel_accuracy_low, self.pixel_accuracy_high

    @property
    def miou_interval(self) -> tuple[float, float] | None:
        """Both ends of the error bar of the mIoU; None where there is none."""
        if self.miou_low is None or self.miou_high is None:
            return None
        return self.miou_low, self.miou_high


def expect(
    sums: ConfidenceSums, profile: SourceProfile, *, images: int, class_names: Sequence[str]
) -> Expected:
    """Says what is to be expected.

    Args:
        sums: sums over the pixels of all images, at least one pixel.
        profile: what the sources say.
        images: number of images.
        class_names: names of the classes in the order of their ids.
    """
    by_estimator = accuracies(sums, profile.calibration)
    accuracy = by_estimator[HEADLINE]
    iou = expected_iou(sums)
    accuracy_bar, miou_bar = profile.accuracy_bar(HEADLINE), profile.miou_bar()
    accuracy_low, accuracy_high = _ends(accuracy, accuracy_bar)
    miou_low, miou_high = _ends(iou.miou, miou_bar)
    return Expected(
        images=images,
        pixel_accuracy=round(accuracy, 6),
        pixel_accuracy_low=accuracy_low,
        pixel_accuracy_high=accuracy_high,
        miou=round(iou.miou, 6),
        miou_low=miou_low,
        miou_high=miou_high,
        miou_is_known=miou_bar is not None and miou_bar.mean <= SMALL_MISS,
        miou_upper_bound=round(max(iou.upper_bound, iou.miou), 6),
        iou={
            name: None if np.isnan(value) else round(float(value), 6)
            for name, value in zip(class_names, iou.iou, strict=True)
        },
        by_estimator={name: round(value, 6) for name, value in by_estimator.items()},
    )


def _ends(value: float, bar: Bar | None) -> tuple[float | None, float | None]:
    if bar is None:
        return None, None
    low, high = value - bar.half_width, value + bar.half_width
    return round(max(low, 0.0), 6), round(min(high, 1.0), 6)


class DomainExpectation(Settings):
    """Expected beside true scores of a network on a domain.

    Attributes:
        data_set: name of the data set that plays the domain's role.
        miou: true mIoU; None without a labelled pixel.
        pixel_accuracy: true pixel accuracy; None without a labelled pixel.
        expected: what was expected without the labels.
    """

    data_set: str
    miou: float | None
    pixel_accuracy: float | None
    expected: Expected


class MixExpectations(Settings):
    """Expected beside true scores of the network of a mix.

    Attributes:
        mix: name of the mix.
        taxonomy: name of the taxonomy of its classes.
        domains: by role, in the order of params.yaml.
    """

    mix: str
    taxonomy: str
    domains: dict[str, DomainExpectation]

    def save(self, file: Path) -> None:
        """Writes the expectations as JSON."""
        with atomic_file(file) as partial:
            partial.write_text(self.model_dump_json(indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, file: Path) -> "MixExpectations":
        """Reads expectations.

        Raises:
            RoadshiftError: the file is missing, or does not hold expectations.
        """
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            raise RoadshiftError(f"{file}: missing; run dvc repro") from None
        except ValidationError as error:
            reason = format_validation_error(error, cls)
            raise RoadshiftError(
                f"{file}: not the expected scores of a mix ({reason}); run dvc repro"
            ) from None
