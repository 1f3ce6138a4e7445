import keras
import numpy as np
import pytest
import tensorflow as tf

from roadshift.networks.batch_norm import (
    BatchNormalization,
    ConvBatchNorm,
    batch_norms,
)

SHAPE = (3, 4, 5, 6)


def weights(count, seed=1):
    generator = np.random.default_rng(seed)
    gamma, beta, mean = generator.normal(1.0, 0.5, (3, count))
    return [gamma, beta, mean, generator.uniform(0.5, 2.0, count)]


def features(shape=SHAPE, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(2.0, 3.0, shape).astype(np.float32))


def run(layer, inputs, training):
    """Returns outputs, gradients and moving statistics of one call, by name."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=training)
        # A sum of squares would hide errors of sign.
        loss = (
            tf.reduce_sum(
                outputs
                * tf.reshape(tf.range(tf.size(outputs), dtype=tf.float32), tf.shape(outputs))
            )
            / 100.0
        )
    trained = {v.name: v.value for v in layer.trainable_variables}
    gradients = tape.gradient(loss, {"inputs": inputs, **trained})
    results = {"outputs": outputs, **{f"d {k}": v for k, v in gradients.items()}}
    results |= {v.name: v.value for v in layer.non_trainable_variables}
    return {name: value.numpy() for name, value in results.items()}


def assert_equal(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        scale = np.abs(value).max()
        np.testing.assert_allclose(ours[name], value, rtol=0, atol=1e-5 * scale, err_msg=name)


@pytest.mark.parametrize("training", [True, False])
def test_equals_the_layer_of_keras(training):
    ours = BatchNormalization()
    theirs = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3)
    for layer in (ours, theirs):
        layer.build(SHAPE)
        layer.set_weights(weights(6))
    assert_equal(run(ours, features(), training), run(theirs, features(), training))


def test_moving_statistics_are_those_of_the_population():
    layer = BatchNormalization()
    layer.build((1, 1, 2, 1))
    layer(tf.constant([[[[1.0], [5.0]]]]), training=True)
    # mean 3 and variance 4 (8 with Bessel's correction), from 0 and 1 with momentum 0.9
    np.testing.assert_allclose(layer.moving_mean, [0.3], rtol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, [0.9 + 0.4], rtol=1e-6)


def test_kept_statistics_are_used_and_unchanged_while_scale_and_offset_are_trained():
    layer = BatchNormalization(frozen_batch_norm=True)
    layer.build(SHAPE)
    layer.set_weights(weights(6))
    training, inference = (run(layer, features(), training) for training in (True, False))
    assert_equal(training, inference)
    np.testing.assert_array_equal(training["moving_mean"], layer.get_weights()[2])
    assert np.abs(training["d gamma"]).min() > 0


@pytest.mark.parametrize("filters", [7, None])
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("relu6", [True, False])
def test_folded_convolution_equals_convolution_then_normalization(filters, size, stride, relu6):
    layer = ConvBatchNorm(filters, size, stride=stride, relu6=relu6, frozen_batch_norm=True, seed=4)
    layer.build(SHAPE)
    layer.norm.set_weights(weights(filters or 6))
    kernel = layer.kernel.value
    norm = keras.layers.BatchNormalization(epsilon=1e-3)
    norm.build((None, None, None, filters or 6))
    norm.set_weights(weights(filters or 6))

    class Plain(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.kernel = self.add_weight(name="kernel", shape=kernel.shape)
            self.kernel.assign(kernel)
            self.norm = norm

        def call(self, inputs, training=None):
            if filters:
                outputs = tf.nn.conv2d(inputs, self.kernel.value, stride, "SAME")
            else:
                strides = [1, stride, stride, 1]
                outputs = tf.nn.depthwise_conv2d(inputs, self.kernel.value, strides, "SAME")
            outputs = norm(outputs, training=False)
            return tf.clip_by_value(outputs, 0.0, 6.0) if relu6 else outputs

    ours, theirs = run(layer, features(), True), run(Plain(), features(), True)
    assert_equal(ours, theirs)
    assert ours["outputs"].shape == layer.compute_output_shape(SHAPE)


def test_convolution_learns_statistics_unless_they_are_kept_or_it_is_frozen():
    for keep, trainable, moved in [(False, True, True), (True, True, False), (False, False, False)]:
        layer = ConvBatchNorm(4, 1, frozen_batch_norm=keep, trainable=trainable)
        layer(features(), training=True)
        assert bool(np.any(layer.norm.moving_mean)) is moved


def test_steps_are_the_same_to_the_bit():
    tf.config.experimental.enable_op_determinism()

    def step():
        layer = ConvBatchNorm(16, 3, seed=1)
        return run(layer, features((4, 32, 32, 8)), True)

    first, second = step(), step()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def test_normalizations_are_found_inside_of_convolutions():
    inputs = keras.Input((None, None, 3))
    outputs = BatchNormalization(name="last")(ConvBatchNorm(4, 1)(inputs))
    assert [layer.name for layer in batch_norms(keras.Model(inputs, outputs))] == [
        "norm",
        "last",
    ]
