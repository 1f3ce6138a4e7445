"""Batch-norm statistics taken anew from pictures: of the sources, or of where a network is used."""

from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from roadshift.networks.batch_norm import BatchNormalization, batch_statistics


def recompute_statistics(
    network: keras.Model, norms: Sequence[BatchNormalization], batches: Iterable[tf.Tensor]
) -> None:
    """Sets the moving statistics of layers to those of pictures, and nothing else.

    A layer's mean and second moment are averaged over the batches, each weighted by its number of
    values, in float64: the exact statistics of all values that passed the layer. While they are
    gathered the layers normalize by their batch, and everything else is as in prediction, dropout
    included ('precise BN' of Wu and Johnson 2021, https://arxiv.org/abs/2105.07576).

    Args:
        network: pictures float32 (N, H, W, 3) to logits.
        norms: layers of the network; the others use the statistics that they have.
        batches: at least one batch of pictures; the sizes may differ.
    """

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)])
    def moments(pictures: tf.Tensor) -> list[tuple[tf.Tensor, ...]]:
        seen: dict[int, tuple[tf.Tensor, ...]] = {}

        def observe(norm: BatchNormalization, *statistics: tf.Tensor) -> None:
            seen[id(norm)] = statistics

        with batch_statistics(norms, observe):
            network(pictures, training=False)
        return [seen[id(norm)] for norm in norms]

    # By layer: the number of values, their sum and the sum of their squares, (3, C).
    sums = [np.zeros((3, norm.gamma.shape[0])) for norm in norms]
    for batch in batches:
        for total, found in zip(sums, moments(batch), strict=True):
            mean, variance, count = (np.asarray(value, np.float64) for value in found)
            total += count * np.stack([np.ones_like(mean), mean, variance + mean**2])
    for norm, (count, first, second) in zip(norms, sums, strict=True):
        mean = first / count
        norm.moving_mean.assign(mean.astype(np.float32))
        # Rounding may leave a constant channel a little below zero.
        norm.moving_variance.assign(np.maximum(second / count - mean**2, 0).astype(np.float32))
