"""The `train.`, `reg.` and `adapt.` sections of the parameters.

Importing it does not import TensorFlow.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from roadshift.errors import RoadshiftError
from roadshift.networks.settings import STRIDE
from roadshift.settings import Settings


class TrainSettings(Settings):
    """The schedule of a training.

    An epoch is a fixed number of steps and not a pass over the data, so that every mix costs the
    same and is given the same chance.

    Raises:
        RoadshiftError: the warm-up is longer than the schedule.
    """

    epochs: int = Field(ge=1, le=100_000)
    steps_per_epoch: int = Field(ge=1, le=1_000_000)
    batch_size: int = Field(ge=1, le=4096)
    crop_height: int = Field(ge=STRIDE, le=4096, multiple_of=STRIDE)
    crop_width: int = Field(ge=STRIDE, le=4096, multiple_of=STRIDE)
    learning_rate: float = Field(gt=0, le=1)
    encoder_lr_factor: float = Field(gt=0, le=1)
    warmup_epochs: float = Field(ge=0)
    clip_norm: float = Field(ge=0)
    rare_class_temperature: float = Field(default=0.0, ge=0, le=10)
    class_weighting: float = Field(ge=0, le=1)
    focal: float = Field(default=0.0, ge=0, le=10)
    dice: float = Field(default=0.0, ge=0, le=100)
    lovasz: float = Field(default=0.0, ge=0, le=100)
    precise_statistics: int = Field(default=0, ge=0, le=100_000)

    @model_validator(mode="after")
    def _warm_up_ends(self) -> Self:
        # By steps, of which a part of an epoch may round to the whole.
        if self.warmup_steps >= self.steps:
            raise RoadshiftError(
                f"train.warmup_epochs is {self.warmup_epochs}, train.epochs {self.epochs}: "
                "the warm-up must be shorter than the schedule"
            )
        return self

    @property
    def warmup_steps(self) -> int:
        """Steps of the learning rate's rise."""
        return round(self.warmup_epochs * self.steps_per_epoch)

    @property
    def steps(self) -> int:
        """Steps of the whole schedule."""
        return self.epochs * self.steps_per_epoch


class RegSettings(Settings):
    """Regularization; each is off at 0."""

    dropout: float = Field(ge=0, lt=1)
    l1: float = Field(ge=0)
    l2: float = Field(ge=0)
    weight_decay: float = Field(ge=0, lt=1)
    label_smoothing: float = Field(ge=0, lt=1)
    stochastic_depth: float = Field(default=0.0, ge=0, lt=1)
    ema: float = Field(default=0.0, ge=0, lt=1)


class LabelledSettings(Settings):
    """Target pictures that training is given with their labels; off at 0 samples.

    Raises:
        RoadshiftError: training would be left without any picture.
    """

    samples: Annotated[int, Field(ge=0, le=10_000_000)] | Literal["all"] = 0
    weight: int = Field(default=1, ge=1, le=4096)
    alone: bool = False

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if self.alone and self.samples == 0:
            raise RoadshiftError(
                "adapt.labelled.alone is true, but adapt.labelled.samples 0: a training without "
                "the sources needs target pictures; set samples=all for the oracle"
            )
        return self


class SelfTrainingSettings(Settings):
    """Training on the target's pictures by labels that a teacher gives them; off at weight 0."""

    weight: float = Field(default=0.0, ge=0, le=100)
    batch_size: int = Field(default=4, ge=1, le=4096)
    threshold: float = Field(default=0.968, ge=0, lt=1)
    ema: float = Field(default=0.99, ge=0, lt=1)
    warmup_epochs: float = Field(default=1.0, ge=0)


class AdaptSettings(Settings):
    """Adaptation to the target, by pictures of its own; each way is off at its default.

    Raises:
        RoadshiftError: the sources are left out of a self-training, which mixes with them.
    """

    labelled: LabelledSettings = LabelledSettings()
    self_training: SelfTrainingSettings = SelfTrainingSettings()
    adabn: bool = False
    tent_steps: int = Field(default=0, ge=0, le=1000)
    tent_learning_rate: float = Field(default=0.001, gt=0, le=1)

    @model_validator(mode="after")
    def _oracle_needs_no_teacher(self) -> Self:
        if self.labelled.alone and self.self_training.weight:
            raise RoadshiftError(
                f"adapt.labelled.alone is true and adapt.self_training.weight "
                f"{self.self_training.weight}: the oracle has all labels; set one of them off"
            )
        return self
