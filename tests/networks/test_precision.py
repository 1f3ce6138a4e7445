import zipfile

import numpy as np
import pytest
import tensorflow as tf

from roadshift.networks.build import build_network
from roadshift.networks.files import load_network, save_network
from roadshift.networks.precision import computing_in
from roadshift.networks.settings import InferenceSettings, ModelSettings
from roadshift.training.loop import build_step
from roadshift.training.settings import RegSettings, TrainSettings

CLASSES = ("road", "sky", "car")
TRAIN = TrainSettings(
    epochs=1, steps_per_epoch=10, batch_size=2, crop_height=32, crop_width=64, learning_rate=1e-3,
    encoder_lr_factor=1.0, warmup_epochs=0.0, clip_norm=1.0, class_weight_exponent=0.0,
    dice_weight=0.5, lovasz_weight=0.5,
)  # fmt: skip
REG = RegSettings(dropout=0.0, l1=0.0, l2=0.0, weight_decay=0.0, label_smoothing=0.1)
NETWORKS = [
    ({"encoder": "efficientnet_lite0", "ibn_stages": 2}, True),
    ({"encoder": "efficientnet_lite2"}, False),
    ({"encoder": "mobilenet_v2", "ibn_stages": 1}, False),
    ({"encoder": "unet", "base_filters": 8}, False),
]
"""Settings of a network, and whether its encoder keeps the statistics that it has."""


@pytest.fixture(autouse=True)
def eager():
    """Tracing takes longer than the few steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def network_of(changes, stochastic_depth=0.0):
    settings = ModelSettings(**{"weights": "none", "decoder_channels": 16, **changes})
    return build_network(settings, CLASSES, seed=1, stochastic_depth=stochastic_depth)


def keep_statistics(network):
    """As in a pretrained encoder that keeps its statistics."""
    for layer in network.layers:
        if layer.name.startswith("encoder_") and hasattr(layer, "norm"):
            layer.norm.frozen_batch_norm = True


def batch():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, (2, 4, 8)).astype(np.uint8).repeat(8, 1).repeat(8, 2)
    images = 90.0 * labels[..., None] + generator.normal(0, 20, (2, 32, 64, 3))
    labels[:, :5] = 255
    return tf.constant(images.clip(0, 255), tf.float32), tf.constant(labels)


def steps(network, precision, number=2):
    step = build_step(
        network,
        settings=TRAIN.model_copy(update={"precision": precision}),
        reg=REG,
        pretrained=(),
        class_weights=None,
        average=None,
    )
    losses = [step(*batch()) for _ in range(number)]
    assert {loss.dtype for loss in losses} == {tf.float32}
    return [float(loss) for loss in losses]


@pytest.mark.parametrize(("changes", "kept"), NETWORKS)
def test_a_few_steps_in_bfloat16_are_close_to_those_in_float32(changes, kept):
    found = {}
    for precision in ("float32", "bfloat16"):
        network = network_of(changes)
        if kept:
            keep_statistics(network)
        found[precision] = steps(network, precision)
        assert {v.dtype for v in network.variables if "seed" not in v.path} == {"float32"}
        assert all(np.isfinite(v).all() for v in network.get_weights())
    assert found["bfloat16"] != found["float32"]
    assert found["bfloat16"] == pytest.approx(found["float32"], rel=0.03)


def test_outside_of_the_step_the_network_is_one_of_float32(tmp_path):
    network, plain = network_of(NETWORKS[0][0], 0.1), network_of(NETWORKS[0][0], 0.1)
    steps(network, "bfloat16", number=1)
    plain.set_weights(network.get_weights())
    images, _ = batch()
    with computing_in(network, "bfloat16"):
        assert not np.array_equal(network(images), plain(images))
    np.testing.assert_array_equal(network(images), plain(images))
    written = []
    for name, each in (("trained", network), ("plain", plain)):
        save_network(each, tmp_path / f"{name}.keras", InferenceSettings())
        written.append((tmp_path / f"{name}.keras").read_bytes())
    assert written[0] == written[1]
    with zipfile.ZipFile(tmp_path / "trained.keras") as file:
        assert b"bfloat16" not in file.read("config.json")
    np.testing.assert_array_equal(load_network(tmp_path / "trained.keras")(images), plain(images))


def test_statistics_stay_in_float32():
    """A mean of 200 and a spread of 1 are beyond bfloat16, whose steps are 1 at 200."""
    network = network_of(NETWORKS[0][0])
    seen = {}

    def watch(norm):
        take = norm.take

        def taken(mean, variance, count):
            seen[norm.path] = (mean.dtype, variance.dtype)
            take(mean, variance, count)

        object.__setattr__(norm, "take", taken)

    for layer in network._flatten_layers():
        if hasattr(layer, "take"):
            watch(layer)
    steps(network, "bfloat16", number=1)
    assert len(seen) > 40
    assert set(seen.values()) == {(tf.float32, tf.float32)}
