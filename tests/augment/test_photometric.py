import colorsys
import math

import numpy as np
import pytest
import tensorflow as tf

from roadshift.augment import photometric
from roadshift.augment.keys import operation_key
from roadshift.augment.registry import OPERATIONS, operations_of
from tests.augment.draws import assert_independent, assert_uniform, for_each_key

KEY = tf.constant([3, 4], tf.int64)
PICTURE = tf.constant([[[10, 20, 30], [40, 50, 60]]], tf.float32)


def random_image(height=12, width=14, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    return tf.constant(values, tf.float32)


def test_gamma_by_hand():
    image = tf.constant([[[0, 51, 255]]], tf.float32)
    result = photometric.apply_gamma(image, 2.0)
    assert result.numpy().ravel() == pytest.approx([0, 255 * 0.2**2, 255], rel=1e-5)


def test_gamma_of_what_a_neighbour_pushed_out_of_range_is_finite():
    image = tf.constant([[[-20, 0, 300]]], tf.float32)
    assert photometric.apply_gamma(image, 0.5).numpy().ravel() == pytest.approx([0, 0, 255])


def test_brightness_by_hand():
    result = photometric.apply_brightness(PICTURE, -0.1)
    assert result.numpy() == pytest.approx(PICTURE.numpy() - 25.5)


def test_contrast_by_hand():
    # The mean of all six values is 35.
    result = photometric.apply_contrast(PICTURE, 0.5)
    assert result.numpy().ravel() == pytest.approx([22.5, 27.5, 32.5, 37.5, 42.5, 47.5])


def test_no_contrast_leaves_the_mean():
    assert photometric.apply_contrast(PICTURE, 0.0).numpy() == pytest.approx(np.full((1, 2, 3), 35))


def test_saturation_by_hand():
    grey = 0.299 * 10 + 0.587 * 20 + 0.114 * 30
    result = photometric.apply_saturation(PICTURE, 1.5).numpy()[0, 0]
    assert result == pytest.approx([grey + 1.5 * (value - grey) for value in (10, 20, 30)])


def test_no_saturation_is_grey():
    result = photometric.apply_saturation(random_image(), 0.0).numpy()
    assert np.ptp(result, axis=-1).max() < 1e-3


@pytest.mark.parametrize("turns", [-0.3, 0.1, 0.5])
def test_hue_keeps_luma_and_turns_the_chroma(turns):
    image = random_image()
    result = photometric.apply_hue(image, turns)

    def luma(image):
        return image.numpy() @ np.array(photometric.LUMA)

    assert luma(result) == pytest.approx(luma(image), abs=0.01)
    for before, after in zip(
        image.numpy().reshape(-1, 3) / 255, result.numpy().reshape(-1, 3) / 255, strict=True
    ):
        _, i, q = colorsys.rgb_to_yiq(*before)
        expected = complex(i, q) * complex(
            math.cos(2 * math.pi * turns), math.sin(2 * math.pi * turns)
        )
        # The standard library rounds YIQ's matrix to two digits.
        _, i, q = colorsys.rgb_to_yiq(*after)
        assert complex(i, q) == pytest.approx(expected, abs=0.02)


def test_full_turn_of_hue_is_none():
    image = random_image()
    assert photometric.apply_hue(image, 1.0).numpy() == pytest.approx(image.numpy(), abs=0.01)


def test_grey_has_no_hue():
    grey = tf.fill([2, 2, 3], 90.0)
    assert photometric.apply_hue(grey, 0.3).numpy() == pytest.approx(grey.numpy(), abs=1e-3)


def test_blur_of_a_point_is_the_gaussian():
    image = np.zeros((21, 25, 3), np.float32)
    image[10, 12] = [100, 200, 50]
    sigma = 1.5
    taps = np.exp(-0.5 * (np.arange(-5, 6) / sigma) ** 2)
    taps /= taps.sum()
    expected = np.zeros_like(image)
    expected[5:16, 7:18] = np.outer(taps, taps)[..., None] * image[10, 12]
    result = photometric.apply_blur(tf.constant(image), sigma).numpy()
    assert result == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (17, 5)])
def test_blur_leaves_a_plain_image_plain_up_to_its_edges(shape):
    image = tf.fill([*shape, 3], 77.0)
    result = photometric.apply_blur(image, 5.0)
    assert result.shape == image.shape
    assert result.numpy() == pytest.approx(image.numpy(), abs=1e-3)


def test_blur_of_no_width_changes_nothing():
    image = random_image()
    assert np.array_equal(photometric.apply_blur(image, 0.0), image)


def test_cast_by_hand():
    result = photometric.apply_colour_cast(PICTURE, tf.constant([0.5, 1.0, 2.0]))
    assert result.numpy().ravel() == pytest.approx([5, 20, 60, 20, 50, 120])


def test_cast_draws_each_channel_on_its_own():
    grey = tf.fill([1, 1, 3], 100.0)
    values = for_each_key(lambda key: photometric.colour_cast(grey, key, 0.3)[0, 0])
    channels = np.log(values / 100).T
    for logs in channels:
        assert_uniform(logs, -0.3, 0.3)
    assert_independent(*channels)


def smooth_image():
    rows, columns = np.mgrid[0:48, 0:64]
    values = np.stack([4 * rows, 3 * columns, 100 + rows - columns], axis=-1)
    return tf.constant(values, tf.float32)


def test_jpeg_loses_more_the_lower_its_quality():
    image = smooth_image()
    errors = [
        float(tf.reduce_mean(tf.abs(photometric.apply_jpeg(image, quality) - image)))
        for quality in (100, 50, 5)
    ]
    assert errors[0] < 1.5
    assert errors[0] < errors[1] < errors[2]


