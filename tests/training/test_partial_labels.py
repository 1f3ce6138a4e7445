"""The loss of partial labels, by brute force and by finite differences, and its step."""

import numpy as np
import pytest
import tensorflow as tf

from roadshift.input_pipeline.batches import PSEUDO_LABEL_ID
from roadshift.taxonomy import PartialLabel
from roadshift.training.adapt_settings import SelfTrainingSettings
from roadshift.training.losses import cross_entropy, exact_labels, lovasz_softmax, soft_dice
from roadshift.training.self_training import SelfTraining, UnlabelledBatch
from tests.training.test_loop import pixel_network, random_batch, step_of
from tests.training.test_losses import LOGITS, certain, value_and_gradient


def partial_labels(classes, *sets):
    names = [str(k) for k in range(classes)]
    return tuple(PartialLabel.of(classes + k, ids, names) for k, ids in enumerate(sets))


def brute_force(labels, logits, partial, weights=None, smoothing=0.0):
    """The weighted mean of -log of the summed probability, pixel by pixel in float64."""
    sets = {p.id: list(p.classes) for p in partial}
    total = weight = 0.0
    for label, values in zip(labels.ravel(), logits.reshape(-1, logits.shape[-1]), strict=True):
        if label == 255:
            continue
        exponentials = np.exp(values.astype(np.float64) - values.max())
        probabilities = exponentials / exponentials.sum()
        classes = sets.get(label, [label])
        own = 1.0 if weights is None else np.mean([weights[c] for c in classes])
        loss = -np.log(sum(probabilities[c] for c in classes))
        total += own * ((1 - smoothing) * loss - smoothing * np.log(probabilities).mean())
        weight += own
    return total / weight


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_partial_labels_lose_what_a_sum_by_brute_force_says(weighted, smoothing):
    generator = np.random.default_rng(5)
    partial = partial_labels(5, (0, 3), (1, 2, 4), (0, 1, 2, 3, 4))
    logits = generator.normal(scale=4, size=(2, 5, 7, 5)).astype(np.float32)
    labels = generator.choice([*range(8), 255], (2, 5, 7)).astype(np.uint8)
    weights = np.array([0.5, 3, 1, 2, 0.1], np.float32) if weighted else None
    found = cross_entropy(
        labels, logits, label_smoothing=smoothing, class_weights=weights, partial_labels=partial
    )
    expected = brute_force(labels, logits, partial, weights, smoothing)
    assert found.numpy() == pytest.approx(expected, rel=1e-5)


def test_the_gradient_of_partial_labels_is_that_of_finite_differences():
    generator = np.random.default_rng(6)
    partial = partial_labels(4, (0, 3), (1, 2, 3))
    weights = np.array([0.5, 3, 1, 2], np.float32)
    logits = generator.normal(scale=2, size=(1, 2, 4, 4)).astype(np.float32)
    labels = np.array([[[4, 5, 4, 1], [5, 255, 0, 5]]], np.uint8)

    def loss(labels, logits):
        return cross_entropy(labels, logits, class_weights=weights, partial_labels=partial)

    _, gradient = value_and_gradient(loss, labels, logits)
    step = 1e-4
    for place in np.ndindex(logits.shape):
        up, down = logits.astype(np.float64), logits.astype(np.float64)
        up[place] += step
        down[place] -= step
        difference = brute_force(labels, up, partial, weights) - brute_force(
            labels, down, partial, weights
        )
        assert gradient[place] == pytest.approx(difference / (2 * step), abs=2e-6)


def test_the_gradient_of_a_partial_label_is_all_probabilities_minus_those_within():
    partial = partial_labels(3, (0, 2))
    value, gradient = value_and_gradient(
        lambda labels, logits: cross_entropy(labels, logits, partial_labels=partial),
        [[[3, 255]]],
        LOGITS,
    )
    assert value == pytest.approx(-np.log(0.8), rel=1e-6)
    expected = np.array([0.7 - 0.7 / 0.8, 0.2, 0.1 - 0.1 / 0.8])
    np.testing.assert_allclose(gradient[0, 0, 0], expected, atol=1e-6)
    assert not gradient[0, 0, 1].any()


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_partial_labels_of_certain_logits_have_a_finite_loss_and_gradient(gamma):
    partial = partial_labels(3, (0, 1), (0, 1, 2))
    for label in (3, 4):
        for certainly in range(3):
            value, gradient = value_and_gradient(
                lambda labels, logits: cross_entropy(
                    labels, logits, focal_gamma=gamma, partial_labels=partial
                ),
                [[[label]]],
                certain([certainly], 3),
            )
            assert value >= 0
            assert np.isfinite(value)
            assert np.isfinite(gradient).all()
            assert (value > 1) == (label == 3 and certainly == 2)


def test_focal_loss_of_a_partial_label_goes_by_the_summed_probability():
    partial = partial_labels(3, (0, 2))
    found = cross_entropy(
        np.array([[[3, 255]]], np.uint8), LOGITS, focal_gamma=2.0, partial_labels=partial
    )
    assert found.numpy() == pytest.approx(-(0.2**2) * np.log(0.8), rel=1e-5)


