"""What a network is made of, in figures, and what a domain does to its features."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from roadshift.networks.batch_norm import BatchNormalization, NormalizedConvolution
from roadshift.networks.encoders import PREFIX
from roadshift.scoring.inference import fit_picture

_LEAST_SPREAD = 1e-3
"""A channel that varies less is off, and its distance would be that of rounding."""


class NetworkFacts(NamedTuple):
    """The size of a network."""

    encoder: str
    layers: int
    parameters: int
    encoder_parameters: int
    trainable: int
    frozen: int
    """Parameters that training does not change; moving statistics are among them."""
    stride: int
    """Of the coarsest features."""
    classes: int


def network_facts(network: keras.Model) -> NetworkFacts:
    """Counts a network's parameters.

    Args:
        network: of `roadshift.networks.network.build_network`.
    """
    encoder = sum(_count(layer.weights) for layer in network.layers if _of_encoder(layer))
    parameters = _count(network.weights)
    trainable = _count(network.trainable_weights)
    return NetworkFacts(
        network.name,
        len(network.layers),
        parameters,
        encoder,
        trainable,
        parameters - trainable,
        _stride(network),
        int(network.output_shape[-1]),
    )


def feature_shifts(
    network: keras.Model,
    pictures: Mapping[str, Iterable[np.ndarray]],
    own: Sequence[str],
    max_height: int,
) -> dict[str, list[float]]:
    """How far a domain's features lie from those of the domains that a network was trained on.

    Args:
        network: used as in prediction.
        pictures: by domain, uint8 RGB (H, W, 3), at least one each.
        own: the domains that it was trained on.
        max_height: as for `roadshift.scoring.inference.Segmenter`.

    Returns:
        By domain, for each layer with a batch normalization: the distance of its features' means
        from those of all own domains together, in standard deviations of these, as root mean
        square over the channels that vary.
    """
    layers = [
        x for x in network.layers if isinstance(x, NormalizedConvolution | BatchNormalization)
    ]
    features = keras.Model(network.inputs, [layer.output for layer in layers])

    @tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)])
    def moments(image: tf.Tensor) -> list[tf.Tensor]:
        outputs = features(fit_picture(image, max_height)[tf.newaxis], training=False)
        return [tf.stack(tf.nn.moments(x[0], [0, 1])) for x in outputs]

    # By domain and layer: means and mean squares (2, C), all pictures alike.
    found = {}
    for domain, images in pictures.items():
        each = [[np.asarray(m, np.float64) for m in moments(image)] for image in images]
        found[domain] = [
            np.mean([(mean, variance + mean**2) for mean, variance in layer], axis=0)
            for layer in zip(*each, strict=True)
        ]
    shifts: dict[str, list[float]] = {}
    at_home = [np.mean(layer, axis=0) for layer in zip(*(found[d] for d in own), strict=True)]
    for domain, layers_found in found.items():
        shifts[domain] = []
        for (mean, _), (center, square) in zip(layers_found, at_home, strict=True):
            spread = np.sqrt(np.maximum(square - center**2, 0))
            varying = spread > _LEAST_SPREAD
            distance = (mean - center)[varying] / spread[varying]
            shifts[domain].append(float(np.sqrt(np.mean(distance**2))) if varying.any() else 0.0)
    return shifts


def _of_encoder(layer: keras.layers.Layer) -> bool:
    return layer.name.startswith(PREFIX)


def _count(weights: list[keras.Variable]) -> int:
    # The state of dropout's random numbers is no parameter.
    return sum(int(np.prod(w.shape)) for w in weights if "seed_generator" not in w.path)


def _stride(network: keras.Model) -> int:
    side = 256
    outputs = keras.Model(network.inputs, [x.output for x in network.layers if _of_encoder(x)])
    shapes = [x.shape for x in outputs.compute_output_spec(keras.KerasTensor((1, side, side, 3)))]
    return side // min(int(shape[1]) for shape in shapes)
