"""Builds the pretrained encoders: chains of inverted residuals with features at four strides."""

from collections.abc import Iterator
from typing import Any

import keras

from roadshift.networks.architectures import Architecture
from roadshift.networks.batch_norm import ConvBatchNorm
from roadshift.networks.ibn import IBNConv

PREFIX = "encoder_"
FEATURE_STRIDES = (4, 8, 16, 32)


def encode(
    images: keras.KerasTensor,
    architecture: Architecture,
    *,
    seeds: Iterator[int],
    frozen_batch_norm: bool = False,
    frozen_stages: int = 0,
    ibn_stages: int = 0,
    stochastic_depth: float = 0.0,
    depth_seed: int = 0,
) -> list[keras.KerasTensor]:
    """Builds an encoder.

    Args:
        images: (N, H, W, 3), RGB in 0..255.
        architecture: the table of its stages.
        seeds: seeds of the initial kernels; each kernel takes the next one.
        frozen_batch_norm: whether batch normalization keeps its moving statistics in training.
        frozen_stages: number of the first stages, the stem included, that are not trained.
        ibn_stages: number of stages, from stride 4 on, in which half of the channels of each
            block's expansion are normalized by instance (see `IBNConv`). The stem and the stage of
            stride 2 have no expansion, and IBN-a changes nothing before the residuals.
        stochastic_depth: share of the images that skip the last residual branch in training,
            0..1, 1 excluded; an earlier branch is skipped in proportion to its place among the
            residual branches. A branch that is taken is scaled up, so that prediction is not
            changed (Huang et al. 2016, https://arxiv.org/abs/1603.09382). 0 adds no layer.
        depth_seed: seed of the choice of images; each branch adds its number to it.

    Returns:
        The last features of strides 4, 8, 16 and 32, in this order.
    """

    def convolve(
        inputs: keras.KerasTensor,
        name: str,
        stage: int,
        filters: int | None,
        size: int,
        kind: type[ConvBatchNorm] = ConvBatchNorm,
        **kw: Any,
    ) -> keras.KerasTensor:
        layer = kind(
            filters,
            size,
            frozen_batch_norm=frozen_batch_norm,
            seed=next(seeds),
            name=PREFIX + name,
            trainable=stage >= frozen_stages,
            **kw,
        )
        return layer(inputs)

    scale = 1.0 / architecture.scale
    offset = -architecture.mean * scale
    features = keras.layers.Rescaling(scale, offset, name="scale_images")(images)
    features = convolve(features, "stem", 0, 32, 3, stride=2)
    branches = sum(stage.repeats - 1 for stage in architecture.stages)
    by_stride: dict[int, keras.KerasTensor] = {}
    reached = 2
    block = branch = expanding = 0
    for number, stage in enumerate(architecture.stages, start=1):
        reached *= stage.stride
        expanding += stage.expansion > 1
        kind = IBNConv if expanding <= ibn_stages else ConvBatchNorm
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
