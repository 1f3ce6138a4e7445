"""The `train.`, `reg.` and `adapt.` sections of the parameters.

Importing it does not import TensorFlow.
"""

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
        if self.warmup_epochs >= self.epochs:
            raise RoadshiftError(
                f"train.warmup_epochs is {self.warmup_epochs}, train.epochs {self.epochs}: "
                "the warm-up must be shorter than the schedule"
            )
        return self

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


class AdaptSettings(Settings):
    """Adaptation to a domain by its pictures without their labels; each is off at its default."""

    adabn: bool = False
    tent_steps: int = Field(default=0, ge=0, le=1000)
    tent_learning_rate: float = Field(default=0.001, gt=0, le=1)
