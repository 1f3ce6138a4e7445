"""The `train` and `reg` sections of the parameters; no import of TensorFlow."""

from typing import Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from roadshift.errors import RoadshiftError
from roadshift.networks.settings import STRIDE, Precision
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
    precision: Precision = Field(
        default="float32",
        description="numbers that a step computes in",
        json_schema_extra=ParameterDoc(
            detail="bfloat16 is for GPUs that have it (A100, H100, L4): faster, and half of the "
            "memory. Weights, batch-norm statistics, IBN and losses stay in float32, and so does "
            "the network that is validated and saved.",
            sources=(
                Reference("Micikevicius et al., ICLR 2018", "1710.03740"),
                Reference("Kalamkar et al. 2019", "1905.12322"),
            ),
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
