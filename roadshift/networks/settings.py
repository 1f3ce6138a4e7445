"""The `model` section of the parameters. Importing it does not import TensorFlow."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from roadshift.errors import RoadshiftError
from roadshift.networks.architectures import ENCODERS
from roadshift.settings import Method, ParameterDoc, Reference, Settings, suggestion

Encoder = Literal["efficientnet_lite0", "efficientnet_lite2", "mobilenet_v2", "unet"]
"""The names in `roadshift.networks.architectures.ENCODERS`."""

Precision = Literal["float32", "bfloat16"]
"""The floating-point numbers that a training step computes in."""

STRIDE = 32
"""The coarsest stride of the encoders: networks take images whose sides are multiples of it."""


class InferenceSettings(Settings):
    """Settings for the use of a network on whole images. The network's file carries them.

    Attributes:
        max_height: pixels; a taller image is scaled down to it; 0 for no limit.
        tta_flip: whether predictions are averaged over each view and its mirror image
            (test-time augmentation).
        tta_scales: factors on the image's size after `max_height`, one for each view; predictions
            are averaged over the views (test-time augmentation).
    """

    max_height: int = Field(default=0, ge=0, le=10_000)
    tta_flip: bool = False
    tta_scales: Annotated[tuple[float, ...], Field(strict=False, min_length=1)] = (1.0,)


class ModelSettings(Settings):
    """The network that is trained, and its first weights.

    Raises:
        RoadshiftError: values exclude each other: `encoder: unet` with ImageNet weights or IBN, or
            `weights` of a kind of file that the encoder does not take.
    """

    encoder: Encoder = Field(
        default="efficientnet_lite0",
        description="network",
        json_schema_extra=ParameterDoc(detail="This is the encoder's architecture."),
    )
    weights: str = Field(
        default="imagenet",
        min_length=1,
        description="first weights: imagenet (not for unet), none, path of a .keras or .h5 file",
        json_schema_extra=ParameterDoc(
            detail="The weights of none are random. A .keras file is one that roadshift wrote; an "
            ".h5 file is one of Keras without top, for mobilenet_v2.",
            sources=(Reference("EfficientNet, Tan and Le, ICML 2019", "1905.11946"),),
            method=Method(
                "adaptation",
                "features that have seen more than two cities: an encoder pretrained on ImageNet",
            ),
        ),
    )
    decoder_channels: int = Field(
        default=96,
        ge=8,
        le=512,
        description="channels of the decoder's feature maps",
        json_schema_extra=ParameterDoc(limit="not for unet"),
    )
    frozen_batch_norm: bool = Field(
        default=True,
        description="whether a pretrained encoder keeps batch-norm statistics",
        json_schema_extra=ParameterDoc(
            limit="not for unet",
            detail="The encoder keeps the statistics of its pretraining, in training too. A "
            "network from scratch always learns its own.",
            sources=(Reference("batch norm, Ioffe and Szegedy, ICML 2015", "1502.03167"),),
            method=Method(
                "adaptation",
                "the pretrained encoder's batch-norm statistics stay, so that mixed domains do not "
                "disturb each other",
            ),
        ),
    )
    frozen_stages: int = Field(
        default=0,
        ge=0,
        le=7,
        description="first stages of a pretrained encoder that are not trained",
        json_schema_extra=ParameterDoc(
            limit="not for unet",
            detail="The stem is the first stage. A network from scratch trains all.",
        ),
    )
    ibn_stages: int = Field(
        default=0,
        ge=0,
        le=3,
        description="number of stages with IBN, from stride 4 to 16",
        json_schema_extra=ParameterDoc(
            limit="not for unet",
            detail="In these stages, half of the expanded channels are normalized by the image "
            "they are in. 0 is off.",
            start=2,
            sources=(Reference("Pan et al., ECCV 2018", "1807.09441"),),
            method=Method(
                "adaptation",
                "IBN: half of the channels forget each image's own contrast and colour",
            ),
        ),
    )
    base_filters: int = Field(
        default=16,
        ge=4,
        le=128,
        description="filters of the first level of unet, doubled a level",
        json_schema_extra=ParameterDoc(limit="only for unet"),
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        _check_weights(self.weights, self.encoder)
        spec = ENCODERS[self.encoder]
        if self.weights == "imagenet" and not spec.has_imagenet_weights:
            raise RoadshiftError(
                "model.weights is imagenet, but there are no ImageNet weights for "
                f"model.encoder {spec.name}: set model.weights=none"
            )
        if self.ibn_stages and not spec.has_ibn_stages:
            raise RoadshiftError(
                f"model.ibn_stages is {self.ibn_stages}, but model.encoder {spec.name} has no "
                "stages to put it into: set model.ibn_stages=0, or another encoder"
            )
        return self


def _check_weights(weights: str, encoder: str) -> None:
    # This check runs before any download; reading the file checks that it exists.
    if weights in ("imagenet", "none"):
        return
    takers = {
        suffix: [other.name for other in ENCODERS.values() if suffix in other.weights_suffixes]
        for spec in ENCODERS.values()
        for suffix in spec.weights_suffixes
    }
    suffix = next((suffix for suffix in takers if weights.endswith(suffix)), None)
    if suffix is None:
        raise RoadshiftError(
            f"model.weights is {weights}, which is neither imagenet nor none nor a "
            f"{' or '.join(takers)} file{suggestion(weights, ('imagenet', 'none'))}"
        )
    if encoder not in takers[suffix]:
        raise RoadshiftError(
            f"model.weights is {weights}, but {suffix} files are of "
            f"{' or '.join(takers[suffix])}: set model.encoder={takers[suffix][0]}, or "
            f"model.weights to a {' or '.join(ENCODERS[encoder].weights_suffixes)} file"
        )
