import keras
import numpy as np
import pytest
import tensorflow as tf

from roadshift.scoring.inference import Segmenter


def brightness_network(stride=4):
    """Class 1 where a picture is light, judged by the mean over blocks of `stride` pixels."""
    inputs = keras.Input((None, None, 3))
    mean = keras.layers.AveragePooling2D(stride)(inputs)
    up = keras.layers.UpSampling2D(stride, interpolation="nearest")(mean)
    logits = keras.layers.Conv2D(2, 1)
    outputs = logits(up)
    logits.set_weights([np.array([[[[0, 1]] * 3]]) / 30.0, np.array([0.0, -12.75])])
    return keras.Model(inputs, outputs)


def halves(height, width):
    image = np.zeros((height, width, 3), np.uint8)
    image[:, width // 2 :] = 255
    return image


@pytest.mark.parametrize("size", [(32, 64), (33, 65), (1, 1), (31, 100), (375, 1242)])
def test_prediction_has_the_pictures_own_size(size):
    prediction, confidence = Segmenter(brightness_network(), 0)(np.zeros((*size, 3), np.uint8))
    assert prediction.shape == confidence.shape == size
    assert prediction.dtype == np.uint8


def test_each_half_is_found_where_it_is():
    prediction, _ = Segmenter(brightness_network(), 0)(halves(64, 128))
    np.testing.assert_array_equal(prediction, halves(64, 128)[..., 0] // 255)


def test_a_tall_picture_is_scaled_down_and_scored_at_its_own_size():
    sizes = []

    class Spy(keras.layers.Layer):
        def call(self, inputs):
            tf.py_function(lambda shape: sizes.append(tuple(shape.numpy())), [tf.shape(inputs)], [])
            return inputs

    inner = brightness_network()
    inputs = keras.Input((None, None, 3))
    network = keras.Model(inputs, inner(Spy()(inputs)))
    prediction, _ = Segmenter(network, 64)(halves(256, 512))
    assert sizes == [(1, 64, 128, 3)]
    assert prediction.shape == (256, 512)
    assert (prediction == halves(256, 512)[..., 0] // 255).mean() > 0.98


def test_confidence_is_the_softmax_of_the_winner():
    _, confidence = Segmenter(brightness_network(), 0)(np.zeros((32, 32, 3), np.uint8))
    np.testing.assert_allclose(confidence, 1 / (1 + np.exp(-12.75)), rtol=1e-5)
