"""A light decoder: a feature pyramid with depthwise separable convolutions, and the classifier.

The pyramid is FPN's (Lin et al., CVPR 2017). It has no global pooling: trained on crops and used
on whole pictures of another shape, a pooled context is a shift of domain of its own making.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from roadshift.networks.batch_norm import NormalizedConvolution


@keras.saving.register_keras_serializable(package="roadshift")
class Classifier(keras.layers.Conv2D):
    """The convolution that ends a network. It carries the names of the classes.

    Args:
        class_names: Names of the classes, in the order of their ids.
        taxonomy: Name of the taxonomy that the classes belong to; may be empty.
        size: Height and width of the kernel.
        seed: Of the initial kernel.
        **kwargs: `name`, `trainable`.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        taxonomy: str = "",
        size: int = 1,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        self.class_names, self.taxonomy = tuple(class_names), taxonomy
        self.size, self.seed = size, seed
        super().__init__(
            len(self.class_names),
            size,
            padding="same",
            kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
            **kwargs,
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments the layer was made with."""
        return {
            "class_names": list(self.class_names),
            "taxonomy": self.taxonomy,
            "size": self.size,
            "seed": self.seed,
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self.dtype_policy.name,
        }


@keras.saving.register_keras_serializable(package="roadshift")
class Upsampling(keras.layers.Layer):
    """Bilinear upsampling by a whole factor, with half-pixel centers."""

    def __init__(self, factor: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps (N, H, W, C) to (N, factor H, factor W, C)."""
        return tf.image.resize(inputs, tf.shape(inputs)[1:3] * self.factor)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape of the output, with None where the input has it."""
        batch, height, width, channels = input_shape
        return (batch, height and height * self.factor, width and width * self.factor, channels)

    def get_config(self) -> dict[str, Any]:
        """Adds the factor to Keras's configuration."""
        return super().get_config() | {"factor": self.factor}


def decode(
    features: Sequence[keras.KerasTensor], channels: int, seeds: Iterator[int]
) -> keras.KerasTensor:
    """Merges an encoder's features.

    Args:
        features: At strides 4, 8, 16 and 32, in this order.
        channels: Of the result.
        seeds: Of the initial kernels.

    Returns:
        Features (N, H / 4, W / 4, channels) of pictures of H x W.
    """

    def convolve(
        inputs: keras.KerasTensor, name: str, filters: int | None, size: int, relu6: bool = True
    ) -> keras.KerasTensor:
        layer = NormalizedConvolution(
            filters, size, relu6=relu6, seed=next(seeds), name=f"decoder_{name}"
        )
        return layer(inputs)

    *shallow, deep = features
    merged = convolve(deep, "lateral32", channels, 1)
    for stride, feature in zip((16, 8, 4), reversed(shallow), strict=True):
        merged = Upsampling(2, name=f"decoder_up{stride}")(merged)
        lateral = convolve(feature, f"lateral{stride}", channels, 1, relu6=False)
        merged = keras.layers.Add(name=f"decoder_add{stride}")([merged, lateral])
        merged = convolve(merged, f"depthwise{stride}", None, 3)
        merged = convolve(merged, f"pointwise{stride}", channels, 1)
    return merged
