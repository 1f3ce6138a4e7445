import math

import numpy as np
import pytest
import tensorflow as tf

from roadshift.augment import weather
from roadshift.augment.registry import OPERATIONS, operations_of

KEY = tf.constant([3, 4], tf.int64)


def random_image(height=40, width=30):
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3))
    return tf.constant(values, tf.float32)


def test_fog_by_hand():
    # Rows at 0.125, 0.375, 0.625 and 0.875 of the height; the horizon is the second of them.
    image = tf.fill([4, 2, 3], 100.0)
    result = weather.apply_fog(image, thickness=2.0, horizon=0.375, airlight=200.0).numpy()
    distances = [1 / (1 + 0.8 * 0.25), 1, 1 / (1 + 16 * 0.25), 1 / (1 + 16 * 0.5)]
    for row, distance in zip(result, distances, strict=True):
        transmission = math.exp(-2 * distance)
        assert row == pytest.approx(
            np.full((2, 3), 100 * transmission + 200 * (1 - transmission)), rel=1e-5
        )


def test_fog_is_densest_at_the_horizon_and_thinnest_underfoot():
    result = weather.apply_fog(
        tf.zeros([100, 1, 3]), thickness=1.5, horizon=0.4, airlight=255.0
    ).numpy()[:, 0, 0]
    assert result.argmax() in (39, 40)
    assert (np.diff(result[:39]) > 0).all()
    assert (np.diff(result[41:]) < 0).all()
    assert result[-1] < result[0]


def test_no_fog_changes_nothing():
    image = random_image()
    assert np.array_equal(
        weather.apply_fog(image, thickness=0.0, horizon=0.3, airlight=200.0), image
    )


def test_rain_by_hand():
    image = tf.fill([1, 2, 3], 200.0)
    streaks = tf.constant([[0.0, 1.0]])
    result = weather.apply_rain(image, streaks, 1.0).numpy()
    veiled = 0.65 * 200 + 0.35 * 140
    assert result[0, 0] == pytest.approx([veiled] * 3)
    assert result[0, 1] == pytest.approx([0.65 * veiled + 0.35 * 225] * 3)


def test_no_rain_changes_nothing():
    image = random_image()
    result = weather.apply_rain(image, tf.zeros([40, 30]), 0.0)
    assert np.array_equal(result, image)


@pytest.mark.parametrize("wind", [0.0, 0.5, 0.999])
def test_streaks_follow_the_wind(wind):
    height, width = 120, 150
    streaks = weather._streaks((height, width), KEY, tf.constant(1.0), tf.constant(wind)).numpy()
    assert streaks.shape == (height, width)
    assert streaks.min() == 0
    assert 0.9 < streaks.max() <= 1
    assert 0.02 < (streaks > 0).mean() < 0.2
    # Ten rows down, what a streak covers has moved by ten times the slope: to the left where the
    # lanes move to the right.
    slope = 0.6 * wind - 0.3
    moved = round(10 * slope)
    inner = slice(20, width - 20)
    here = streaks[:-3][:, inner] > 0
    below = [
        (streaks[3:] > 0)[:, 20 - shift : width - 20 - shift] for shift in (round(3 * slope), 10)
    ]
    assert (here & below[0]).mean() > 2 * (here & below[1]).mean()
    assert abs(moved) <= 3


def test_more_rain_more_streaks():
    shares = [
        (weather._streaks((80, 80), KEY, tf.constant(i), tf.constant(0.5)).numpy() > 0).mean()
        for i in (0.1, 0.4, 1.0)
    ]
    assert shares[0] < shares[1] < shares[2]


def test_dusk_by_hand():
    # At depth 0.5 three tenths of the colour turn to blue, and the light falls by exp(-0.6).
    image = tf.constant([[[200.0, 100.0, 50.0]]])
    result = weather.apply_dusk(image, tf.constant([[2.0]]), 0.5).numpy()[0, 0]
    luma = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    expected = [
        math.exp(-0.6) * (0.7 * value + 0.3 * luma * blue) + 2 * 255 * 0.0125
        for value, blue in ((200, 0.80), (100, 0.99), (50, 1.58))
    ]
    assert result == pytest.approx(expected, rel=1e-5)


def test_dusk_turns_grey_to_blue_of_the_same_luma():
    result = weather.apply_dusk(tf.fill([1, 1, 3], 100.0), tf.zeros([1, 1]), 1.0).numpy()[0, 0]
    assert result[0] < result[1] < result[2]
    assert result @ (0.299, 0.587, 0.114) == pytest.approx(100 * math.exp(-1.2), rel=1e-2)


@pytest.mark.parametrize("name", sorted(each.name for each in operations_of("weather")))
def test_same_key_same_result_and_other_key_another(name):
    image = random_image()
    first = OPERATIONS[name].apply(image, KEY, 0.8).numpy()
    assert np.array_equal(OPERATIONS[name].apply(image, KEY, 0.8), first)
    assert not np.array_equal(
        OPERATIONS[name].apply(image, tf.constant([3, 5], tf.int64), 0.8), first
    )
    assert first.dtype == np.float32
    assert first.shape == image.shape
    assert np.isfinite(first).all()
