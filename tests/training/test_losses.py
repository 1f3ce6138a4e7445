import keras
import numpy as np
import pytest
import tensorflow as tf

from roadshift.training.losses import class_weights, cross_entropy, weight_penalty

LOGITS = np.log([[[[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]]]).astype(np.float32)  # (1, 1, 2, 3)


def test_mean_of_minus_log_probability_by_hand():
    labels = np.array([[[0, 1]]], np.uint8)
    expected = -(np.log(0.7) + np.log(0.1)) / 2
    assert cross_entropy(labels, LOGITS).numpy() == pytest.approx(expected, rel=1e-6)


def test_ignored_pixels_change_neither_value_nor_gradient():
    labels = np.array([[[0, 255]]], np.uint8)
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        loss = cross_entropy(labels, logits)
    gradient = tape.gradient(loss, logits).numpy()
    assert loss.numpy() == pytest.approx(-np.log(0.7), rel=1e-6)
    assert not gradient[0, 0, 1].any()
    np.testing.assert_allclose(gradient[0, 0, 0], [0.7 - 1, 0.2, 0.1], atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_batch_of_ignored_pixels_gives_zero_and_no_gradient(smoothing):
    labels = np.full((1, 1, 2), 255, np.uint8)
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        loss = cross_entropy(labels, logits, smoothing)
    assert loss.numpy() == 0
    assert not tape.gradient(loss, logits).numpy().any()


def test_equals_keras_where_nothing_is_ignored():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(2, 5, 7, 4)).astype(np.float32)
    labels = generator.integers(0, 4, (2, 5, 7)).astype(np.uint8)
    theirs = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
    assert cross_entropy(labels, logits).numpy() == pytest.approx(float(theirs), rel=1e-6)


def test_label_smoothing_equals_keras():
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(2, 5, 7, 4)).astype(np.float32)
    labels = generator.integers(0, 4, (2, 5, 7)).astype(np.uint8)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2)
    theirs = loss(keras.ops.one_hot(labels, 4), logits)
    assert cross_entropy(labels, logits, 0.2).numpy() == pytest.approx(float(theirs), rel=1e-6)


def test_loss_is_finite_for_certain_logits():
    logits = np.array([[[[1e4, -1e4, 0.0]]]], np.float32)
    assert np.isfinite(cross_entropy(np.array([[[1]]], np.uint8), logits, 0.1).numpy())


def test_weight_penalties_by_hand_count_kernels_alone():
    layer = keras.layers.Dense(2)
    layer.build((None, 2))
    layer.set_weights([np.array([[1.0, -2.0], [3.0, 0.0]]), np.array([100.0, 100.0])])
    variables = layer.trainable_variables
    assert weight_penalty(variables, 0.5, 0.0).numpy() == pytest.approx(0.5 * 6)
    assert weight_penalty(variables, 0.0, 0.1).numpy() == pytest.approx(0.1 * 14)
    assert weight_penalty(variables, 0.5, 0.1).numpy() == pytest.approx(3 + 1.4)
    assert weight_penalty(variables, 0.0, 0.0).numpy() == 0


def test_class_weights_by_hand():
    # Shares 0.64, 0.35 and 0.01 of the one, 0.64, 0.36 and 0 of the other source.
    pixels = [[64, 35, 1], [6400, 3600, 0]]
    shares = np.array([0.64, 0.355, 0.005])
    raw = shares**-0.5
    np.testing.assert_allclose(class_weights(pixels, 0.5), raw / (raw * shares).sum(), rtol=1e-6)


def test_class_weights_of_exponent_0_weigh_all_pixels_alike():
    np.testing.assert_allclose(class_weights([[5, 90, 5]], 0.0), 1, rtol=1e-6)


def test_class_weights_of_exponent_1_weigh_all_classes_alike():
    weights = class_weights([[10, 80, 10]], 1.0)
    np.testing.assert_allclose(weights * [0.1, 0.8, 0.1], 1 / 3, rtol=1e-6)


def test_an_absent_class_gets_no_endless_weight():
    weights = class_weights([[999, 1, 0]], 1.0)
    assert weights[2] == weights[1]


def test_the_weighted_loss_is_the_weighted_mean_by_hand():
    labels = np.array([[[0, 1]]], np.uint8)
    weights = np.array([1.0, 3.0, 9.0], np.float32)
    expected = -(np.log(0.7) + 3 * np.log(0.1)) / 4
    loss = cross_entropy(labels, LOGITS, 0.0, weights)
    assert loss.numpy() == pytest.approx(expected, rel=1e-6)