@pytest.mark.parametrize("option", [{}, {"label_smoothing": 0.1}, {"focal_gamma": 2.0}])
def test_exact_labels_lose_the_same_bits_beside_partial_ones(option):
    generator = np.random.default_rng(7)
    logits = generator.normal(size=(2, 8, 8, 4)).astype(np.float32)
    labels = generator.choice([0, 1, 2, 3, 255], (2, 8, 8)).astype(np.uint8)
    weights = np.array([0.5, 3, 1, 2], np.float32)
    alone, beside = (
        cross_entropy(labels, logits, class_weights=weights, partial_labels=partial, **option)
        for partial in ((), partial_labels(4, (0, 3)))
    )
    assert alone.numpy() == beside.numpy()


def test_exact_labels_leave_partial_ones_out():
    labels = tf.constant([[[0, 2, 3, 4, 255]]], tf.uint8)
    assert exact_labels(labels, 3).numpy().tolist() == [[[0, 2, 255, 255, 255]]]
    assert exact_labels(labels, 3).dtype == tf.uint8


PARTIAL = (PartialLabel(2, (0, 1), "dark or light"),)


def test_dice_and_lovasz_see_partial_labels_as_ignored():
    network = pixel_network()
    images, labels = random_batch()
    partial = tf.where(tf.random.stateless_uniform(labels.shape, [1, 2]) < 0.3, 2, labels)
    labels, exact = (
        tf.cast(each, tf.uint8) for each in (partial, tf.where(partial == 2, 255, partial))
    )
    logits = network(images)
    grid = exact[:, 3::6, 3::6], logits[:, 3::6, 3::6]
    expected = (
        cross_entropy(labels, logits, partial_labels=PARTIAL)
        + 0.3 * soft_dice(*grid)
        + 0.7 * lovasz_softmax(*grid)
    )
    step = step_of(network, partial_labels=PARTIAL, dice_weight=0.3, lovasz_weight=0.7)
    assert float(step(images, labels)) == pytest.approx(float(expected), rel=1e-5)


def operations(step):
    """The types of the operations of a step's graph."""
    graph = step.run.get_concrete_function(*random_batch()).graph
    return {operation.type for operation in graph.get_operations()}


def test_no_operation_of_partial_labels_is_built_where_there_are_none():
    changes = {"dice_weight": 0.3, "lovasz_weight": 0.7}
    added = operations(step_of(pixel_network(), partial_labels=PARTIAL, **changes))
    assert "Softplus" in added
    assert "Softplus" not in operations(step_of(pixel_network(), **changes))


def plain_cross_entropy(labels, logits, *, weights, gamma, smoothing):
    """The loss of exact labels as it was before there were partial ones, operation by operation."""
    counted = tf.not_equal(labels, 255)
    weight = tf.cast(counted, logits.dtype)
    target = tf.where(counted, tf.cast(labels, tf.int32), 0)
    weight *= tf.gather(tf.constant(weights), target)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(target, logits)
    if gamma:
        loss *= tf.maximum(-tf.math.expm1(-loss), 1e-7) ** gamma
    if smoothing:
        uniform = tf.reduce_logsumexp(logits, -1) - tf.reduce_mean(logits, -1)
        loss = (1 - smoothing) * loss + smoothing * uniform
    return tf.math.divide_no_nan(tf.reduce_sum(loss * weight), tf.reduce_sum(weight))


@pytest.mark.parametrize(("gamma", "smoothing"), [(0.0, 0.0), (2.0, 0.0), (0.0, 0.1)])
def test_exact_labels_alone_have_every_bit_of_the_plain_loss_and_its_gradient(gamma, smoothing):
    tf.config.experimental.enable_op_determinism()  # as in training: the loss depends on it
    generator = np.random.default_rng(8)
    logits = generator.normal(scale=4, size=(2, 17, 23, 5)).astype(np.float32)
    labels = generator.choice([*range(5), 255], (2, 17, 23)).astype(np.uint8)
    weights = np.array([0.5, 3, 1, 2, 0.1], np.float32)

    def loss(labels, logits):
        return cross_entropy(
            labels, logits, class_weights=weights, focal_gamma=gamma, label_smoothing=smoothing
        )

    def plain(labels, logits):
        return plain_cross_entropy(
            labels, logits, weights=weights, gamma=gamma, smoothing=smoothing
        )

    value, gradient = value_and_gradient(loss, labels, logits)
    expected_value, expected = value_and_gradient(plain, labels, logits)
    assert value == expected_value
    assert gradient.tobytes() == expected.tobytes()


def test_what_self_training_pastes_keeps_its_partial_label_and_pseudo_labels_are_exact():
    network = pixel_network()
    teacher = SelfTraining(
        network, pixel_network(), SelfTrainingSettings(weight=0.5, threshold=0.6)
    )
    images, _ = random_batch()
    ignored = tf.fill([2, 32, 32], tf.constant(255, tf.uint8))
    pasted = np.full((2, 32, 32), PSEUDO_LABEL_ID, np.uint8)
    pasted[:, :16] = 2
    unlabelled = images, tf.ones([2, 32, 32], bool), images, tf.constant(pasted)
    mixed = teacher.label(UnlabelledBatch(*unlabelled))
    assert {*np.unique(mixed.labels[:, :16])} == {2}
    assert {*np.unique(mixed.labels[:, 16:])} <= {0, 1}
    # Of two classes a label of both loses nothing, and its pixels count in the mean.
    exact = tf.where(mixed.labels == 2, tf.constant(255, tf.uint8), mixed.labels)
    expected = 0.25 * cross_entropy(exact, network(images), confidence=mixed.confidence)
    step = step_of(network, self_training=teacher, partial_labels=PARTIAL)
    assert expected > 0
    assert float(step(images, ignored, *unlabelled)) == pytest.approx(float(expected), rel=1e-5)
