"""The `adapt` section of the parameters; no import of TensorFlow."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from roadshift.errors import RoadshiftError
from roadshift.settings import Method, ParameterDoc, Reference, Settings
from roadshift.training.choice import ChoiceSettings


class LabelledSettings(ChoiceSettings):
    """Labelled images of the target's train split, which join the sources; off at 0 samples.

    Raises:
        RoadshiftError: training would be left without any image.
    """

    samples: Annotated[int, Field(ge=0, le=10_000_000)] | Literal["all"] = Field(
        default=0,
        description="number of target images with labels, drawn by seed",
        json_schema_extra=ParameterDoc(
            detail="Of random images, a draw of 5 is among a draw of 20. 0 is off.",
            start=5,
            sources=(Reference("Motiian et al., ICCV 2017", "1709.10190"),),
            method=Method(
                "adaptation",
                "a few labelled images of the target join the sources with a weight in every "
                "batch; all of them alone are the oracle",
                also=("weight", "target_only"),
            ),
        ),
    )
    weight: int = Field(
        default=1, ge=1, le=4096, description="weight in every batch, beside the sources' in mixes"
    )
    target_only: bool = Field(
        default=False,
        description="whether the sources are left out, for the oracle",
        json_schema_extra=ParameterDoc(
            limit="needs samples", detail="The oracle is what methods are compared with."
        ),
    )

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if self.target_only and self.samples == 0:
            raise RoadshiftError(
                "adapt.labelled.target_only is true, but adapt.labelled.samples 0: a training "
                "without the sources needs target images; set samples=all for the oracle"
            )
        return self


class SelfTrainingSettings(Settings):
    """Self-training (DACS) on unlabelled images of the target's train split; off at weight 0.

    The teacher is the moving average of the network's own weights. The network learns the teacher's
    pseudo-labels on target images into which classes of source images are pasted.
    """

    weight: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="weight of its loss beside the sources'",
        json_schema_extra=ParameterDoc(
            limit="not with target_only",
            detail="The loss is that on the target images. 0 is off.",
            start=1,
            sources=(
                Reference("Tranheden et al., WACV 2021", "2007.08702"),
                Reference("Mean Teacher, Tarvainen and Valpola, NeurIPS 2017", "1703.01780"),
            ),
            method=Method(
                "adaptation",
                "DACS: an averaged teacher labels images of the target, and classes of labelled "
                "source images are pasted into them",
                also=("batch_size", "threshold", "teacher_ema_decay", "warmup_epochs"),
            ),
        ),
    )
    batch_size: int = Field(default=4, ge=1, le=4096, description="target images in a step")
    threshold: float = Field(
        default=0.968,
        ge=0,
        lt=1,
        description="the teacher's confidence above which pixels count",
        json_schema_extra=ParameterDoc(
            detail="The share of pixels that the teacher is surer of weighs its pseudo-labels."
        ),
    )
    teacher_ema_decay: float = Field(
        default=0.99, ge=0, lt=1, description="EMA decay of the teacher's weights"
    )
    warmup_epochs: float = Field(
        default=1.0,
        ge=0,
        description="epochs before self-training starts",
        json_schema_extra=ParameterDoc(unit="epochs", limit="fewer than train.epochs"),
    )


class AdaptSettings(Settings):
    """Adaptation to the target by images of its own; each method is off at its default.

    Training sees only the target's train split, which is never scored. AdaBN and TENT adapt to the
    very images that are scored, without their labels; their scores stand beside the plain ones.

    Raises:
        RoadshiftError: self-training is on, but the sources that it mixes with are left out.
    """

    labelled: LabelledSettings = LabelledSettings()
    self_training: SelfTrainingSettings = SelfTrainingSettings()
    adabn: bool = Field(
        default=False,
        description="whether batch-norm statistics are retaken from the scored images",
        json_schema_extra=ParameterDoc(
            detail="They replace the sources' statistics.",
            sources=(Reference("Li et al. 2016", "1603.04779"),),
            method=Method(
                "adaptation",
                "AdaBN: batch-norm statistics of the scored domain's unlabelled images",
            ),
        ),
    )
    tent_steps: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="TENT: steps that lower an image's entropy by scales and offsets",
        json_schema_extra=ParameterDoc(
            detail="The scales and offsets are those of the norms. 0 is off.",
            start=1,
            sources=(Reference("Wang et al., ICLR 2021", "2006.10726"),),
            method=Method(
                "adaptation",
                "TENT: scales and offsets of the norms lower each image's entropy",
                also=("tent_learning_rate",),
            ),
        ),
    )
    tent_learning_rate: float = Field(
        default=0.001, gt=0, le=1, description="learning rate of TENT's steps"
    )

    @model_validator(mode="after")
    def _oracle_needs_no_teacher(self) -> Self:
        if self.labelled.target_only and self.self_training.weight:
            raise RoadshiftError(
                f"adapt.labelled.target_only is true and adapt.self_training.weight "
                f"{self.self_training.weight}: the oracle has all labels; turn one of them off"
            )
        return self
