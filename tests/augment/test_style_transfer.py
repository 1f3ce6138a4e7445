import numpy as np
import pytest
import tensorflow as tf

from roadshift.augment import style_transfer
from roadshift.augment.registry import OPERATIONS, operations_of
from tests.augment.draws import assert_uniform, for_each_key

KEY = tf.constant([3, 4], tf.int64)


def random_image(seed, height=24, width=32, low=20, high=200):
    """Random blocks of 4×2 pixels, so that every fourth row has the statistics of all."""
    generator = np.random.default_rng(seed)
    blocks = generator.uniform(low, high, (height // 4, width // 2, 3))
    return np.kron(blocks, np.ones((4, 2, 1))).astype(np.float32)


def spectrum(image):
    return np.fft.fftshift(np.fft.fft2(np.asarray(image, np.float64), axes=(0, 1)), axes=(0, 1))


def exchanged_by_definition(image, other, half_width):
    """The paper's way: whole spectra, amplitudes replaced in a centred window, transformed back."""
    own, partner = spectrum(image), spectrum(other)
    amplitude = np.abs(own)
    row, column = image.shape[0] // 2, image.shape[1] // 2
    window = (
        slice(row - half_width, row + half_width + 1),
        slice(column - half_width, column + half_width + 1),
    )
    amplitude[window] = np.abs(partner)[window]
    result = np.fft.ifftshift(amplitude * np.exp(1j * np.angle(own)), axes=(0, 1))
    return np.fft.ifft2(result, axes=(0, 1)).real, window


@pytest.mark.parametrize("size", [(24, 32), (28, 18), (20, 20)])
@pytest.mark.parametrize("half_width", [0, 1, 3, 8])
def test_fourier_is_the_papers_exchange(size, half_width):
    image, other = random_image(0, *size), random_image(1, *size)
    expected, window = exchanged_by_definition(image, other, half_width)
    result = style_transfer.exchange_amplitudes(tf.constant(image), tf.constant(other), half_width)
    assert result.numpy() == pytest.approx(expected, abs=1e-2)
    after, own, partner = spectrum(result), spectrum(image), spectrum(other)
    assert np.abs(after[window]) == pytest.approx(np.abs(partner[window]), rel=1e-3, abs=0.1)
    # The phase stays at every frequency that has one.
    clear = (np.abs(own) > 50) & (np.abs(after) > 50)
    assert clear.mean() > 0.5
    assert np.angle(after / np.where(clear, own, 1))[clear] == pytest.approx(0, abs=1e-2)
    outside = np.ones(size, bool)
    outside[window] = False
    assert after[outside] == pytest.approx(own[outside], abs=0.2)


def test_fourier_between_an_image_and_itself_is_the_identity():
    image = tf.constant(random_image(0))
    result = style_transfer.exchange_amplitudes(image, image, 5)
    assert result.numpy() == pytest.approx(image.numpy(), abs=1e-3)


def test_fourier_below_one_pixel_exchanges_the_mean_colour():
    image, other = random_image(0), random_image(1, low=100)
    result = style_transfer.fda(tf.constant(image), tf.constant(other), KEY, 0.04).numpy()
    shift = other.mean(axis=(0, 1)) - image.mean(axis=(0, 1))
    assert result == pytest.approx(image + shift, abs=1e-2)


def test_fourier_s_window_is_a_share_of_the_shorter_side():
    image, other = tf.constant(random_image(0)), tf.constant(random_image(1))
    expected = style_transfer.exchange_amplitudes(image, other, 3)
    # ⌊0.13 · 24⌋ = ⌊3.12⌋ = 3 = ⌊0.16 · 24⌋ = ⌊3.84⌋
    for beta in (0.13, 0.16):
        assert np.array_equal(style_transfer.fda(image, other, KEY, beta), expected)


def test_fourier_of_an_image_of_one_colour_is_finite():
    flat, other = tf.fill([24, 32, 3], 80.0), tf.constant(random_image(1))
    assert np.isfinite(style_transfer.exchange_amplitudes(flat, other, 4)).all()
    assert np.isfinite(style_transfer.exchange_amplitudes(tf.zeros([24, 32, 3]), other, 4)).all()


def test_a_window_larger_than_the_spectrum_is_refused():
    image = tf.constant(random_image(0))
    with pytest.raises(ValueError, match="half width 12 is too large for 24×32"):
        style_transfer.exchange_amplitudes(image, image, 12)


def log_opponent(image):
    """lαβ as in the paper, digit by digit."""
    cones = np.asarray(image, np.float64) @ np.transpose(
        [[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]]
    )
    sums = np.log(cones) @ np.transpose([[1, 1, 1], [1, 1, -2], [1, -1, 0]])
    return sums / np.sqrt([3, 6, 2])


@pytest.mark.parametrize("share", [0.4, 1.0])
def test_statistics_become_the_partners(share):
    # A narrow range, so that nothing is clipped.
    image, other = random_image(0, low=90, high=120), random_image(1, low=60, high=75)
    result = style_transfer.transfer_colours(tf.constant(image), tf.constant(other), share).numpy()
    assert result.min() > 1
    assert result.max() < 255
    own, partner, after = (log_opponent(x).reshape(-1, 3) for x in (image, other, result))
    for statistic in (np.mean, np.std):
        blend = (1 - share) * statistic(own, axis=0) + share * statistic(partner, axis=0)
        assert statistic(after, axis=0) == pytest.approx(blend, abs=2e-3)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_statistics_of_itself_or_of_no_share_change_nothing(share):
    image = tf.constant(random_image(0))
    other = image if share else tf.constant(random_image(1))
    result = style_transfer.transfer_colours(image, other, share)
    assert result.numpy() == pytest.approx(image.numpy(), abs=0.05)


@pytest.mark.parametrize("values", [(0.0, 80.0), (80.0, 0.0), (255.0, 0.0), (300.0, -50.0)])
def test_statistics_of_images_of_one_colour_are_finite(values):
    flat, other = (tf.fill([8, 8, 3], value) for value in values)
    for image, partner in (
        (flat, other),
        (flat, random_image(1, 8, 8)),
        (random_image(1, 8, 8), other),
    ):
        result = style_transfer.transfer_colours(
            tf.constant(image), tf.constant(partner), 1.0
        ).numpy()
        assert np.isfinite(result).all()
        assert result.min() >= 0
        assert result.max() <= 255


def test_a_colour_takes_the_partners_mean():
    result = style_transfer.transfer_colours(
        tf.fill([8, 8, 3], 50.0), tf.fill([8, 8, 3], 120.0), 1.0
    )
    assert result.numpy() == pytest.approx(np.full((8, 8, 3), 120), rel=1e-3)


@pytest.mark.parametrize("name", sorted(each.name for each in operations_of("transfer")))
def test_same_key_same_result(name):
    image, other = tf.constant(random_image(0)), tf.constant(random_image(1))
    first = OPERATIONS[name].apply(image, other, KEY, 0.2).numpy()
    assert np.array_equal(OPERATIONS[name].apply(image, other, KEY, 0.2), first)
    assert first.dtype == np.float32
    assert first.shape == image.shape
    assert not np.array_equal(first, image)


@pytest.mark.parametrize("strength", [0.4, 1.0])
def test_the_share_of_the_statistics_is_any_up_to_the_strength(strength):
    image, other = tf.fill([4, 4, 3], 50.0), tf.fill([4, 4, 3], 120.0)
    results = for_each_key(
        lambda key: style_transfer.colour_transfer(image, other, key, strength)[0, 0, 0]
    )
    # The means of the logarithms move by the share.
    assert_uniform(np.log(results / 50) / np.log(120 / 50), 0, strength)
