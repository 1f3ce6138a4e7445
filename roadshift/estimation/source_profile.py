"""Profile of a network's sources that estimates need, and the file beside the network with it."""

from pathlib import Path

import numpy as np
from pydantic import Field, ValidationError
from scipy.special import stdtrit

from roadshift.atomic import atomic_file
from roadshift.errors import RoadshiftError
from roadshift.estimation.camera import Range
from roadshift.estimation.confidence import Calibration
from roadshift.estimation.estimates import HEADLINE
from roadshift.scoring.numbers import percent
from roadshift.settings import Settings, format_validation_error

SUFFIX = ".estimate.json"
"""End of the name of the file beside a network, in the place of '.keras'."""
LEVEL = 0.9
"""Share of the error bars that are to hold the truth."""
_DIGITS = 6


class Cell(Settings):
    """A network on a source that it was not trained on: what was expected, and what was true.

    Attributes:
        mix: mix of the network.
        role: role of the source.
        data_set: name of the source's data set.
        images: number of images, of its train and val splits.
        accuracy: true pixel accuracy, 0..1.
        miou: true mIoU, 0..1.
        expected_accuracy: estimate of the pixel accuracy by each estimator.
        expected_miou: estimate of the mIoU.
        miou_upper_bound: mIoU by soft confusion.
    """

    mix: str
    role: str
    data_set: str
    images: int
    accuracy: float
    miou: float
    expected_accuracy: dict[str, float]
    expected_miou: float
    miou_upper_bound: float

    @property
    def sentence(self) -> str:
        """The comparison in a line."""
        expected = percent(self.expected_accuracy[HEADLINE])
        return (
            f"{self.role} ({self.data_set}), held out: expected pixel accuracy {expected} %, true "
            f"{percent(self.accuracy)} %"
        )


class Bar(Settings):
    """Misses of the estimates on held-out sources.

    Attributes:
        cells: number of held-out sources, over all networks.
        mean: mean absolute miss, a share.
        largest: largest absolute miss.
        half_width: half of an error bar that holds the truth in `LEVEL` of the cases.
    """

    cells: int
    mean: float
    largest: float
    half_width: float


class Look(Settings):
    """Features and traits of the sources' images.

    Attributes:
        images: number of images that it is from: val, and some of train, unless train images are
            stored scaled down.
        traits: range of each trait over the images.
        feature_means: mean of each feature of the encoder.
        feature_spreads: standard deviation of each feature.
        distance: range of the images' own distances from the mean.
    """

    images: int
    traits: dict[str, Range]
    feature_means: list[float]
    feature_spreads: list[float]
    distance: Range

    def distance_of(self, features: np.ndarray) -> float:
        """Returns the distance of an image from the sources, in standard deviations.

        It is the root mean square over the features; an image of the sources has about 1.
        """
        return feature_distance(
            features, np.array(self.feature_means), np.array(self.feature_spreads)
        )


def feature_distance(features: np.ndarray, means: np.ndarray, spreads: np.ndarray) -> float:
    """Root mean square of the features' distances from their means, in standard deviations.

    Features that hardly vary do not count: their distance would be rounding noise.
    """
    varying = spreads > 1e-3 * max(float(spreads.max(initial=0.0)), 1e-6)
    if not varying.any():
        return 0.0
    return float(np.sqrt(np.mean(((features - means)[varying] / spreads[varying]) ** 2)))


class SourceProfile(Settings):
    """Profile of a network's sources. No image of test and none of the target is in it.

    Attributes:
        mix: mix of the network.
        taxonomy: name of the taxonomy of its classes.
        network: digest of the network's weights.
        sources: names of the data sets that it was trained on.
        calibration: what val of its sources says of its confidence.
        look: what images of its sources look like.
        cells: the held-out sources of this network; in the file beside a network, of all networks
            of the run.
    """

    mix: str
    taxonomy: str
    network: str
    sources: list[str]
    calibration: Calibration
    look: Look
    cells: list[Cell] = Field(default_factory=list)

    def accuracy_bar(self, estimator: str) -> Bar | None:
        """Returns how far an estimator of the pixel accuracy missed; None without a cell."""
        return error_bar([c.expected_accuracy[estimator] - c.accuracy for c in self.cells])

    def miou_bar(self) -> Bar | None:
        """Returns how far the estimate of the mIoU missed; None without a cell."""
        return error_bar([cell.expected_miou - cell.miou for cell in self.cells])

    def check_network(self, digest: str, file: Path) -> None:
        """Checks that the profile is of a network.

        Args:
            digest: digest of the network's weights.
            file: file of the profile, which the message names.

        Raises:
            RoadshiftError: it is of another network.
        """
        if digest != self.network:
            raise RoadshiftError(
                f"{file}: is of another network (mix '{self.mix}'), or of an earlier training; "
                "copy the file that lies beside this network where `dvc repro` wrote both"
            )

    def save(self, file: Path) -> None:
        """Writes the profile as JSON."""
        with atomic_file(file) as partial:
            partial.write_text(self.model_dump_json(indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, file: Path) -> "SourceProfile":
        """Reads a profile.

        Raises:
            RoadshiftError: the file is missing or damaged.
        """
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            raise RoadshiftError(
                f"{file}: missing; it holds what the sources say of the network's confidence: copy "
                "it from beside the network's file, where `dvc repro` writes it, or run `dvc repro "
                "error_bars`"
            ) from None
        except ValidationError as error:
            reason = format_validation_error(error, cls)
            raise RoadshiftError(
                f"{file}: not the profile of a network's sources ({reason}); run `dvc repro`"
            ) from None


def error_bar(misses: list[float]) -> Bar | None:
    """Makes an error bar of the misses on held-out sources; None without one.

    Misses count as draws about 0 of unknown spread, so the half-width is their root mean square by
    the quantile of Student's t with a degree of freedom for each: few sources give a wide bar.
    """
    if not misses:
        return None
    found = np.array(misses)
    quantile = float(stdtrit(len(misses), 0.5 + LEVEL / 2))
    return Bar(
        cells=len(misses),
        mean=round(float(np.abs(found).mean()), _DIGITS),
        largest=round(float(np.abs(found).max()), _DIGITS),
        half_width=round(quantile * float(np.sqrt(np.mean(found**2))), _DIGITS),
    )


def profile_file(model: Path) -> Path:
    """Returns the file beside a network's: `models/ab.estimate.json` for `models/ab.keras`."""
    return model.with_name(f"{model.name.removesuffix('.keras')}{SUFFIX}")
