"""Batch normalization that is fast on a CPU, alone and folded into a convolution."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from roadshift.devices import replicas, summed

# With 0.99 the moving statistics lag behind the weights for hundreds of steps.
MOMENTUM = 0.9
EPSILON = 1e-3

Observer = Callable[["BatchNormalization", tf.Tensor, tf.Tensor, tf.Tensor], None]
"""Callback that takes a layer, the mean and population variance (C,) of its batch, and the number
of values of each channel."""


@keras.saving.register_keras_serializable(package="roadshift")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` of the last of four axes, with TensorFlow's fused kernel.

    Output, gradients, variables and moving statistics are those of Keras's layer. In particular
    the moving variance is that of the population: the kernel applies Bessel's correction, which is
    undone here. Keras's layer does not use the fused kernel in training.

    Args:
        frozen_batch_norm: whether training, too, normalizes by the moving statistics and leaves
            them as they are; scale and offset are trained all the same.
        **kwargs: the arguments of Keras's layer. `momentum` defaults to 0.9, to suit short
            schedules.

    References:
        Ioffe and Szegedy, "Batch Normalization", ICML 2015.
    """

    def __init__(self, *, frozen_batch_norm: bool = False, **kwargs: Any) -> None:
        super().__init__(**{"momentum": MOMENTUM, "epsilon": EPSILON} | kwargs)
        self.frozen_batch_norm = frozen_batch_norm
        self._observer: Observer | None = None

    def in_batch_mode(self, training: bool | None) -> bool:
        """Returns whether a call normalizes by the statistics of its batch."""
        if self._observer:
            return True
        return bool(training) and bool(self.trainable) and not self.frozen_batch_norm

    def folded(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the factor and the summand, float32 (C,), that apply the moving statistics."""
        return self.affine(self.moving_mean, tf.convert_to_tensor(self.moving_variance))

    def affine(self, mean: tf.Tensor, variance: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the factor and the summand that apply statistics of shape (..., C)."""
        factor = tf.math.rsqrt(variance + self.epsilon) * self.gamma
        return factor, self.beta - mean * factor

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Normalizes features of shape (N, H, W, C)."""
        if not self.in_batch_mode(training):
            return super().call(inputs, training=False)
        if replicas() > 1:
            # The kernel knows the values of one device alone.
            values = tf.cast(inputs, tf.float32)
            mean, variance = self.over_devices(*tf.nn.moments(values, [0, 1, 2]))
            self.take(mean, variance, tf.cast(tf.size(inputs) / inputs.shape[-1], tf.float32))
            factor, summand = self.affine(mean, variance)
            return tf.cast(values * factor + summand, inputs.dtype)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=self.epsilon,
            is_training=True,
        )
        count = tf.cast(tf.size(inputs) / tf.shape(inputs)[-1], tf.float32)
        self.take(mean, variance * ((count - 1.0) / count), count)
        return outputs

    def over_devices(self, mean: tf.Tensor, variance: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns mean and variance over all devices from those of one; each has as many values."""
        if replicas() == 1:
            return mean, variance
        # About the moving mean, so that large squares do not swallow the variance.
        about = tf.stop_gradient(tf.convert_to_tensor(self.moving_mean))
        sums = summed(tf.stack([mean - about, variance + tf.square(mean - about)]))
        first, second = tf.unstack(sums / replicas())
        return about + first, second - tf.square(first)

    def take(self, mean: tf.Tensor, variance: tf.Tensor, count: tf.Tensor) -> None:
        """Moves the moving statistics towards a batch's, or passes the batch's to the observer."""
        if self._observer:
            self._observer(self, mean, variance, count)
        else:
            self._move(self.moving_mean, mean)
            self._move(self.moving_variance, variance)

    def _move(self, moving: keras.Variable, new: tf.Tensor) -> None:
        moving.assign(moving * self.momentum + tf.stop_gradient(new) * (1.0 - self.momentum))

    def get_config(self) -> dict[str, Any]:
        """Adds the option to Keras's configuration."""
        return super().get_config() | {"frozen_batch_norm": self.frozen_batch_norm}


@keras.saving.register_keras_serializable(package="roadshift")
class ConvBatchNorm(keras.layers.Layer):
    """A convolution without bias, batch normalization and, if wanted, ReLU6.

    A normalization that does not depend on the batch is folded into the kernel and a bias. Results
    and gradients are the same up to rounding, and the feature map is passed over once instead of
    three times.

    Args:
        filters: number of output channels; None for a depthwise convolution.
        size: height and width of the kernel.
        stride: 1 or 2; the padding is `same`.
        relu6: whether ReLU6 ends the layer.
        frozen_batch_norm: the argument of `BatchNormalization`.
        seed: seed of the initial kernel (He normal).
        **kwargs: `name` and `trainable`.
    """

    def __init__(
        self,
        filters: int | None,
        size: int,
        *,
        stride: int = 1,
        relu6: bool = True,
        frozen_batch_norm: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters, self.size, self.stride, self.relu6 = filters, size, stride, relu6
        self.seed = seed
        self.norm = BatchNormalization(
            frozen_batch_norm=frozen_batch_norm, name="norm", trainable=self.trainable
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the kernel, in the layout of TensorFlow's (depthwise) kernels."""
        channels = int(input_shape[-1] or 0)
        depth = self.filters or channels
        # A depthwise kernel has one input per channel: its fan-in is its area.
        fan_in = self.size**2 * (channels if self.filters else 1)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.size, self.size, channels, self.filters or 1),
            initializer=keras.initializers.TruncatedNormal(
                stddev=(2.0 / fan_in) ** 0.5, seed=self.seed
            ),
            autocast=False,  # statistics are folded into it in float32
        )
        self.norm.build((*input_shape[:-1], depth))

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Maps features (N, H, W, C) to (N, ceil(H / stride), ceil(W / stride), filters)."""
        kernel = tf.convert_to_tensor(self.kernel)
        if self.norm.in_batch_mode(training):
            outputs = self.norm(self._convolve(inputs, kernel, training), training=training)
        else:
            factor, summand = self.norm.folded()
            by_output = factor if self.filters else factor[:, None]
            outputs = self._convolve(inputs, kernel * by_output, training)
            outputs = tf.nn.bias_add(outputs, tf.cast(summand, outputs.dtype))
        return tf.nn.relu6(outputs) if self.relu6 else outputs

    def _convolve(self, inputs: tf.Tensor, kernel: tf.Tensor, training: bool | None) -> tf.Tensor:
        kernel = tf.cast(kernel, inputs.dtype)
        if training and self.filters and self.size == self.stride == 1:
            # The same product; its gradients take half the time of a convolution's. Prediction
            # keeps the convolution, which other runtimes can fuse.
            return tf.tensordot(inputs, kernel[0, 0], 1)
        if self.filters:
            return tf.nn.conv2d(inputs, kernel, self.stride, "SAME")
        return tf.nn.depthwise_conv2d(inputs, kernel, [1, self.stride, self.stride, 1], "SAME")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the output's shape; sizes that are None in the input are None in it."""
        batch, *sides, channels = input_shape
        strided = (side and -(-side // self.stride) for side in sides)
        return (batch, *strided, self.filters or channels)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that the layer was made with."""
        return super().get_config() | {
            "filters": self.filters,
            "size": self.size,
            "stride": self.stride,
            "relu6": self.relu6,
            "frozen_batch_norm": self.norm.frozen_batch_norm,
            "seed": self.seed,
        }


def batch_norms(model: keras.Model) -> list[BatchNormalization]:
    """Returns all batch normalizations of a network, in the order of the forward pass.

    Those inside `ConvBatchNorm` are among them.
    """
    return [layer for layer in model._flatten_layers() if isinstance(layer, BatchNormalization)]


def updating_batch_norms(model: keras.Model) -> list[BatchNormalization]:
    """Returns those of `batch_norms` whose moving statistics change in training."""
    return [norm for norm in batch_norms(model) if norm.in_batch_mode(training=True)]


@contextmanager
def batch_statistics(
    norms: Sequence[BatchNormalization], observer: Observer = lambda *_: None
) -> Iterator[None]:
    """Context manager: the layers normalize by the statistics of their batch.

    They do so even if they are frozen, and even with `training=False`; their moving statistics do
    not change. A `tf.function` keeps the mode in which it was traced, so trace a new one inside.

    Args:
        norms: the layers.
        observer: callback for every batch that one of them normalizes.
    """
    for norm in norms:
        norm._observer = observer
    try:
        yield
    finally:
        for norm in norms:
            norm._observer = None