def test_jpeg_is_what_a_file_of_that_quality_holds():
    image = smooth_image()
    file = tf.io.encode_jpeg(tf.cast(image, tf.uint8), quality=30)
    stored = tf.io.decode_jpeg(file, dct_method="INTEGER_ACCURATE")
    assert np.array_equal(photometric.apply_jpeg(image, 30), tf.cast(stored, tf.float32))


def test_jpeg_draws_every_quality_down_to_its_strength():
    image = smooth_image()
    qualities = {
        photometric.apply_jpeg(image, quality).numpy().tobytes(): quality
        for quality in range(1, 101)
    }
    results = for_each_key(lambda key: photometric.jpeg(image, key, 30.0)).astype(np.float32)
    assert_uniform([qualities[result.tobytes()] for result in results], 70, 100)


def test_jpeg_clips_what_a_neighbour_pushed_out_of_range():
    result = photometric.apply_jpeg(tf.fill([16, 16, 3], 300.0), 90)
    assert result.numpy() == pytest.approx(np.full((16, 16, 3), 255))


def test_noise_by_hand():
    normal = tf.constant([[[1, -1, 0], [2, 0, 0]]], tf.float32)
    result = photometric.apply_noise(PICTURE, normal, 0.1).numpy().ravel()
    assert result == pytest.approx([35.5, -5.5, 30, 91, 50, 60])


def test_noise_has_the_sigma_that_was_drawn():
    image = tf.zeros([200, 200, 3])
    values = photometric.noise(image, KEY, 0.2).numpy() / 255
    sigma = tf.random.stateless_uniform((), KEY, 0, 0.2, alg="philox").numpy()
    assert values.std() == pytest.approx(sigma, rel=0.02)
    assert values.mean() == pytest.approx(0, abs=0.002)


GREY = tf.fill([1, 1, 3], 100.0)
STEP = tf.constant([[[100, 100, 100], [140, 140, 140]]], tf.float32)
COLOUR = tf.constant([[[200, 100, 50]]], tf.float32)
POINT = tf.one_hot([[20]], 41, 255.0, 0.0)[..., tf.newaxis][0] * tf.ones([1, 1, 3])


def chroma_angle(image):
    """The angle of the first pixel's chroma in YIQ, in turns."""
    _, i, q = photometric._YIQ @ image[0, 0]
    return math.atan2(q, i) / (2 * math.pi)


def sigma_of_blur(after):
    """The sigma of the Gaussian that a point was blurred by, from two of its values."""
    centre, beside = after[0, 20:22, 0]
    return math.sqrt(-0.5 / math.log(beside / centre)) if beside else 0.0


# By operation: the image it acts on, its draw from the result, and the range of that as multiples
# of the strength, about the value at which nothing changes.
DRAWS = {
    "gamma": (GREY, lambda after: np.log(np.log(after.max() / 255) / math.log(100 / 255)), -1, 0),
    "brightness": (GREY, lambda after: (after.max() - 100) / 255, -1, 0),
    "contrast": (STEP, lambda after: (after[0, 1, 0] - after[0, 0, 0]) / 40, -1, 1),
    "saturation": (COLOUR, lambda after: (after[0, 0, 0] - after[0, 0, 2]) / 150, -1, 1),
    "hue": (COLOUR, lambda after: chroma_angle(after) - chroma_angle(COLOUR.numpy()), -1, 0),
    "blur": (POINT, sigma_of_blur, 0, 0),
    "noise": (tf.zeros([64, 64, 3]), lambda after: after.std() / 255, 0, 0),
}


@pytest.mark.parametrize("strength", [0.1, 0.3])
@pytest.mark.parametrize("name", sorted(DRAWS))
def test_draws_fill_their_range_and_stay_in_it(name, strength):
    image, draw_of, low, neutral = DRAWS[name]
    # A sigma below a fifth of a pixel leaves nothing to measure.
    strength *= 10 if name == "blur" else 1
    results = for_each_key(lambda key: OPERATIONS[name].apply(image, key, strength))
    draws = [draw_of(result) for result in results]
    # A sigma of noise is known to a hundredth.
    slack = 0.02 if name == "noise" else 2e-3
    assert_uniform(draws, neutral + low * strength, neutral + strength, slack)


def test_noise_does_not_follow_its_sigma():
    values = for_each_key(lambda key: photometric.noise(tf.zeros([40, 40, 3]), key, 0.2))
    sigmas = values.std(axis=(1, 2, 3))
    # Two normal values are made of two uniform ones, of which the first gives their length.
    lengths = ((values[:, 0, 0, :2] / sigmas[:, None]) ** 2).sum(axis=1)
    assert_independent(sigmas, lengths)


@pytest.mark.parametrize("name", sorted(each.name for each in operations_of("photometric")))
def test_same_key_same_result_and_other_key_another(name):
    image = random_image()
    # A strength of jpeg is in points of its quality.
    strength = 40.0 if name == "jpeg" else 0.4
    first, again, other = (
        OPERATIONS[name].apply(image, key, strength).numpy()
        for key in (KEY, KEY, tf.constant([3, 5], tf.int64))
    )
    assert np.array_equal(again, first)
    assert not np.array_equal(other, first)
    assert first.dtype == np.float32
    assert first.shape == image.shape


def test_an_operation_s_draws_do_not_follow_another_s():
    def results_of(name, image):
        apply = OPERATIONS[name].apply
        return for_each_key(lambda key: apply(image, operation_key(key, name), 0.3))

    assert_independent(
        *(
            [draw_of(result) for result in results_of(name, image)]
            for name, (image, draw_of, *_) in DRAWS.items()
            if name != "noise"
        )
    )
