"""The pretrained encoders: chains of inverted residuals over features at four strides.

EfficientNet-Lite0 and 2 are EfficientNet-B0 and B2 (Tan and Le, ICML 2019) without
squeeze-and-excitation and with ReLU6; Lite2 keeps B0's stem, and the depth of its first and last
stage. MobileNetV2 is by Sandler et al., CVPR 2018.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from roadshift.networks.batch_norm import NormalizedConvolution
from roadshift.networks.instance_norm import InstanceBatchConvolution

PREFIX = "encoder_"
FEATURE_STRIDES = (4, 8, 16, 32)


@dataclass(frozen=True)
class Stage:
    """A row of an architecture's table: equal inverted residuals, the first with the stride."""

    kernel: int
    stride: int
    expansion: int
    filters: int
    repeats: int


@dataclass(frozen=True)
class Architecture:
    """An encoder: a 3x3 stem of stride 2 with 32 filters, then stages.

    Inputs are scaled to (x - mean) / scale from 0..255.
    """

    mean: float
    scale: float
    stages: tuple[Stage, ...]


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
ARCHITECTURES = {
    "efficientnet_lite0": EFFICIENTNET_LITE0,
    "efficientnet_lite2": EFFICIENTNET_LITE2,
    "mobilenet_v2": MOBILENET_V2,
}


def encode(
    pictures: keras.KerasTensor,
    architecture: Architecture,
    *,
    keep_statistics: bool,
    freeze: int,
    seeds: Iterator[int],
    instance_norm: int = 0,
    stochastic_depth: float = 0.0,
    depth_seed: int = 0,
) -> list[keras.KerasTensor]:
    """Builds an encoder.

    Args:
        pictures: (N, H, W, 3), RGB in 0..255.
        architecture: Which one.
        keep_statistics: Whether batch normalization keeps its moving statistics in training.
        freeze: How many stages, of which the stem is the first, are not trained.
        seeds: Of the initial kernels.
        instance_norm: In how many stages, from stride 4 on, half of the channels of each block's
            expansion are normalized by instance (see `InstanceBatchConvolution`). Stem and stage
            of stride 2 have no expansion, and IBN-a leaves what comes before the residuals alone.
        stochastic_depth: Share of the pictures that skip the last residual branch in training,
            0..1, 1 excluded; those before it are skipped in proportion to their place among the
            residual branches. A branch that is taken is scaled up, so that prediction is not
            changed (Huang et al. 2016, https://arxiv.org/abs/1603.09382). At 0 there is nothing.
        depth_seed: Of the choice of pictures; each branch adds its number.

    Returns:
        The last features at strides 4, 8, 16 and 32, in this order.
    """

    def convolve(
        inputs: keras.KerasTensor,
        name: str,
        stage: int,
        filters: int | None,
        size: int,
        kind: type[NormalizedConvolution] = NormalizedConvolution,
        **kw: Any,
    ) -> keras.KerasTensor:
        layer = kind(
            filters,
            size,
            keep_statistics=keep_statistics,
            seed=next(seeds),
            name=PREFIX + name,
            trainable=stage >= freeze,
            **kw,
        )
        return layer(inputs)

    scale = 1.0 / architecture.scale
    offset = -architecture.mean * scale
    features = keras.layers.Rescaling(scale, offset, name="scale_pictures")(pictures)
    features = convolve(features, "stem", 0, 32, 3, stride=2)
    branches = sum(stage.repeats - 1 for stage in architecture.stages)
    by_stride: dict[int, keras.KerasTensor] = {}
    reached = 2
    block = branch = expanding = 0
    for number, stage in enumerate(architecture.stages, start=1):
        reached *= stage.stride
        expanding += stage.expansion > 1
        kind = InstanceBatchConvolution if expanding <= instance_norm else NormalizedConvolution
        for repeat in range(stage.repeats):
            name = f"block{block}"
            inputs = features
            if stage.expansion > 1:
                wide = inputs.shape[-1] * stage.expansion
                features = convolve(features, f"{name}_expand", number, wide, 1, kind)
            stride = stage.stride if repeat == 0 else 1
            features = convolve(
                features, f"{name}_depthwise", number, None, stage.kernel, stride=stride
            )
            features = convolve(features, f"{name}_project", number, stage.filters, 1, relu6=False)
            if repeat > 0:
                branch += 1
                if stochastic_depth:
                    features = keras.layers.Dropout(
                        stochastic_depth * branch / branches,
                        noise_shape=(None, 1, 1, 1),
                        seed=depth_seed + branch,
                        name=f"{PREFIX}{name}_skip",
                    )(features)
                features = keras.layers.Add(name=f"{PREFIX}{name}_add")([inputs, features])
            block += 1
        by_stride[reached] = features
    return [by_stride[stride] for stride in FEATURE_STRIDES]
