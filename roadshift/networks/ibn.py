"""Instance-batch normalization (IBN), against differences of appearance between domains."""

from typing import Any

import keras
import tensorflow as tf

from roadshift.networks.batch_norm import ConvBatchNorm


@keras.saving.register_keras_serializable(package="roadshift")
class IBNConv(ConvBatchNorm):
    """A 1x1 `ConvBatchNorm` whose first half of channels is normalized by instance.

    These channels use the mean and variance over the pixels of their own image, in training and
    prediction alike, which removes its contrast and colour; the other half is normalized as
    before. The weights are those of the plain layer, so that pretrained ones fit: kernel, scale and
    offset are used, the moving statistics of the first half are not. Accuracy drops at first, since
    an image's own statistics differ from those that the weights were trained with.

    The outputs of a 1x1 convolution are linear in a pixel's inputs, so their means and variances
    follow from the inputs' means and covariances. Both halves are folded into one kernel for each
    image, and the wide outputs are passed over once.

    Args:
        filters: number of output channels.
        size: size of the kernel, which must be 1.
        **kwargs: further arguments of `ConvBatchNorm`; `stride` must be 1.

    References:
        Pan et al., "Two at Once: Enhancing Learning and Generalization Capacities via IBN-Net"
        (its IBN-a), ECCV 2018, https://arxiv.org/abs/1807.09441.
    """

    def __init__(self, filters: int, size: int = 1, **kwargs: Any) -> None:
        super().__init__(filters, size, **kwargs)
        if self.size != 1 or self.stride != 1:
            raise ValueError(f"size {self.size}, stride {self.stride}: both must be 1")

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Maps features (N, H, W, C) to (N, H, W, filters)."""
        count, height, width, _ = tf.unstack(tf.shape(inputs))
        channels, filters = self.kernel.shape[2:]
        kernel = tf.convert_to_tensor(self.kernel)[0, 0]
        places = tf.reshape(inputs, [count, height * width, channels])
        # In float32, whatever the layer computes in: squares of small differences.
        values = tf.cast(places, tf.float32)
        center = tf.reduce_mean(values, 1, keepdims=True)
        centered = values - center
        covariance = tf.matmul(centered, centered, transpose_a=True)
        covariance /= tf.cast(height * width, covariance.dtype)
        # Mean and variance of the outputs before normalization, one row for each image.
        mean = tf.matmul(center[:, 0], kernel)
        variance = tf.reduce_sum(kernel * tf.matmul(covariance, kernel), 1)

        norm, half = self.norm, filters // 2
        if norm.in_batch_mode(training):
            batch_mean = tf.reduce_mean(mean, 0)
            spread = tf.reduce_mean(tf.square(mean - batch_mean), 0)
            batch_variance = tf.reduce_mean(variance, 0) + spread
            batch_mean, batch_variance = norm.over_devices(batch_mean, batch_variance)
            values = tf.cast(count * height * width, tf.float32)
            norm.take(batch_mean, batch_variance, values)
            by_batch = norm.affine(batch_mean, batch_variance)
        else:
            by_batch = norm.folded()
        factor, summand = (
            tf.concat([own[:, :half], tf.tile(shared[None, half:], [count, 1])], 1)
            for own, shared in zip(norm.affine(mean, variance), by_batch, strict=True)
        )
        # The summand is a row of the kernel, since the outputs are many more than the inputs.
        summand += mean * factor
        places = tf.concat([centered, tf.ones_like(centered[..., :1])], -1)
        folded = tf.concat([kernel * factor[:, None], summand[:, None]], 1)
        outputs = tf.matmul(tf.cast(places, inputs.dtype), tf.cast(folded, inputs.dtype))
        outputs = tf.reshape(outputs, [count, height, width, filters])
        return tf.nn.relu6(outputs) if self.relu6 else outputs
