"""The loss of a batch, with pixels that do not count, and penalties on the weights."""

from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from roadshift.taxonomy import IGNORE_ID

RARE = 0.001
"""Share of the pixels below which a class gains no more weight."""


SURE = 1e-7
"""Missing probability below which the focal loss tells pixels no longer apart."""
REGION_STRIDE = 6
"""Training takes the Dice and Lovász terms of every sixth pixel of every sixth row.

Of all pixels the softmax of the one and the sorting of the other, once a class, would cost more
than a tenth of a step; on this grid they do not.
"""


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
    focal: float = 0.0,
    confidence: tf.Tensor | None = None,
) -> tf.Tensor:
    """Mean cross-entropy over the pixels that count, weighted by class where weights are given.

    With label smoothing ε the target is (1 - ε) on the label and ε / classes on every class
    (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567). With a focusing parameter γ each
    pixel's loss is multiplied by (1 - p)^γ, where p is the probability of its label, so that what
    is certain counts less (Lin et al. 2017, https://arxiv.org/abs/1708.02002).

    Args:
        labels: uint8 (N, H, W), `IGNORE_ID` where a pixel does not count.
        logits: float32 (N, H, W, classes).
        label_smoothing: ε in 0..1, 1 excluded.
        weights: float32 (classes,), of a pixel by its label.
        focal: γ, from 0; not together with label smoothing.
        confidence: float32 (N, H, W) in 0..1, a factor of each pixel's loss. The mean is over
            the pixels that count all the same, so that what is uncertain lowers the loss.

    Returns:
        float32 scalar; 0, with gradient 0, where no pixel counts.
    """
    counted = tf.not_equal(labels, IGNORE_ID)
    weight = tf.cast(counted, logits.dtype)
    target = tf.where(counted, tf.cast(labels, tf.int32), 0)
    if weights is not None:
        weight *= tf.gather(tf.constant(weights), target)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(target, logits)
    if focal:
        # 1 - p; away from 0, where the gradient of a power below 1 is infinite.
        loss *= tf.maximum(-tf.math.expm1(-loss), SURE) ** focal
    if label_smoothing:
        # Cross-entropy against the uniform distribution: log-sum-exp minus the mean logit.
        uniform = tf.reduce_logsumexp(logits, -1) - tf.reduce_mean(logits, -1)
        loss = (1 - label_smoothing) * loss + label_smoothing * uniform
    if confidence is not None:
        loss *= confidence
    return tf.math.divide_no_nan(tf.reduce_sum(loss * weight), tf.reduce_sum(weight))


def soft_dice(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """1 - 2 Σpg / (Σp + Σg), the mean over the classes that are among the labels.

    Sums are over the pixels of the batch that count; p is the probability of the class, g is 1
    where it is the label (Milletari et al. 2016, https://arxiv.org/abs/1606.04797, with plain
    sums instead of squares in the denominator, as in https://arxiv.org/abs/1707.03237).

    Args:
        labels: uint8 (N, H, W), `IGNORE_ID` where a pixel does not count.
        logits: float32 (N, H, W, classes).

    Returns:
        float32 scalar in 0..1; 0, with gradient 0, where no pixel counts.
    """
    counted, truth = _counted_and_truth(labels, logits)
    probability = tf.nn.softmax(logits) * counted[..., tf.newaxis]
    axes = [0, 1, 2]
    size = tf.reduce_sum(truth, axes)
    overlap = 2 * tf.reduce_sum(truth * probability, axes)
    dice = tf.math.divide_no_nan(overlap, size + tf.reduce_sum(probability, axes))
    present = tf.cast(size > 0, logits.dtype)
    return tf.math.divide_no_nan(tf.reduce_sum((1 - dice) * present), tf.reduce_sum(present))


def lovasz_softmax(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """The Lovász extension of 1 - IoU, the mean over the classes that are among the labels.

    A class's IoU is that of the whole batch. Where probabilities are 0 and 1 the loss is the
    mean of 1 - IoU itself (Berman, Rannen Triki and Blaschko 2018,
    https://arxiv.org/abs/1705.08790).

    Args:
        labels: uint8 (N, H, W), `IGNORE_ID` where a pixel does not count.
        logits: float32 (N, H, W, classes); N·H·W below 2^24.

    Returns:
        float32 scalar in 0..1; 0, with gradient 0, where no pixel counts.
    """
    counted, truth = _counted_and_truth(labels, logits)
    classes = logits.shape[-1]
    errors = tf.abs(truth - tf.nn.softmax(logits))
    # Less than any error, so that the pixels that do not count come last, where they change none.
    errors = tf.where(counted[..., tf.newaxis] > 0, errors, -1.0)
    present = tf.where(tf.reduce_any(truth > 0, [0, 1, 2]))[:, 0]
    errors, truth = (
        tf.gather(tf.transpose(tf.reshape(values, (-1, classes))), present)
        for values in (errors, truth)
    )
    errors, order = tf.math.top_k(errors, tf.shape(errors)[1])
    truth = tf.gather(truth, order, batch_dims=1)
    size = tf.reduce_sum(truth, 1, keepdims=True)
    union = size + tf.cumsum(1 - truth, 1)
    loss = 1 - (size - tf.cumsum(truth, 1)) / union  # of the first k errors, each k
    steps = loss - tf.pad(loss[:, :-1], [[0, 0], [1, 0]])
    by_class = tf.reduce_sum(tf.maximum(errors, 0) * steps, 1)
    return tf.math.divide_no_nan(tf.reduce_sum(by_class), tf.cast(tf.size(by_class), logits.dtype))


def _counted_and_truth(labels: tf.Tensor, logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """1 where a pixel counts (N, H, W), and its label one-hot, all 0 where it does not."""
    counted = tf.cast(tf.not_equal(labels, IGNORE_ID), logits.dtype)
    return counted, tf.one_hot(labels, logits.shape[-1], dtype=logits.dtype)


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
