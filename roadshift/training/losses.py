"""The loss of a batch, with pixels that do not count, and penalties on the weights."""

from collections.abc import Iterable

import keras
import tensorflow as tf

from roadshift.taxonomy import IGNORE_ID


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor, label_smoothing: float = 0.0) -> tf.Tensor:
    """Mean cross-entropy over the pixels that count.

    With label smoothing ε the target is (1 - ε) on the label and ε / classes on every class
    (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567).

    Args:
        labels: uint8 (N, H, W), `IGNORE_ID` where a pixel does not count.
        logits: float32 (N, H, W, classes).
        label_smoothing: ε in 0..1, 1 excluded.

    Returns:
        float32 scalar; 0, with gradient 0, where no pixel counts.
    """
    counted = tf.not_equal(labels, IGNORE_ID)
    weight = tf.cast(counted, logits.dtype)
    target = tf.where(counted, tf.cast(labels, tf.int32), 0)
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
