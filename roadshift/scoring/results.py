"""The results of scoring a network, and the files that hold them.

`MixScores` is the JSON file of a mix: its metrics on every domain. `MixMatrices` is an `.npz` file:
a confusion matrix for every image, for paired comparisons. `ExamplePredictions` is an `.npz` file:
the predictions on the few images that are shown. No other module reads or writes these files.
"""

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from roadshift.atomic import atomic_file
from roadshift.errors import RoadshiftError
from roadshift.json_file import JsonFile
from roadshift.settings import Settings
from roadshift.taxonomy import split_joined

Method = Literal["adabn", "tent"]
"""A method of test-time adaptation."""
TargetUse = Literal["", "unsupervised", "supervised"]
"""The use that a training makes of the target's train split: none, unlabelled images (unsupervised
adaptation), or labelled images (supervised)."""

_AGAIN = "run dvc repro"


class DomainScores(Settings):
    """The metrics of a network on a domain. Shares are in 0..1; what is not defined is None.

    Attributes:
        data_set: name of the data set that plays the domain's role.
        images: number of images that were scored.
        miou: mean IoU over the classes that occur in the ground truth.
        miou_low: lower end of the confidence interval of `miou`.
        miou_high: upper end of the confidence interval of `miou`.
        iou: IoU of each class by its name; None where the ground truth lacks the class, or does not
            tell it from others.
        joined: IoU of each joined class, by the names of its classes; empty if the ground truth
            tells all classes apart.
        classes_scored: number of classes that `miou` is over.
        classes_absent: names of the classes that the ground truth lacks.
        pixel_accuracy: share of the counted pixels that are recognized.
        mean_accuracy: mean over the classes of the share of their pixels that is recognized.
        frequency_weighted_iou: IoU weighted by the classes' shares of the ground truth.
        calibration_error: expected calibration error.
        adapted: by method of test-time adaptation, the metrics of the network adapted to this
            domain's images.
    """

    data_set: str
    images: int = Field(ge=0)
    miou: float | None
    miou_low: float | None
    miou_high: float | None
    iou: dict[str, float | None]
    classes_scored: int
    classes_absent: list[str]
    joined: dict[str, float | None] = Field(default_factory=dict)
    pixel_accuracy: float | None
    mean_accuracy: float | None
    frequency_weighted_iou: float | None
    calibration_error: float | None
    adapted: dict[Method, "DomainScores"] = Field(default_factory=dict)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the confidence interval of the mIoU; None where there is none."""
        if self.miou_low is None or self.miou_high is None:
            return None
        return self.miou_low, self.miou_high

    @property
    def joined_parts(self) -> set[str]:
        """Names of the classes that are scored as a part of a joined class."""
        return {name for names in self.joined for name in split_joined(names)}

    @model_serializer(mode="wrap")
    def _without_empty_joins(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content = serialize(self)
        # A domain with exact labels has the same file with and without partial labels elsewhere.
        if not self.joined:
            content.pop("joined", None)
        return content


class MixScores(JsonFile):
    """The metrics of the network of a mix.

    Attributes:
        mix: the mix's name.
        taxonomy: name of the taxonomy of its classes.
        target_images: number of images of the target that training was given, by their use:
            'labelled' and 'unlabelled'.
        domains: by role, in the order of params.yaml.
    """

    content: ClassVar[str] = "the scores of a mix"

    mix: str
    taxonomy: str
    target_images: dict[str, int] = Field(default_factory=dict)
    domains: dict[str, DomainScores]

    @property
    def target_use(self) -> TargetUse:
        """The use that training made of the target."""
        return target_use(self.target_images)


def target_use(images: Mapping[str, int]) -> TargetUse:
    """Returns the use that a training made of the target.

    Args:
        images: number of the target's images it was given, under 'labelled' and 'unlabelled'.
    """
    if images.get("labelled"):
        return "supervised"
    return "unsupervised" if images.get("unlabelled") else ""


@dataclass(frozen=True, eq=False)
class ImageMatrices:
    """The confusion matrices of a network on a domain, one for each image.

    Attributes:
        ids: the images' ids, each once.
        matrices: int64 (images, classes, classes) in the order of `ids`. Rows are the truth,
            columns the prediction.
    """

    ids: tuple[str, ...]
    matrices: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """The confusion matrix of the whole domain, int64 (classes, classes)."""
        return self.matrices.sum(axis=0)

    def sorted(self) -> "ImageMatrices":
        """Returns the matrices in the order of the ids, as paired comparisons need them."""
        order = sorted(range(len(self.ids)), key=self.ids.__getitem__)
        return ImageMatrices(tuple(self.ids[k] for k in order), self.matrices[order])


@dataclass(frozen=True, eq=False)
class MixMatrices:
    """The confusion matrices of the network of a mix, image by image.

    Attributes:
        domains: by role, in the order in which the images were scored.
        adapted: by method of test-time adaptation and role.
    """

    domains: Mapping[str, ImageMatrices]
    adapted: Mapping[str, Mapping[str, ImageMatrices]] = field(default_factory=dict)

    def save(self, file: Path) -> None:
        """Writes the matrices as a compressed `.npz`."""
        arrays: dict[str, Any] = {}
        for role, found in self.domains.items():
            arrays |= {f"{role}/ids": np.array(found.ids), f"{role}/matrices": found.matrices}
        for method, domains in self.adapted.items():
            for role, found in domains.items():
                arrays[f"{role}/{method}/matrices"] = found.matrices
        with atomic_file(file) as partial, partial.open("wb") as sink:
            np.savez_compressed(sink, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, file: Path) -> "MixMatrices":
        """Reads the matrices.

        Raises:
            RoadshiftError: the file is missing, or does not hold matrices.
        """
        arrays = _load_arrays(file, "the confusion matrices of a mix")
        domains: dict[str, ImageMatrices] = {}
        adapted: dict[str, dict[str, ImageMatrices]] = {}
        try:
            for name in arrays:
                role, *method, kind = name.split("/")
                if kind != "matrices":
                    continue
                ids = tuple(str(each) for each in arrays[f"{role}/ids"])
                where = adapted.setdefault(method[0], {}) if method else domains
                where[role] = ImageMatrices(ids, arrays[name])
        except KeyError as error:
            raise RoadshiftError(
                f"{file}: not the confusion matrices of a mix ({error} is missing); {_AGAIN}"
            ) from None
        return cls(domains, adapted)


@dataclass(frozen=True, eq=False)
class ExamplePredictions:
    """A network's predictions on a few images of each domain, to be shown.

    Attributes:
        domains: by role and image id, uint8 (H, W) class ids at the label's own resolution.
    """

    domains: Mapping[str, Mapping[str, np.ndarray]]

    def save(self, file: Path) -> None:
        """Writes the predictions as a compressed `.npz`."""
        arrays: dict[str, Any] = {}
        for role, predictions in self.domains.items():
            arrays[f"{role}/ids"] = np.array([*predictions])
            for number, prediction in enumerate(predictions.values()):
                arrays[f"{role}/{number}"] = prediction
        with atomic_file(file) as partial, partial.open("wb") as sink:
            np.savez_compressed(sink, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, file: Path) -> "ExamplePredictions":
        """Reads the predictions.

        Raises:
            RoadshiftError: the file is missing, or does not hold predictions.
        """
        arrays = _load_arrays(file, "the example predictions of a mix")
        roles = [name.removesuffix("/ids") for name in arrays if name.endswith("/ids")]
        return cls(
            {
                role: {
                    str(name): arrays[f"{role}/{number}"]
                    for number, name in enumerate(arrays[f"{role}/ids"])
                }
                for role in roles
            }
        )


def _load_arrays(file: Path, what: str) -> dict[str, np.ndarray]:
    try:
        with np.load(file, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing; {_AGAIN}") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise RoadshiftError(f"{file}: not {what} ({reason}); {_AGAIN}") from None
