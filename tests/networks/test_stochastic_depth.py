import numpy as np
import pytest
import tensorflow as tf

from roadshift.networks.build import build_network
from roadshift.networks.files import load_network, save_network
from roadshift.networks.settings import InferenceSettings, ModelSettings

SETTINGS = ModelSettings(weights="none", decoder_channels=16)
CLASSES = ("road", "sky")


def network(rate, seed=0):
    return build_network(SETTINGS, CLASSES, seed=seed, stochastic_depth=rate)


def images(count=2):
    shape = (count, 32, 64, 3)
    return np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)


def skips(model):
    return [layer for layer in model.layers if layer.name.endswith("_skip")]


def test_at_rate_0_the_network_is_the_plain_one_to_the_bit():
    plain, zero = build_network(SETTINGS, CLASSES), network(0.0)
    assert [layer.name for layer in plain.layers] == [layer.name for layer in zero.layers]
    np.testing.assert_array_equal(zero(images(), training=True), plain(images(), training=True))


def test_weights_and_predictions_are_those_of_the_plain_network_at_any_rate():
    plain, dropping = network(0.0), network(0.5)
    ours = {w.path: w.numpy() for w in dropping.weights if "seed" not in w.path}
    assert ours.keys() == {w.path for w in plain.weights}
    for weight in plain.weights:
        np.testing.assert_array_equal(weight, ours[weight.path], err_msg=weight.path)
    np.testing.assert_array_equal(dropping(images()), plain(images()))


def test_rates_rise_linearly_to_the_last_branch():
    rates = [layer.rate for layer in skips(network(0.45))]
    # EfficientNet-Lite0 has 16 blocks in 7 stages, and so 9 branches beside an identity.
    np.testing.assert_allclose(rates, 0.05 * np.arange(1, 10))


def test_an_image_skips_a_branch_whole_or_takes_it_scaled_up():
    layer = skips(network(0.5))[-1]
    inputs = tf.ones((200, 2, 3, 4))
    outputs = layer(inputs, training=True).numpy()
    by_image = outputs.reshape(200, -1)
    assert (by_image == by_image[:, :1]).all()
    assert set(by_image[:, 0]) == {0.0, 2.0}
    # Four standard deviations of 200 draws.
    assert (by_image[:, 0] == 0).mean() == pytest.approx(0.5, abs=0.15)


def test_a_seed_decides_who_skips_and_steps_differ():
    def outputs(seed):
        model = network(0.9, seed)
        return [model(images(8), training=True).numpy() for _ in range(2)]

    first, again = outputs(3), outputs(3)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])


def test_it_travels_with_the_file(tmp_path):
    path = tmp_path / "model.keras"
    save_network(network(0.3), path, InferenceSettings())
    assert [layer.rate for layer in skips(load_network(path))] == [
        layer.rate for layer in skips(network(0.3))
    ]


def test_a_plain_file_gives_its_weights(tmp_path):
    path = tmp_path / "plain.keras"
    source = build_network(SETTINGS, CLASSES, seed=7)
    save_network(source, path, InferenceSettings())
    settings = SETTINGS.model_copy(update={"weights": str(path)})
    ours = build_network(settings, CLASSES, stochastic_depth=0.3)
    np.testing.assert_array_equal(ours(images()), source(images()))
