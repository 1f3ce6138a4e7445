import math

import numpy as np
import pytest
import tensorflow as tf

from roadshift.augment import weather
from roadshift.augment.keys import operation_key
from roadshift.augment.registry import OPERATIONS, operations_of
from tests.augment.draws import assert_independent, assert_uniform, for_each_key

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


def kept_and_added(operation, key, strength, size):
    """What an operation keeps of an image's values, and what it adds, each float32 (H, W)."""
    black, white = (
        operation(tf.fill([*size, 3], value), key, strength)[..., 0] for value in (0.0, 255.0)
    )
    return (white - black) / 255, black


@pytest.mark.parametrize("strength", [0.8, 2.0])
def test_fog_draws_thickness_horizon_and_airlight_each_on_its_own(strength):
    def first_and_eleventh_row(key):
        kept, added = kept_and_added(weather.fog, key, strength, (100, 1))
        return tf.stack([kept[0, 0], kept[10, 0], added[0, 0]])

    first, eleventh, added = for_each_key(first_and_eleventh_row).T
    # The two rows lie above any horizon, where 1 / -log t is linear.
    inverses = -1 / np.log(first), -1 / np.log(eleventh)
    thicknesses = 0.8 * 0.1 / (inverses[0] - inverses[1])
    horizons = (inverses[0] * thicknesses - 1) / 0.8 + 0.005
    airlights = added / (1 - first) / 255
    assert_uniform(thicknesses, 0, strength, 0.01)
    assert_uniform(horizons, 0.2, 0.6, 0.01)
    assert_uniform(airlights, 0.65, 0.95)
    assert_independent(thicknesses, horizons, airlights)


def test_rain_draws_intensity_and_wind_each_on_its_own():
    size = (48, 32)

    def intensity_and_wind(key):
        kept = kept_and_added(weather.rain, key, 0.8, size)[0]
        intensity = (1 - tf.reduce_max(kept)) / 0.35
        cover = (1 - kept / tf.reduce_max(kept)) / 0.35
        # The wind whose streaks are most like those that are seen.
        misses = [
            tf.reduce_sum(
                tf.abs(
                    weather._streaks(size, operation_key(key, "rain.streaks"), intensity, wind / 20)
                    - cover
                )
            )
            for wind in range(2, 20, 4)
        ]
        return tf.stack([intensity, tf.cast(tf.argmin(misses), tf.float32)])

    intensities, winds = for_each_key(intensity_and_wind).T
    assert_uniform(intensities, 0, 0.8)
    # In a light rain no streak may be seen.
    heavy = intensities > 0.2
    assert (np.bincount(winds[heavy].astype(int), minlength=5) > 0).all()
    assert_independent(intensities[heavy], winds[heavy])


def test_every_column_has_streaks_as_often():
    # Three rows are too few for the wind to move a streak to another column.
    kept = for_each_key(lambda key: kept_and_added(weather.rain, key, 1.0, (3, 4))[0], 300)
    rained = kept.min(axis=1)
    wet = (rained < rained.max(axis=1, keepdims=True) - 1e-3).mean(axis=0)
    assert wet == pytest.approx(wet.mean(), abs=0.06)
    assert wet.mean() > 0.08


@pytest.mark.parametrize("intensity", [0.4, 1.0])
def test_streaks_are_as_many_as_long_and_as_far_apart_as_they_should(intensity):
    height, width = 400, 900
    # Without wind a streak stays in its column.
    calm = tf.constant(0.5)
    wet = weather._streaks((height, width), KEY, tf.constant(intensity), calm).numpy() > 0
    rainy = wet[:, wet.any(axis=0)]
    assert rainy.shape[1] / width == pytest.approx(0.7 * intensity, abs=0.04)
    starts = ~rainy[:-1] & rainy[1:]
    # Distances are uniform in 1/3..1 crop heights: the mean of their inverses is 1.5 log 3.
    assert starts.sum() / rainy.shape[1] == pytest.approx(1.5 * math.log(3), abs=0.08)
    assert_uniform(np.nonzero(starts)[0] / (height - 1), 0, 1)
    lengths = [
        np.argmin(column[row:]) / height
        for column, start in zip(rainy.T, starts.T, strict=True)
        for row in np.flatnonzero(start) + 1
        if row < 0.8 * height
    ]
    assert_uniform(lengths, 0.05, 0.15, 0.03)


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_dusk_is_of_any_depth_up_to_its_strength(strength):
    def dusk(key):
        return tf.stack(
            [weather.dusk(tf.fill([2, 2, 3], value), key, strength)[0] for value in (0.0, 255.0)]
        )

    black, white = np.moveaxis(for_each_key(dusk), 1, 0)
    # The bluish white has a luma of 1.
    luma = (white - black)[:, 0] @ (0.299, 0.587, 0.114) / 255
    depths = -np.log(luma) / 1.2
    noise = black[..., 0] / (255 * 0.025 * depths[:, None])
    assert_uniform(depths, 0, strength, 3e-3)
    # Two normal values are made of two uniform ones, of which the first gives their length.
    assert_independent(depths, (noise**2).sum(axis=1))
