"""The `train`, `reg` and `adapt` sections of the parameters; no import of TensorFlow."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from roadshift.errors import RoadshiftError
from roadshift.networks.settings import STRIDE
from roadshift.settings import Method, ParameterDoc, Reference, Settings

EpochRule = Literal["last", "one_standard_error"]
"""Which epoch's weights are kept."""


class TrainSettings(Settings):
    """Schedule, optimizer and loss of a training.

    An epoch is a fixed number of steps and not a pass over the data, so that every mix costs the
    same and has the same chance.

    Raises:
        RoadshiftError: the warm-up is longer than the schedule.
    """

    epochs: int = Field(
        ge=1, le=100_000, description="number of epochs, each followed by a validation"
    )
    steps_per_epoch: int = Field(
        ge=1,
        le=1_000_000,
        description="batches an epoch, the same for every mix, whatever its data",
    )
    batch_size: int = Field(ge=1, le=4096, description="images in a batch")
    crop_height: int = Field(
        ge=STRIDE,
        le=4096,
        multiple_of=STRIDE,
        description="height of the crop",
        json_schema_extra=ParameterDoc(unit="pixels"),
    )
    crop_width: int = Field(
        ge=STRIDE,
        le=4096,
        multiple_of=STRIDE,
        description="width of the crop",
        json_schema_extra=ParameterDoc(unit="pixels"),
    )
    learning_rate: float = Field(gt=0, le=1, description="peak of the learning rate")
    encoder_lr_factor: float = Field(
        gt=0, le=1, description="factor on a pretrained encoder's learning rate, 1 = the same"
    )
    warmup_epochs: float = Field(
        ge=0,
        description="linear rise before the cosine decay",
        json_schema_extra=ParameterDoc(
            unit="epochs", limit="fewer than epochs", detail="The learning rate rises, then decays."
        ),
    )
    selected_epoch: EpochRule = Field(
        default="last",
        description="epoch whose weights are kept",
        json_schema_extra=ParameterDoc(
            detail="one_standard_error is the last epoch whose mean mIoU on the sources' val "
            "images lies no more than its standard error over these images below the best.",
            sources=(Reference("Breiman et al., Classification and Regression Trees 1984"),),
        ),
    )
    clip_norm: float = Field(
        ge=0,
        description="largest norm of all gradients together, 0 = no limit",
        json_schema_extra=ParameterDoc(
            start=1,
            sources=(Reference("Pascanu et al., ICML 2013", "1211.5063"),),
            method=Method("regularization", "no step larger than this, whatever the gradient"),
        ),
    )
    rare_class_temperature: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="T of P(class) ~ exp((1-share)/T) to draw images by, 0 = off",
        json_schema_extra=ParameterDoc(
            start=0.01,
            sources=(Reference("DAFormer, Hoyer et al., CVPR 2022", "2111.14887"),),
            method=Method("regularization", "images of rare classes are drawn more often"),
        ),
    )
    class_weight_exponent: float = Field(
        ge=0,
        le=1,
        description="weight exponent: at 0 all pixels count alike, at 1 all classes",
        json_schema_extra=ParameterDoc(
            detail="It raises the weight of rare classes.",
            start=0.5,
            sources=(Reference("Eigen and Fergus, ICCV 2015", "1411.4734"),),
            method=Method("regularization", "rare classes count more"),
        ),
    )
    focal_gamma: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="gamma of the focal loss, 0 = cross-entropy",
        json_schema_extra=ParameterDoc(
            limit="not with label_smoothing",
            detail="The focal loss spares pixels that are certain.",
            start=2,
            sources=(Reference("Lin et al., ICCV 2017", "1708.02002"),),
            method=Method("regularization", "certain pixels count less"),
        ),
    )
    dice_weight: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="weight of the soft Dice loss beside cross-entropy",
        json_schema_extra=ParameterDoc(
            start=0.5,
            sources=(Reference("V-Net, Milletari et al., 3DV 2016", "1606.04797"),),
            method=Method("regularization", "overlap of whole regions as a loss"),
        ),
    )
    lovasz_weight: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="weight of the Lovász-softmax loss beside cross-entropy",
        json_schema_extra=ParameterDoc(
            start=0.5,
            sources=(Reference("Berman et al., CVPR 2018", "1705.08790"),),
            method=Method("regularization", "IoU itself, made differentiable"),
        ),
    )
    precise_bn_batches: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="batches to recompute trained batch-norm statistics from",
        json_schema_extra=ParameterDoc(
            detail="They are training batches, after training. 0 is off.",
            start=100,
            sources=(Reference("Wu and Johnson 2021", "2105.07576"),),
            method=Method(
                "adaptation", "batch-norm statistics taken anew from training batches at the end"
            ),
        ),
    )

    @model_validator(mode="after")
    def _warm_up_ends(self) -> Self:
        # Compared in steps: a part of an epoch may round to a whole one.
        if self.warmup_steps >= self.steps:
            raise RoadshiftError(
                f"train.warmup_epochs is {self.warmup_epochs}, train.epochs {self.epochs}: "
                "the warm-up must be shorter than the schedule"
            )
        return self

    @property
    def warmup_steps(self) -> int:
        """Number of steps in which the learning rate rises."""
        return round(self.warmup_epochs * self.steps_per_epoch)

    @property
    def steps(self) -> int:
        """Number of steps of the whole schedule."""
        return self.epochs * self.steps_per_epoch


