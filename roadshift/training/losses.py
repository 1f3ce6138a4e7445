"""Losses of a batch, which leave out ignored pixels, and penalties on the weights."""

from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from roadshift.devices import summed
from roadshift.taxonomy import IGNORE_ID, PartialLabel

RARE = 0.001
"""Share of the pixels below which a class's weight rises no further."""
SURE = 1e-7
"""Lower bound on 1 - p in the focal loss; it avoids an infinite gradient."""
MASKED = -1e9
"""The logit of a class that a sum of probabilities leaves out; finite, so that gradients are."""
REGION_STRIDE = 6
"""Training computes the Dice and Lovász terms on every sixth pixel of every sixth row.

On every pixel, Dice's softmax and Lovász's sorting for each class would add more than a tenth to a
training step; on this grid they do not.
"""


def class_weights(pixels: Sequence[Sequence[float]], exponent: float) -> np.ndarray:
    """Computes loss weights that raise rare classes; their mean over the pixels is 1.

    A class's weight is its share of the pixels to the power of minus the exponent. The share is the
    mean of its shares in the sources. A class without a pixel in them has the weight of an average
    pixel, 1: its first pixels, of the target or by a pseudo-label, say nothing of how rare it is.

    Args:
        pixels: number of pixels of each class, one sequence for each source.
        exponent: 0 weighs all pixels alike, 1 all classes alike; 0..1.

    Returns:
        float32 (classes,).
    """
    counts = np.array(pixels, np.float64)
    shares = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).mean(axis=0)
    weights = np.maximum(shares, RARE) ** -exponent
    weights = weights / max((weights * shares).sum(), RARE)
    return np.where(shares > 0, weights, 1).astype(np.float32)


def cross_entropy(
    labels: tf.Tensor,
    logits: tf.Tensor,
    *,
    label_smoothing: float = 0.0,
    class_weights: np.ndarray | None = None,
    focal_gamma: float = 0.0,
    confidence: tf.Tensor | None = None,
    partial_labels: Sequence[PartialLabel] = (),
) -> tf.Tensor:
    """Computes the mean cross-entropy over the pixels that count, weighted by class if wanted.

    With label smoothing ε the target is (1 - ε) on the label and ε / classes on every class
    (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567). With a focusing parameter γ each
    pixel's loss is multiplied by (1 - p)^γ, where p is the probability of its label, so that
    certain pixels count less (Lin et al. 2017, https://arxiv.org/abs/1708.02002).

    The probability of a partial label is the sum of those of its classes (Bevandić et al. 2022,
    https://arxiv.org/abs/2108.11224), and its weight the mean of theirs.

    Args:
        labels: uint8 (N, H, W), `IGNORE_ID` where a pixel does not count.
        logits: float32 (N, H, W, classes).
        label_smoothing: ε in 0..1, 1 excluded.
        class_weights: float32 (classes,), weight of a pixel by its label; None for none.
        focal_gamma: γ >= 0; 0 for plain cross-entropy. Not together with label smoothing.
        confidence: float32 (N, H, W) in 0..1, factor on each pixel's loss; None for none. The mean
            is still over all pixels that count, so that uncertain pixels lower the loss.
        partial_labels: the partial labels that may occur among the labels; default none. Without
            any, nothing of them is computed.

    Returns:
        float32 scalar; 0, with gradient 0, where no pixel counts. In a step on several devices it
        is this device's part of the mean over all of them, which is the sum of the parts.
    """
    counted = tf.not_equal(labels, IGNORE_ID)
    weight = tf.cast(counted, logits.dtype)
    target = tf.where(counted, tf.cast(labels, tf.int32), 0)
    if class_weights is not None:
        weight *= tf.gather(tf.constant(_label_weights(class_weights, partial_labels)), target)
    # As TensorFlow's sparse cross-entropy to the bit, where operations are deterministic: but its
    # gradient is then a segment sum over all values, and this one's a multiplication.
    counting = tf.where(counted, target, -1)
    minus_one_hot = tf.one_hot(counting, logits.shape[-1], on_value=-1.0, dtype=logits.dtype)
    loss = tf.reduce_sum(minus_one_hot * tf.nn.log_softmax(logits), -1)
    if partial_labels:  # their vector is 0, as that of ignored pixels, and so is this loss
        loss += _partial_cross_entropy(target, logits, partial_labels)
    if focal_gamma:
        # 1 - p, kept away from 0, where the gradient of a power below 1 is infinite.
        loss *= tf.maximum(-tf.math.expm1(-loss), SURE) ** focal_gamma
    if label_smoothing:
        # Cross-entropy against the uniform distribution: log-sum-exp minus the mean logit.
        uniform = tf.reduce_logsumexp(logits, -1) - tf.reduce_mean(logits, -1)
        loss = (1 - label_smoothing) * loss + label_smoothing * uniform
    if confidence is not None:
        loss *= confidence
    return tf.math.divide_no_nan(tf.reduce_sum(loss * weight), summed(tf.reduce_sum(weight)))


