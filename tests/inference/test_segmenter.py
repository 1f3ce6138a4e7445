import keras
import numpy as np
import pytest
import tensorflow as tf

from roadshift.inference.segmenter import Segmenter
from roadshift.networks.settings import InferenceSettings

PLAIN = InferenceSettings()


def brightness_network(stride=4):
    """A network that gives class 1 where the mean of a block of `stride` pixels is light."""
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
def test_prediction_has_the_images_own_size(size):
    found = Segmenter(brightness_network(), PLAIN)(np.zeros((*size, 3), np.uint8))
    assert found.ids.shape == found.confidence.shape == size
    assert found.ids.dtype == np.uint8


def test_each_half_is_found_where_it_is():
    found = Segmenter(brightness_network(), PLAIN)(halves(64, 128))
    np.testing.assert_array_equal(found.ids, halves(64, 128)[..., 0] // 255)


def test_a_tall_image_is_scaled_down_and_scored_at_its_own_size():
    sizes = []

    class Spy(keras.layers.Layer):
        def call(self, inputs):
            tf.py_function(lambda shape: sizes.append(tuple(shape.numpy())), [tf.shape(inputs)], [])
            return inputs

    inner = brightness_network()
    inputs = keras.Input((None, None, 3))
    network = keras.Model(inputs, inner(Spy()(inputs)))
    ids = Segmenter(network, InferenceSettings(max_height=64))(halves(256, 512)).ids
    assert sizes == [(1, 64, 128, 3)]
    assert ids.shape == (256, 512)
    assert (ids == halves(256, 512)[..., 0] // 255).mean() > 0.98


def test_confidence_is_the_softmax_of_the_winner():
    found = Segmenter(brightness_network(), PLAIN)(np.zeros((32, 32, 3), np.uint8))
    np.testing.assert_allclose(found.confidence, 1 / (1 + np.exp(-12.75)), rtol=1e-5)


def lopsided_network():
    """A network without mirror symmetry, so that a mirrored image gives other logits."""
    inputs = keras.Input((None, None, 3))
    layer = keras.layers.Conv2D(3, 3, padding="same")
    outputs = layer(keras.layers.Rescaling(1 / 255)(inputs))
    generator = np.random.default_rng(4)
    layer.set_weights([generator.normal(0, 1, (3, 3, 3, 3)), np.zeros(3)])
    return keras.Model(inputs, outputs)


def noise(height=45, width=70):
    return np.random.default_rng(5).integers(0, 256, (height, width, 3)).astype(np.uint8)


def probabilities(network, image, scale=1.0):
    """Computes the softmax of one pass by hand; the image's sides are multiples of 32."""
    size = [round(side * scale) for side in image.shape[:2]]
    scaled = tf.image.resize(image.astype(np.float32), size, antialias=True)
    return tf.nn.softmax(tf.image.resize(network(scaled[None])[0], image.shape[:2])).numpy()


def assert_averages(segmented, expected):
    np.testing.assert_array_equal(segmented.ids, expected.argmax(-1))
    np.testing.assert_allclose(segmented.confidence, expected.max(-1), rtol=1e-5)


def test_without_flip_and_scales_nothing_is_averaged():
    network, image = lopsided_network(), noise(32, 64)
    single = InferenceSettings(tta_flip=False, tta_scales=(1.0,))
    assert_averages(Segmenter(network, single)(image), probabilities(network, image))
    assert single == PLAIN


def test_flip_averages_the_probabilities_of_both_views():
    network, image = lopsided_network(), noise(32, 64)
    mirrored = probabilities(network, image[:, ::-1])[:, ::-1]
    expected = (probabilities(network, image) + mirrored) / 2
    assert_averages(Segmenter(network, InferenceSettings(tta_flip=True))(image), expected)
    assert not np.allclose(mirrored, probabilities(network, image))


@pytest.mark.parametrize("max_height", [0, 32])
@pytest.mark.parametrize("scales", [(1.0,), (0.5, 1.0, 1.5)])
def test_the_flip_of_an_image_gives_the_flip_of_the_result(max_height, scales):
    settings = InferenceSettings(max_height=max_height, tta_flip=True, tta_scales=scales)
    segmenter = Segmenter(lopsided_network(), settings)
    found, flipped = segmenter(noise()), segmenter(noise()[:, ::-1])
    np.testing.assert_array_equal(flipped.ids[:, ::-1], found.ids)
    np.testing.assert_allclose(flipped.confidence[:, ::-1], found.confidence, rtol=1e-5)


def test_scales_average_the_probabilities_at_the_images_own_size():
    network, image = lopsided_network(), noise(64, 128)
    expected = np.mean([probabilities(network, image, s) for s in (0.5, 1.0, 1.5)], axis=0)
    settings = InferenceSettings(tta_scales=(0.5, 1.0, 1.5))
    assert_averages(Segmenter(network, settings)(image), expected)


def test_a_single_other_scale_is_used():
    network, image = lopsided_network(), noise(64, 128)
    found = Segmenter(network, InferenceSettings(tta_scales=(0.5,)))(image)
    assert_averages(found, probabilities(network, image, 0.5))


def test_a_scale_above_1_sees_the_detail_that_the_height_hides():
    # Stripes of one pixel are grey at half the height, and stripes again at twice that.
    image = np.zeros((64, 64, 3), np.uint8)
    image[::2] = 255
    settings = InferenceSettings(max_height=32, tta_scales=(2.0,))
    segmenter = Segmenter(brightness_network(1), settings)
    np.testing.assert_array_equal(segmenter(image).ids, image[..., 0] // 255)


def test_confidences_of_an_average_are_probabilities():
    settings = InferenceSettings(tta_flip=True, tta_scales=(0.75, 1.0, 1.25))
    confidence = Segmenter(lopsided_network(), settings)(noise()).confidence
    assert confidence.dtype == np.float32
    assert confidence.shape == (45, 70)
    assert confidence.min() >= 1 / 3 - 1e-6
    assert confidence.max() <= 1 + 1e-5
