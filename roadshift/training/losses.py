"""The loss of a batch, with pixels that do not count, and penalties on the weights."""

from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from roadshift.taxonomy import IGNORE_ID

RARE = 0.001
"""Share of the pixels below which a class gains no more weight."""


def class_weights(pixels: Sequence[Sequence[int]], exponent: float) -> np.ndarray:
    """Weights that raise rare classes, with a mean of 1 over the pixels.

    A class's weight is its share of the pixels to the power of minus the exponent: 0 weighs all
    pixels alike, 1 all classes alike; shares are those of the sources together, each source
    counting the same.

    Args:
        pixels: for each source, how many pixels each class has.
        exponent: in 0..1.

    Returns:
        float32 (classes,).
    """
    counts = np.array(pixels, np.float64)
    shares = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).mean(axis=0)
    weights = np.maximum(shares, RARE) ** -exponent
    return (weights / max((weights * shares).sum(), RARE)).astype(np.float32)


def cross_entropy(
    labels: tf.Tensor,
    logits: tf.Tensor,
    label_smoothing: float = 0.0,
    weights: np.ndarray | None = None,
) -> tf.Tensor:
    """Mean cross-entropy over the pixels that count, weighted by class where weights are given.

    With label smoothing ε the target is (1 - ε) on the label and ε / classes on every class
    (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567).

    Args:
        labels: uint8 (N, H, W), `IGNORE_ID` where a pixel does not count.
        logits: float32 (N, H, W, classes).
        label_smoothing: ε in 0..1, 1 excluded.
        weights: float32 (classes,), of a pixel by its label.

    Returns:
        float32 scalar; 0, with gradient 0, where no pixel counts.
    """
    counted = tf.not_equal(labels, IGNORE_ID)
    weight = tf.cast(counted, logits.dtype)
    target = tf.where(counted, tf.cast(labels, tf.int32), 0)
    if weights is not None:
        weight *= tf.gather(tf.constant(weights), target)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(target, logits)
    if label_smoothing:
        # Cross-entropy against the uniform distribution: log-sum-exp minus the mean logit.
        uniform = tf.reduce_logsumexp(logits, -1) - tf.reduce_mean(logits, -1)
        loss = (1 - label_smoothing) * loss + label_smoothing * uniform
    return tf.math.divide_no_nan(tf.reduce_sum(loss * weight), tf.reduce_sum(weight))


def weight_penalty(variables: Iterable[keras.Variable], l1: float, l2: float) -> tf.Tensor:
    """l1 · Σ|w| + l2 · Σw² over the kernels among the variables; biases and norms go free.

    Returns:
        float32 scalar.
    """
    kernels = [tf.convert_to_tensor(v) for v in variables if v.name.endswith("kernel")]
    penalty = tf.constant(0.0)
    if l1:
        penalty += l1 * tf.add_n([tf.reduce_sum(tf.abs(kernel)) for kernel in kernels])
    if l2:
        penalty += l2 * tf.add_n([tf.reduce_sum(tf.square(kernel)) for kernel in kernels])
    return penalty
