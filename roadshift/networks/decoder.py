"""A light decoder: a feature pyramid with depthwise separable convolutions, and the classifier.

The pyramid is FPN's (Lin et al., CVPR 2017). It has no global pooling, which would
see crops in training and whole images of another shape in use: a domain shift of its own.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from roadshift.networks.batch_norm import ConvBatchNorm


@keras.saving.register_keras_serializable(package="roadshift")
class Classifier(keras.layers.Conv2D):
    """The convolution that ends a network. It carries the names of the classes.

    Args:
        class_names: names of the classes, in the order of their ids.
        taxonomy: name of the taxonomy that the classes belong to; may be empty.
        size: height and width of the kernel.
        seed: seed of the initial kernel.
        **kwargs: `name` and `trainable`.
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
        """Returns the arguments that the layer was made with."""
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
    """Bilinear upsampling with half-pixel centers.

    Args:
        factor: factor on height and width, a positive integer.
        **kwargs: `name`.
    """

    def __init__(self, factor: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps (N, H, W, C) to (N, factor H, factor W, C)."""
        return tf.image.resize(inputs, tf.shape(inputs)[1:3] * self.factor)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the output's shape; sizes that are None in the input are None in it."""
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
        features: the encoder's features at strides 4, 8, 16 and 32, in this order.
        channels: number of channels of the result.
        seeds: seeds of the initial kernels; each kernel takes the next one.

    Returns:
        Features (N, H / 4, W / 4, channels) of images of H x W pixels.
    """

    def convolve(
        inputs: keras.KerasTensor, name: str, filters: int | None, size: int, relu6: bool = True
    ) -> keras.KerasTensor:
        layer = ConvBatchNorm(filters, size, relu6=relu6, seed=next(seeds), name=f"decoder_{name}")
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
