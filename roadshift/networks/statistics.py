"""Recomputes batch-norm statistics from images of the sources, or of the domain of use."""

from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from roadshift.networks.batch_norm import BatchNormalization, batch_statistics


def recompute_statistics(
    network: keras.Model, norms: Sequence[BatchNormalization], batches: Iterable[tf.Tensor]
) -> None:
    """Recomputes the moving statistics of layers from images; nothing else changes.

    A layer's mean and second moment are averaged over the batches, each weighted by its number of
    values, in float64: the exact statistics of all values that passed the layer. Meanwhile
    the layers normalize by their batch, and everything else, dropout included, is as in prediction
    ('precise BN' of Wu and Johnson 2021, https://arxiv.org/abs/2105.07576).

    Args:
        network: model from images float32 (N, H, W, 3) to logits.
        norms: layers of the network to update; the others keep and use their statistics.
        batches: at least one batch of images; the sizes may differ.
    """

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)])
    def moments(images: tf.Tensor) -> list[tuple[tf.Tensor, ...]]:
        seen: dict[int, tuple[tf.Tensor, ...]] = {}

        def observe(norm: BatchNormalization, *statistics: tf.Tensor) -> None:
            seen[id(norm)] = statistics

        with batch_statistics(norms, observe):
            network(images, training=False)
        return [seen[id(norm)] for norm in norms]

    # For each layer (3, C): number of values, their sum, and the sum of their squares.
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
