"""Facts about a network: its size, and the shift of its features on each domain."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from roadshift.inference.resizing import resize_to_stride
from roadshift.json_file import JsonFile
from roadshift.networks.batch_norm import BatchNormalization, ConvBatchNorm
from roadshift.networks.encoders import PREFIX
from roadshift.records.reader import ShardSet, examples

SHIFT_IMAGES = 12
"""Number of images of each domain that the feature shift is measured on."""
_MIN_SPREAD = 1e-3
"""Channels with a smaller standard deviation are skipped: their shift would be rounding noise."""


class NetworkFacts(JsonFile):
    """The size of a network, and how far each domain's features lie from those of its own domains.

    Attributes:
        encoder: name of the encoder.
        layers: number of layers.
        parameters: number of parameters.
        encoder_parameters: number of the encoder's parameters.
        trainable: number of parameters that training changes.
        frozen: number of parameters that training does not change, moving statistics included.
        stride: stride of the coarsest features.
        classes: number of classes.
        feature_shifts: shifts of each domain, one for each layer with batch normalization; see
            the function `feature_shifts`.
    """

    content: ClassVar[str] = "facts of a network"

    encoder: str
    layers: int
    parameters: int
    encoder_parameters: int
    trainable: int
    frozen: int
    stride: int
    classes: int
    feature_shifts: dict[str, list[float]]


def network_facts(
    network: keras.Model,
    domains: Mapping[str, ShardSet],
    *,
    own: Sequence[str],
    max_height: int,
) -> NetworkFacts:
    """Counts a network's parameters, and measures the shift of its features.

    Args:
        network: network from `roadshift.networks.build.build_network`.
        domains: shards with the test split of each role; its first `SHIFT_IMAGES` images are used.
        own: roles that the network was trained on.
        max_height: height limit of the images in pixels; 0 for none.
    """
    images = {
        role: (example.image for example in islice(examples(shards, "test"), SHIFT_IMAGES))
        for role, shards in domains.items()
    }
    shifts = feature_shifts(network, images, own=own, max_height=max_height)
    parameters = _count(network.weights)
    trainable = _count(network.trainable_weights)
    return NetworkFacts(
        encoder=network.name,
        layers=len(network.layers),
        parameters=parameters,
        encoder_parameters=sum(_count(x.weights) for x in network.layers if _of_encoder(x)),
        trainable=trainable,
        frozen=parameters - trainable,
        stride=_stride(network),
        classes=int(network.output_shape[-1]),
        feature_shifts=shifts,
    )


def feature_shifts(
    network: keras.Model,
    images: Mapping[str, Iterable[np.ndarray]],
    *,
    own: Sequence[str],
    max_height: int,
) -> dict[str, list[float]]:
    """Measures how far each domain's features lie from those of the network's own domains.

    Args:
        network: network that is run in inference mode.
        images: images of each domain, uint8 RGB (H, W, 3), at least one.
        own: domains that the network was trained on.
        max_height: height limit of the images in pixels; 0 for none.

    Returns:
        For each domain, the shift of each layer with batch normalization: the distance of the
        channel means from those of all own domains together, in standard deviations of the
        latter; root mean square over the channels that vary, rounded to 6 decimals.
    """
    layers = [x for x in network.layers if isinstance(x, ConvBatchNorm | BatchNormalization)]
    features = keras.Model(network.inputs, [layer.output for layer in layers])

    @tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)])
    def moments(image: tf.Tensor) -> list[tf.Tensor]:
        outputs = features(resize_to_stride(image, max_height)[tf.newaxis], training=False)
        return [tf.stack(tf.nn.moments(x[0], [0, 1])) for x in outputs]

    # Channel means and mean squares, (2, C), by domain and layer; all images have equal weight.
    statistics = {}
    for domain, domain_images in images.items():
        each = [[np.asarray(m, np.float64) for m in moments(image)] for image in domain_images]
        statistics[domain] = [
            np.mean([(mean, variance + mean**2) for mean, variance in layer], axis=0)
            for layer in zip(*each, strict=True)
        ]
    shifts: dict[str, list[float]] = {}
    reference = [
        np.mean(layer, axis=0) for layer in zip(*(statistics[d] for d in own), strict=True)
    ]
    for domain, domain_layers in statistics.items():
        shifts[domain] = []
        for (mean, _), (center, square) in zip(domain_layers, reference, strict=True):
            spread = np.sqrt(np.maximum(square - center**2, 0))
            varying = spread > _MIN_SPREAD
            distance = (mean - center)[varying] / spread[varying]
            shift = float(np.sqrt(np.mean(distance**2))) if varying.any() else 0.0
            shifts[domain].append(round(shift, 6))
    return shifts


def _of_encoder(layer: keras.layers.Layer) -> bool:
    return layer.name.startswith(PREFIX)


def _count(weights: list[keras.Variable]) -> int:
    # The random state of dropout is not a parameter.
    return sum(int(np.prod(w.shape)) for w in weights if "seed_generator" not in w.path)


def _stride(network: keras.Model) -> int:
    side = 256
    outputs = keras.Model(network.inputs, [x.output for x in network.layers if _of_encoder(x)])
    shapes = [x.shape for x in outputs.compute_output_spec(keras.KerasTensor((1, side, side, 3)))]
    return side // min(int(shape[1]) for shape in shapes)
