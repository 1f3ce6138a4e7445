"""The encoders as tables: their stages, and the settings that each of them allows.

EfficientNet-Lite0 and 2 are EfficientNet-B0 and B2 (Tan and Le, ICML 2019) without
squeeze-and-excitation and with ReLU6; Lite2 keeps B0's stem, and the depth of its first and last
stage. MobileNetV2 is by Sandler et al., CVPR 2018. Importing this module does not import
TensorFlow.

A new encoder takes an entry in `ENCODERS` and its name in `roadshift.networks.settings.Encoder`.
An encoder without a table of stages also takes a builder (`roadshift.networks.build.encoder`), one
with ImageNet weights a loader (`roadshift.networks.imagenet.imagenet_weights`).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A row of an architecture's table: a chain of inverted residual blocks.

    Attributes:
        kernel: height and width of the depthwise kernels.
        stride: stride of the first block; the others have stride 1.
        expansion: factor on the number of channels inside a block; 1 for no expansion.
        filters: number of output channels.
        repeats: number of blocks.
    """

    kernel: int
    stride: int
    expansion: int
    filters: int
    repeats: int


@dataclass(frozen=True)
class Architecture:
    """An encoder: a 3x3 stem of stride 2 with 32 filters, then stages.

    Attributes:
        mean: number that is subtracted from inputs of 0..255.
        scale: number that they are divided by after that.
        stages: the rows of the table, in order.
    """

    mean: float
    scale: float
    stages: tuple[Stage, ...]


@dataclass(frozen=True, kw_only=True)
class EncoderSpec:
    """An encoder, and the parameters that it allows.

    Attributes:
        name: the value of `model.encoder`.
        architecture: the table of its stages; None for an encoder of another kind.
        has_imagenet_weights: whether `model.weights` may be `imagenet`.
        weights_suffixes: suffixes of the files that `model.weights` may name; `.keras` is a network
            that roadshift wrote.
        has_residual_branches: whether it has branches that stochastic depth can skip.
        has_ibn_stages: whether it has stages that `model.ibn_stages` can normalize by instance.
    """

    name: str
    architecture: Architecture | None
    has_imagenet_weights: bool
    weights_suffixes: tuple[str, ...] = (".keras",)
    has_residual_branches: bool
    has_ibn_stages: bool


EFFICIENTNET_LITE0 = Architecture(
    127.0,
    128.0,
    (
        Stage(3, 1, 1, 16, 1),
        Stage(3, 2, 6, 24, 2),
        Stage(5, 2, 6, 40, 2),
        Stage(3, 2, 6, 80, 3),
        Stage(5, 1, 6, 112, 3),
        Stage(5, 2, 6, 192, 4),
        Stage(3, 1, 6, 320, 1),
    ),
)
EFFICIENTNET_LITE2 = Architecture(
    127.0,
    128.0,
    (
        Stage(3, 1, 1, 16, 1),
        Stage(3, 2, 6, 24, 3),
        Stage(5, 2, 6, 48, 3),
        Stage(3, 2, 6, 88, 4),
        Stage(5, 1, 6, 120, 4),
        Stage(5, 2, 6, 208, 5),
        Stage(3, 1, 6, 352, 1),
    ),
)
MOBILENET_V2 = Architecture(
    127.5,
    127.5,
    (
        Stage(3, 1, 1, 16, 1),
        Stage(3, 2, 6, 24, 2),
        Stage(3, 2, 6, 32, 3),
        Stage(3, 2, 6, 64, 4),
        Stage(3, 1, 6, 96, 3),
        Stage(3, 2, 6, 160, 3),
        Stage(3, 1, 6, 320, 1),
    ),
)

ENCODERS: dict[str, EncoderSpec] = {
    spec.name: spec
    for spec in (
        EncoderSpec(
            name="efficientnet_lite0",
            architecture=EFFICIENTNET_LITE0,
            has_imagenet_weights=True,
            has_residual_branches=True,
            has_ibn_stages=True,
        ),
        EncoderSpec(
            name="efficientnet_lite2",
            architecture=EFFICIENTNET_LITE2,
            has_imagenet_weights=True,
            has_residual_branches=True,
            has_ibn_stages=True,
        ),
        EncoderSpec(
            name="mobilenet_v2",
            architecture=MOBILENET_V2,
            has_imagenet_weights=True,
            weights_suffixes=(".keras", ".h5"),
            has_residual_branches=True,
            has_ibn_stages=True,
        ),
        EncoderSpec(
            name="unet",
            architecture=None,
            has_imagenet_weights=False,
            has_residual_branches=False,
            has_ibn_stages=False,
        ),
    )
}
"""All encoders by name."""