def _label_weights(class_weights: np.ndarray, partial_labels: Sequence[PartialLabel]) -> np.ndarray:
    """Returns the weight of each label id, float32: a class's own, a partial label's the mean."""
    if not partial_labels:
        return class_weights
    weights = np.zeros(partial_labels[-1].id + 1, np.float32)
    weights[: len(class_weights)] = class_weights
    for partial in partial_labels:
        weights[partial.id] = class_weights[list(partial.classes)].mean()
    return weights


def _partial_cross_entropy(
    target: tf.Tensor, logits: tf.Tensor, partial_labels: Sequence[PartialLabel]
) -> tf.Tensor:
    """Returns -log of the summed probability of the labels' classes, 0 where a label is exact."""
    members = np.ones((partial_labels[-1].id + 1, logits.shape[-1]), bool)
    for partial in partial_labels:
        members[partial.id] = False
        members[partial.id, list(partial.classes)] = True
    member = tf.gather(tf.constant(members), target)
    inside = tf.reduce_logsumexp(tf.where(member, logits, MASKED), -1)
    outside = tf.reduce_logsumexp(tf.where(member, MASKED, logits), -1)
    # log Σ all - log Σ inside, without the difference of two large numbers: never below 0.
    return tf.nn.softplus(outside - inside)


def exact_labels(labels: tf.Tensor, classes: int) -> tf.Tensor:
    """Returns labels with partial labels ignored, for a loss that is of single classes."""
    return tf.where(labels < classes, labels, tf.constant(IGNORE_ID, labels.dtype))


def soft_dice(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Computes 1 - 2 Σpg / (Σp + Σg), averaged over the classes among the labels.

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
    """Computes the Lovász extension of 1 - IoU, averaged over the classes among the labels.

    A class's IoU is that of the whole batch. If all probabilities are 0 or 1, the loss is the mean
    of 1 - IoU itself (Berman, Rannen Triki and Blaschko 2018,
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
    # Below any error: ignored pixels are sorted last, where they change nothing.
    errors = tf.where(counted[..., tf.newaxis] > 0, errors, -1.0)
    errors, truth = (tf.transpose(tf.reshape(values, (-1, classes))) for values in (errors, truth))
    # Not `top_k`'s own values, whose gradient TensorFlow computes on the CPU.
    order = tf.argsort(errors, direction="DESCENDING")
    errors, truth = (tf.gather(values, order, batch_dims=1) for values in (errors, truth))
    size = tf.reduce_sum(truth, 1, keepdims=True)
    union = size + tf.cumsum(1 - truth, 1)
    loss = 1 - (size - tf.cumsum(truth, 1)) / union  # for each k, of the first k errors
    steps = loss - tf.pad(loss[:, :-1], [[0, 0], [1, 0]])
    by_class = tf.reduce_sum(tf.maximum(errors, 0) * steps, 1)
    # Absent classes are left out here, not before: a GPU would wait for the number of the others.
    present = tf.cast(size[:, 0] > 0, logits.dtype)
    return tf.math.divide_no_nan(tf.reduce_sum(by_class * present), tf.reduce_sum(present))


def _counted_and_truth(labels: tf.Tensor, logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns 1 where a pixel counts (N, H, W), and one-hot labels, all 0 for ignored pixels."""
    counted = tf.cast(tf.not_equal(labels, IGNORE_ID), logits.dtype)
    return counted, tf.one_hot(labels, logits.shape[-1], dtype=logits.dtype)


def weight_penalty(variables: Iterable[keras.Variable], l1: float, l2: float) -> tf.Tensor:
    """Computes l1 · Σ|w| + l2 · Σw² over the kernels; biases and norms are left out.

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
