import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from roadshift.training.losses import (
    class_weights,
    cross_entropy,
    lovasz_softmax,
    soft_dice,
    weight_penalty,
)

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
        loss = cross_entropy(labels, logits, label_smoothing=smoothing)
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
    assert cross_entropy(labels, logits, label_smoothing=0.2).numpy() == pytest.approx(
        float(theirs), rel=1e-6
    )


def test_loss_is_finite_for_certain_logits():
    logits = np.array([[[[1e4, -1e4, 0.0]]]], np.float32)
    assert np.isfinite(
        cross_entropy(np.array([[[1]]], np.uint8), logits, label_smoothing=0.1).numpy()
    )


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
    # The shares are 0.64, 0.35 and 0.01 in one source, 0.64, 0.36 and 0 in the other.
    pixels = [[64, 35, 1], [6400, 3600, 0]]
    shares = np.array([0.64, 0.355, 0.005])
    raw = shares**-0.5
    np.testing.assert_allclose(class_weights(pixels, 0.5), raw / (raw * shares).sum(), rtol=1e-6)


def test_class_weights_of_exponent_0_weigh_all_pixels_alike():
    np.testing.assert_allclose(class_weights([[5, 90, 5]], 0.0), 1, rtol=1e-6)


def test_class_weights_of_exponent_1_weigh_all_classes_alike():
    weights = class_weights([[10, 80, 10]], 1.0)
    np.testing.assert_allclose(weights * [0.1, 0.8, 0.1], 1 / 3, rtol=1e-6)


def test_a_class_that_the_sources_lack_has_the_weight_of_an_average_pixel():
    weights = class_weights([[990, 10, 0]], 1.0)
    np.testing.assert_allclose(weights, [500 / 990, 50, 1], rtol=1e-6)


def test_the_weight_rises_no_further_below_a_thousandth_of_the_pixels():
    weights = class_weights([[995_500, 3000, 1000, 499, 1]], 1.0)
    np.testing.assert_allclose(weights[1:] / weights[1], [1, 3, 3, 3], rtol=1e-6)
    assert weights[0] / weights[2] == pytest.approx(0.001 / 0.9955)


def test_the_weighted_loss_is_the_weighted_mean_by_hand():
    labels = np.array([[[0, 1]]], np.uint8)
    weights = np.array([1.0, 3.0, 9.0], np.float32)
    expected = -(np.log(0.7) + 3 * np.log(0.1)) / 4
    loss = cross_entropy(labels, LOGITS, label_smoothing=0.0, class_weights=weights)
    assert loss.numpy() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("option", [{"label_smoothing": 0.3}, {"focal_gamma": 2.0}])
def test_class_weights_weigh_smoothed_and_focal_losses_too(option):
    labels = np.array([[[0, 1]]], np.uint8)
    weights = np.array([1.0, 3.0, 9.0], np.float32)
    # Of either pixel: the probability of its label, and the mean logarithm of all probabilities.
    pixels = [(0.7, np.log([0.7, 0.2, 0.1]).mean()), (0.1, np.log([0.1, 0.1, 0.8]).mean())]
    if "focal_gamma" in option:
        losses = [-((1 - p) ** 2) * np.log(p) for p, _ in pixels]
    else:
        losses = [-0.7 * np.log(p) - 0.3 * mean for p, mean in pixels]
    loss = cross_entropy(labels, LOGITS, class_weights=weights, **option)
    assert loss.numpy() == pytest.approx((losses[0] + 3 * losses[1]) / 4, rel=1e-5)


def certain(classes, number):
    """Logits (1, 1, pixels, number) whose softmax is 1 on the classes and 0 elsewhere."""
    return np.where(np.eye(number)[np.array(classes)], 1e3, -1e3)[None, None].astype(np.float32)


def value_and_gradient(loss, labels, logits):
    logits = tf.Variable(logits)
    with tf.GradientTape() as tape:
        value = loss(np.asarray(labels, np.uint8), logits)
    return value.numpy(), tape.gradient(value, logits).numpy()


def focal(labels, logits):
    return cross_entropy(labels, logits, focal_gamma=2.0)


def test_focal_loss_by_hand():
    labels = np.array([[[0, 1]]], np.uint8)
    expected = -(0.3**2 * np.log(0.7) + 0.9**2 * np.log(0.1)) / 2
    assert focal(labels, LOGITS).numpy() == pytest.approx(expected, rel=1e-5)


def test_focal_loss_of_gamma_0_is_cross_entropy_to_the_bit():
    labels = np.array([[[0, 1]]], np.uint8)
    assert cross_entropy(labels, LOGITS, focal_gamma=0.0) == cross_entropy(labels, LOGITS)


