import keras
import numpy as np
import pytest
import tensorflow as tf

from roadshift.scoring.inference import Segmenter, fit_picture


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


@pytest.mark.parametrize(
    ("size", "max_height", "scale", "fitted"),
    [
        ((360, 480), 0, 1.0, (352, 480)),
        ((375, 1242), 384, 1.0, (384, 1248)),
        ((1024, 2048), 384, 1.0, (384, 768)),
        ((720, 960), 384, 0.75, (288, 384)),
        ((720, 960), 384, 1.5, (576, 768)),
        ((1, 1), 0, 1.0, (32, 32)),
    ],
)
def test_a_picture_is_stretched_to_the_nearest_size_that_a_network_takes(
    size, max_height, scale, fitted
):
    picture = fit_picture(np.full((*size, 3), 7, np.uint8), max_height, scale)
    assert picture.shape == (*fitted, 3)
    np.testing.assert_allclose(picture, 7, rtol=1e-6)


def test_pixels_of_a_picture_that_fits_stay_as_they_are():
    np.testing.assert_array_equal(fit_picture(noise(64, 96), 64), noise(64, 96))


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


def lopsided_network():
    """Logits that depend on the place, so that a mirrored picture is not seen the same."""
    inputs = keras.Input((None, None, 3))
    layer = keras.layers.Conv2D(3, 3, padding="same")
    outputs = layer(keras.layers.Rescaling(1 / 255)(inputs))
    generator = np.random.default_rng(4)
    layer.set_weights([generator.normal(0, 1, (3, 3, 3, 3)), np.zeros(3)])
    return keras.Model(inputs, outputs)


def noise(height=45, width=70):
    return np.random.default_rng(5).integers(0, 256, (height, width, 3)).astype(np.uint8)


def probabilities(network, image, scale=1.0):
    """The softmax of one pass, by hand, of a picture whose sides are multiples of 32."""
    size = [round(side * scale) for side in image.shape[:2]]
    scaled = tf.image.resize(image.astype(np.float32), size, antialias=True)
    return tf.nn.softmax(tf.image.resize(network(scaled[None])[0], image.shape[:2])).numpy()


def assert_averages(segmented, expected):
    prediction, confidence = segmented
    np.testing.assert_array_equal(prediction, expected.argmax(-1))
    np.testing.assert_allclose(confidence, expected.max(-1), rtol=1e-5)


def test_without_flip_and_scales_nothing_is_averaged():
    network = lopsided_network()
    plain = Segmenter(network, 0)(noise())
    for one, other in zip(plain, Segmenter(network, 0, False, [1.0])(noise()), strict=True):
        np.testing.assert_array_equal(one, other)


def test_flip_averages_the_probabilities_of_both_views():
    network, image = lopsided_network(), noise(32, 64)
    mirrored = probabilities(network, image[:, ::-1])[:, ::-1]
    expected = (probabilities(network, image) + mirrored) / 2
    assert_averages(Segmenter(network, 0, flip=True)(image), expected)
    assert not np.allclose(mirrored, probabilities(network, image))


@pytest.mark.parametrize("max_height", [0, 32])
@pytest.mark.parametrize("scales", [[1.0], [0.5, 1.0, 1.5]])
def test_the_flip_of_a_picture_gives_the_flip_of_the_result(max_height, scales):
    segmenter = Segmenter(lopsided_network(), max_height, True, scales)
    prediction, confidence = segmenter(noise())
    flipped, flipped_confidence = segmenter(noise()[:, ::-1])
    np.testing.assert_array_equal(flipped[:, ::-1], prediction)
    np.testing.assert_allclose(flipped_confidence[:, ::-1], confidence, rtol=1e-5)


def test_scales_average_the_probabilities_at_the_pictures_own_size():
    network, image = lopsided_network(), noise(64, 128)
    expected = np.mean([probabilities(network, image, s) for s in (0.5, 1.0, 1.5)], axis=0)
    assert_averages(Segmenter(network, 0, scales=[0.5, 1.0, 1.5])(image), expected)


def test_a_single_other_scale_is_used():
    network, image = lopsided_network(), noise(64, 128)
    assert_averages(Segmenter(network, 0, scales=[0.5])(image), probabilities(network, image, 0.5))


def test_a_scale_above_1_sees_the_detail_that_the_height_hides():
    # Stripes of one pixel are grey at half the height, and stripes again at twice that.
    image = np.zeros((64, 64, 3), np.uint8)
    image[::2] = 255
    segmenter = Segmenter(brightness_network(1), 32, scales=[2.0])
    np.testing.assert_array_equal(segmenter(image)[0], image[..., 0] // 255)


def test_confidences_of_an_average_are_probabilities():
    _, confidence = Segmenter(lopsided_network(), 0, True, [0.75, 1.0, 1.25])(noise())
    assert confidence.dtype == np.float32
    assert confidence.shape == (45, 70)
    assert confidence.min() >= 1 / 3 - 1e-6
    assert confidence.max() <= 1 + 1e-5
