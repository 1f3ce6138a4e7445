"""The `model` section of the parameters. Importing it does not import TensorFlow."""

from typing import Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from roadshift.errors import RoadshiftError
from roadshift.settings import Settings, nearest

Encoder = Literal["efficientnet_lite0", "efficientnet_lite2", "mobilenet_v2", "unet"]

STRIDE = 32
"""The coarsest stride of the encoders: networks take pictures whose sides are multiples of it."""


class ModelSettings(Settings):
    """Which network is trained, and where its first weights come from.

    Raises:
        RoadshiftError: If the values exclude each other: `encoder: unet` with ImageNet weights or
            instance normalization; or if `weights` is no kind of file that the encoder takes.
    """

    encoder: Encoder = Field(default="efficientnet_lite0", description="the encoder's architecture")
    weights: str = Field(
        default="imagenet",
        min_length=1,
        description="first weights: imagenet, none (random), or the path of a .keras file "
        "written by roadshift, or of a Keras .h5 file without top for mobilenet_v2",
    )
    decoder_channels: int = Field(
        default=96,
        ge=8,
        le=512,
        description="channels of the decoder's feature maps (not for unet)",
    )
    keep_statistics: bool = Field(
        default=True,
        description="a pretrained encoder keeps the batch-norm statistics of its pretraining, in "
        "training too; a network from scratch always learns its own (not for unet)",
    )
    freeze: int = Field(
        default=0,
        ge=0,
        le=7,
        description="the first stages of a pretrained encoder that are not trained; 1 = the stem; "
        "a network from scratch trains all (not for unet)",
    )
    instance_norm: int = Field(
        default=0,
        ge=0,
        le=3,
        description="the stages, from stride 4 to 16, in which half of the expanded channels are "
        "normalized by the picture they are in; 0 = off (not for unet)",
    )
    base_filters: int = Field(
        default=16, ge=4, le=128, description="filters of the first level of unet, doubled a level"
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        _check_weights(self.weights, self.encoder)
        if self.encoder == "unet" and self.weights == "imagenet":
            raise RoadshiftError(
                "model.weights is imagenet, but there are no ImageNet weights for "
                "model.encoder unet: set model.weights=none"
            )
        if self.encoder == "unet" and self.instance_norm:
            raise RoadshiftError(
                f"model.instance_norm is {self.instance_norm}, but model.encoder unet has no "
                "stages to put it into: set model.instance_norm=0, or another encoder"
            )
        return self


def _check_weights(weights: str, encoder: str) -> None:
    # Before any data are got: whether the file is there is seen when it is read.
    if weights in ("imagenet", "none") or weights.endswith(".keras"):
        return
    if not weights.endswith(".h5"):
        raise RoadshiftError(
            f"model.weights is {weights}, which is neither imagenet nor none nor a .keras or .h5 "
            f"file{nearest(weights, ('imagenet', 'none'))}"
        )
    if encoder != "mobilenet_v2":
        raise RoadshiftError(
            f"model.weights is {weights}, but .h5 files are of mobilenet_v2: set "
            "model.encoder=mobilenet_v2, or model.weights to a .keras file"
        )