class RegSettings(Settings):
    """Regularization; each method is off at 0."""

    dropout: float = Field(
        ge=0,
        lt=1,
        description="share of features zeroed before the classifier, in unet at each level",
        json_schema_extra=ParameterDoc(
            start=0.1,
            sources=(Reference("Srivastava et al., JMLR 2014"),),
            method=Method("regularization", "features dropped at random before the classifier"),
        ),
    )
    l1: float = Field(
        ge=0,
        description="factor of the sum of absolute kernel weights in the loss",
        json_schema_extra=ParameterDoc(
            start=1e-6,
            sources=(Reference("Lasso, Tibshirani 1996"),),
            method=Method("regularization", "penalty on absolute weights: few of them"),
        ),
    )
    l2: float = Field(
        ge=0,
        description="factor of the sum of squared kernel weights in the loss",
        json_schema_extra=ParameterDoc(
            start=1e-4,
            sources=(Reference("Krogh and Hertz, NeurIPS 1991"),),
            method=Method("regularization", "penalty on squared weights: small ones"),
        ),
    )
    weight_decay: float = Field(
        ge=0,
        lt=1,
        description="decoupled decay of kernels (AdamW), times the learning rate",
        json_schema_extra=ParameterDoc(
            start=0.01,
            sources=(Reference("Loshchilov and Hutter, ICLR 2019", "1711.05101"),),
            method=Method("regularization", "AdamW: decay apart from the gradient's scaling"),
        ),
    )
    label_smoothing: float = Field(
        ge=0,
        lt=1,
        description="share of the label spread over classes",
        json_schema_extra=ParameterDoc(
            limit="not with focal_gamma",
            detail="It is spread over all classes.",
            start=0.1,
            sources=(Reference("Szegedy et al., CVPR 2016", "1512.00567"),),
            method=Method("regularization", "targets short of 0 and 1: less overconfidence"),
        ),
    )
    stochastic_depth: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="drop rate of the last residual branch",
        json_schema_extra=ParameterDoc(
            limit="not for unet",
            detail="The rate rises linearly up to that branch.",
            start=0.1,
            sources=(Reference("Huang et al., ECCV 2016", "1603.09382"),),
            method=Method("regularization", "residual branches skipped at random"),
        ),
    )
    ema_decay: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="decay of the weights' moving average, which is validated and saved",
        json_schema_extra=ParameterDoc(
            detail="0 is off: the weights themselves are validated and saved.",
            start=0.99,
            sources=(
                Reference("Polyak and Juditsky 1992"),
                Reference("mean teacher, 2017", "1703.01780"),
            ),
            method=Method(
                "regularization", "a moving average of the weights: a flatter place of the loss"
            ),
        ),
    )


class LabelledSettings(Settings):
    """Labelled images of the target's train split, which join the sources; off at 0 samples.

    Raises:
        RoadshiftError: training would be left without any image.
    """

    samples: Annotated[int, Field(ge=0, le=10_000_000)] | Literal["all"] = Field(
        default=0,
        description="number of target images, drawn by data.split.seed",
        json_schema_extra=ParameterDoc(
            detail="A draw of 5 is among a draw of 20. 0 is off.",
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
