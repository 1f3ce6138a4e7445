import keras
import numpy as np
import pytest
import tensorflow as tf

from roadshift.networks.batch_norm import BatchNormalization, ConvBatchNorm
from roadshift.training.ema import ExponentialMovingAverage


def dense_network():
    inputs = keras.Input((1,))
    return keras.Model(inputs, keras.layers.Dense(1, kernel_initializer="zeros")(inputs))


def test_the_average_equals_its_closed_form():
    network, decay = dense_network(), 0.6
    average = ExponentialMovingAverage(network, decay)
    update = tf.function(average.update)
    weights = np.random.default_rng(0).normal(size=20)
    for weight in weights:
        network.set_weights([np.array([[weight]]), np.array([0.0])])
        update()
    # a_T = Σ_t (1 - d_t) w_t Π_{s > t} d_s, and the first weight, 0.
    decays = np.array([min(decay, (1 + t) / (10 + t)) for t in range(1, 21)])
    assert decays[3] == 5 / 14  # the warm-up
    assert decays[-1] == decay
    expected = sum((1 - decays[t]) * weights[t] * decays[t + 1 :].prod() for t in range(20))
    with average.in_place():
        assert network.get_weights()[0][0, 0] == pytest.approx(expected, rel=1e-5)
    assert network.get_weights()[0][0, 0] == np.float32(weights[-1])


def test_moving_statistics_are_averaged_but_not_those_that_never_move():
    inputs = keras.Input((None, None, 2))
    kept = ConvBatchNorm(2, 1, frozen_batch_norm=True, name="kept")
    network = keras.Model(inputs, BatchNormalization(name="moved")(kept(inputs)))
    average = ExponentialMovingAverage(network, 0.5)
    moved = network.get_layer("moved").moving_mean
    moved.assign([11.0, 22.0])
    average.update()
    with average.in_place():
        np.testing.assert_allclose(moved, [9.0, 18.0], rtol=1e-6)  # d is 2 / 11
    np.testing.assert_array_equal(moved, [11.0, 22.0])


def test_the_networks_own_weights_come_back_after_an_error():
    network = dense_network()
    average = ExponentialMovingAverage(network, 0.9)
    network.set_weights([np.array([[1.0]]), np.array([2.0])])
    average.update()
    with pytest.raises(KeyError), average.in_place():
        raise KeyError
    assert [float(w.ravel()[0]) for w in network.get_weights()] == [1.0, 2.0]