def test_focal_loss_equals_keras():
    generator = np.random.default_rng(2)
    logits = generator.normal(size=(2, 5, 7, 4)).astype(np.float32)
    labels = generator.integers(0, 4, (2, 5, 7)).astype(np.uint8)
    loss = keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=2.0, from_logits=True)
    theirs = loss(keras.ops.one_hot(labels, 4), logits)
    assert focal(labels, logits).numpy() == pytest.approx(float(theirs), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_of_certain_pixels_has_a_finite_gradient(gamma):
    def loss(labels, logits):
        return cross_entropy(labels, logits, focal_gamma=gamma)

    for label in (0, 1):
        value, gradient = value_and_gradient(loss, [[[label]]], certain([0], 2))
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


def test_dice_by_hand():
    labels = np.array([[[0, 2]]], np.uint8)
    # Class 0: p 0.7 and 0.1; class 2: p 0.1 and 0.8; class 1 is no label.
    expected = 1 - (2 * 0.7 / (1 + 0.8) + 2 * 0.8 / (1 + 0.9)) / 2
    assert soft_dice(labels, LOGITS).numpy() == pytest.approx(expected, rel=1e-6)


def test_dice_of_certain_pixels_is_one_minus_f1():
    # Class 0: 2 hits, 1 miss, 0 false; class 1: 0 hits, 1 miss, 1 false.
    loss = soft_dice(np.array([[[0, 0, 0, 1]]], np.uint8), certain([0, 0, 1, 2], 3))
    assert loss.numpy() == pytest.approx(1 - (4 / 5 + 0) / 2)


def jaccard_loss(labels, predictions):
    """Returns the mean of 1 - IoU over the classes among the labels, from sets of pixels."""
    losses = []
    for name in set(labels):
        truth = {k for k, label in enumerate(labels) if label == name}
        found = {k for k, prediction in enumerate(predictions) if prediction == name}
        losses.append(1 - len(truth & found) / len(truth | found))
    return sum(losses) / len(losses)


def test_lovasz_is_the_jaccard_loss_of_every_certain_prediction():
    loss = tf.function(lovasz_softmax)
    vectors = list(itertools.product(range(3), repeat=3))
    for labels, predictions in itertools.product(vectors, repeat=2):
        found = loss(tf.constant([[labels]], tf.uint8), certain(predictions, 3)).numpy()
        assert found == pytest.approx(jaccard_loss(labels, predictions), abs=1e-6)


def test_lovasz_is_the_extension_of_the_jaccard_loss_by_brute_force():
    generator = np.random.default_rng(3)
    labels = [0, 2, 0, 0, 2, 1, 2]
    logits = generator.normal(size=(1, 1, 7, 4)).astype(np.float32)
    probabilities = tf.nn.softmax(logits).numpy()[0, 0]

    def loss_of_errors(name, wrong):
        """Returns 1 - IoU of a class whose pixels `wrong` are mistaken."""
        truth = {k for k, label in enumerate(labels) if label == name}
        return len(wrong) / len(truth | wrong)

    extensions = []
    for name in (0, 1, 2):
        errors = [
            abs((label == name) - p[name]) for label, p in zip(labels, probabilities, strict=True)
        ]
        order = sorted(range(7), key=lambda k: -errors[k])
        extensions.append(
            sum(
                errors[order[k]]
                * (loss_of_errors(name, {*order[: k + 1]}) - loss_of_errors(name, {*order[:k]}))
                for k in range(7)
            )
        )
    found = lovasz_softmax(np.array([[labels]], np.uint8), logits).numpy()
    assert found == pytest.approx(np.mean(extensions), rel=1e-5)


@pytest.mark.parametrize("loss", [focal, soft_dice, lovasz_softmax])
def test_a_batch_of_ignored_pixels_is_no_loss(loss):
    value, gradient = value_and_gradient(loss, np.full((1, 1, 2), 255), LOGITS)
    assert value == 0
    assert not gradient.any()


@pytest.mark.parametrize("loss", [focal, soft_dice, lovasz_softmax])
def test_ignored_pixels_are_as_if_they_were_not_there(loss):
    generator = np.random.default_rng(4)
    logits = generator.normal(size=(1, 1, 9, 4)).astype(np.float32)
    logits[..., 5, :] = [1e3, -1e3, -1e3, -1e3]  # certain, and so among the errors of 0
    labels = generator.integers(0, 4, (1, 1, 9)).astype(np.uint8)
    labels[..., [2, 5, 8]] = 255
    counted = labels[0, 0] != 255
    value, gradient = value_and_gradient(loss, labels, logits)
    alone = value_and_gradient(loss, labels[..., counted], logits[:, :, counted])
    assert value == pytest.approx(alone[0], rel=1e-6)
    np.testing.assert_allclose(gradient[:, :, counted], alone[1], atol=1e-7)
    assert not gradient[:, :, ~counted].any()


@pytest.mark.parametrize("loss", [cross_entropy, focal, soft_dice, lovasz_softmax])
def test_a_batch_is_one_set_of_pixels(loss):
    generator = np.random.default_rng(6)
    labels = generator.integers(0, 4, (2, 3, 5)).astype(np.uint8)
    # The images differ in their number of pixels and in their classes.
    labels[0, 1:], labels[1, 0, :2] = 255, 3
    labels[0, 0] %= 3
    logits = generator.normal(size=(2, 3, 5, 4)).astype(np.float32)
    together = loss(labels.reshape(1, 6, 5), logits.reshape(1, 6, 5, 4)).numpy()
    assert loss(labels, logits).numpy() == pytest.approx(together, rel=1e-6)
    alone = [loss(labels[k : k + 1], logits[k : k + 1]).numpy() for k in range(2)]
    assert np.mean(alone) != pytest.approx(together, rel=0.001)


@pytest.mark.parametrize("loss", [soft_dice, lovasz_softmax])
def test_gradients_of_region_losses_are_finite_and_lead_down(loss):
    generator = np.random.default_rng(5)
    labels = generator.integers(0, 4, (2, 8, 8)).astype(np.uint8)
    logits = generator.normal(size=(2, 8, 8, 4)).astype(np.float32)
    value, gradient = value_and_gradient(loss, labels, logits)
    assert np.isfinite(gradient).all()
    assert loss(labels, logits - 10 * gradient).numpy() < value
    for predictions in (labels[0, 0], labels[0, 1]):
        extreme = value_and_gradient(loss, labels[:1, :1], certain(predictions, 4))
        assert np.isfinite(extreme[1]).all()


@pytest.mark.parametrize("loss", [cross_entropy, focal, soft_dice, lovasz_softmax])
def test_no_shape_of_a_loss_depends_on_the_data(loss):
    """A GPU would wait for the shape: Lovász sorts absent classes, too, and leaves them out."""
    arguments = (tf.TensorSpec((2, 6, 8), tf.uint8), tf.TensorSpec((2, 6, 8, 4), tf.float32))

    @tf.function
    def gradient(labels, logits):
        return tf.gradients(loss(labels, logits), logits)[0]

    graph = gradient.get_concrete_function(*arguments).graph
    assert "Where" not in {operation.type for operation in graph.get_operations()}


def test_cross_entropy_is_tensorflows_to_the_bit_without_its_segment_sum():
    """With deterministic operations, as in training, TensorFlow's gradient is slow on a GPU."""
    tf.config.experimental.enable_op_determinism()
    generator = np.random.default_rng(9)
    labels = generator.integers(0, 3, (2, 30, 40))
    logits = tf.constant(generator.normal(size=(2, 30, 40, 3)).astype(np.float32))

    def theirs(logits):
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return tf.reduce_sum(losses) / losses.shape.num_elements()

    def ours(logits):
        return cross_entropy(labels.astype(np.uint8), logits)

    found, kinds = [], []
    for loss in (theirs, ours):

        @tf.function
        def gradient(logits, loss=loss):
            return tf.gradients(loss(logits), logits)[0]

        graph = gradient.get_concrete_function(logits).graph
        kinds.append({operation.type for operation in graph.get_operations()})
        found.append(gradient(logits).numpy())
    np.testing.assert_array_equal(*found)
    assert "UnsortedSegmentSum" in kinds[0]
    assert "UnsortedSegmentSum" not in kinds[1]


def test_confidence_lowers_a_pixels_loss_and_not_what_it_is_divided_by():
    labels = tf.constant([[[0, 1, 255]]], tf.uint8)
    logits = tf.constant([[[[1.0, 0.0], [2.0, 0.0], [0.0, 5.0]]]])
    confidence = tf.constant([[[0.25, 1.0, 1.0]]])
    losses = [np.log(1 + np.exp(-1)), np.log(1 + np.exp(2))]
    value = cross_entropy(labels, logits, confidence=confidence)
    assert float(value) == pytest.approx((0.25 * losses[0] + losses[1]) / 2, rel=1e-5)
