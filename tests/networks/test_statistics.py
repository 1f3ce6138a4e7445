import keras
import numpy as np
import pytest
import tensorflow as tf

from roadshift.networks.batch_norm import (
    BatchNormalization,
    ConvBatchNorm,
    batch_norms,
    batch_statistics,
    updating_batch_norms,
)
from roadshift.networks.build import build_network
from roadshift.networks.settings import ModelSettings
from roadshift.networks.statistics import recompute_statistics

UNET = ModelSettings(encoder="unet", weights="none", base_filters=4)
PRETRAINED = ModelSettings(decoder_channels=16, frozen_stages=2)


def images(seed=0, size=(4, 32, 64)):
    values = np.random.default_rng(seed).uniform(0, 255, (*size, 3))
    return tf.constant(values.astype(np.float32))


def one_norm(**kwargs):
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, BatchNormalization(**kwargs)(inputs))


def test_statistics_of_batches_of_different_sizes_are_those_of_all_their_values():
    network = one_norm()
    batches = [images(1), images(2, (1, 5, 7)) + 300.0, images(3, (2, 8, 8))]
    recompute_statistics(network, batch_norms(network), batches)
    values = np.concatenate([np.reshape(b, (-1, 3)) for b in batches]).astype(np.float64)
    (norm,) = batch_norms(network)
    np.testing.assert_allclose(norm.moving_mean, values.mean(0), rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, values.var(0), rtol=1e-4)


def test_a_constant_channel_has_no_negative_variance():
    network = one_norm()
    recompute_statistics(network, batch_norms(network), [tf.fill((2, 32, 32, 3), 0.1)] * 3)
    (norm,) = batch_norms(network)
    assert np.asarray(norm.moving_variance).min() >= 0


@pytest.mark.parametrize("settings", [UNET, PRETRAINED], ids=lambda s: s.encoder)
def test_nothing_but_the_statistics_of_the_layers_is_changed(settings):
    network = build_network(settings, ("road", "sky"), dropout=0.5)
    norms = updating_batch_norms(network)
    before = [weight.numpy() for weight in network.weights]
    recompute_statistics(network, norms, [images(1), images(2)])
    free = {id(v) for norm in norms for v in (norm.moving_mean, norm.moving_variance)}
    for weight, value in zip(network.weights, before, strict=True):
        assert np.array_equal(weight, value) is (id(weight) not in free), weight.path


def test_only_the_decoder_of_a_network_that_keeps_its_statistics_learns_them():
    network = build_network(PRETRAINED, ("road", "sky"))
    everything, learning = batch_norms(network), updating_batch_norms(network)
    assert learning == everything[48:]
    assert len(everything) - len(learning) == 48


def test_a_folded_network_predicts_with_the_new_statistics():
    inputs = keras.Input((None, None, 3))
    network = keras.Model(
        inputs, ConvBatchNorm(5, 3, relu6=False, frozen_batch_norm=True, seed=1)(inputs)
    )
    predict = tf.function(lambda batch: network(batch, training=False))
    predict(images())
    recompute_statistics(network, batch_norms(network), [images()])
    outputs = predict(images()).numpy()
    np.testing.assert_allclose(outputs.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(outputs.std((0, 1, 2)), 1, atol=1e-3)


def test_inside_every_mode_uses_the_batch_and_outside_it_does_not():
    layer = ConvBatchNorm(5, 1, frozen_batch_norm=True, trainable=False, seed=1)
    before = layer(images())
    with batch_statistics([layer.norm]):
        inside = layer(images(), training=False)
    expected = tf.nn.relu6(
        keras.layers.BatchNormalization(epsilon=1e-3)(
            tf.nn.conv2d(images(), layer.kernel.value, 1, "SAME"), training=True
        )
    )
    np.testing.assert_allclose(inside, expected, atol=1e-4)
    np.testing.assert_array_equal(layer(images()), before)
    np.testing.assert_array_equal(layer.norm.moving_mean, np.zeros(5))


def test_dropout_is_off_while_statistics_are_gathered():
    inputs = keras.Input((None, None, 3))
    dropped = keras.layers.Dropout(0.5, seed=1)(inputs)
    network = keras.Model(inputs, BatchNormalization()(dropped))
    recompute_statistics(network, batch_norms(network), [images()])
    (norm,) = batch_norms(network)
    variance = np.asarray(images(), np.float64).var((0, 1, 2))
    np.testing.assert_allclose(norm.moving_variance, variance, rtol=1e-4)
