from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from roadshift.errors import RoadshiftError
from roadshift.networks.batch_norm import batch_norms
from roadshift.networks.build import (
    build_network,
    check_classes,
    class_names_of,
    pretrained_variables,
    taxonomy_of,
)
from roadshift.networks.decoder import Upsampling
from roadshift.networks.files import save_network
from roadshift.networks.settings import InferenceSettings, ModelSettings

CLASSES = ("road", "sky", "car")
RANDOM = ModelSettings(weights="none", decoder_channels=16)
UNET = ModelSettings(encoder="unet", weights="none", base_filters=4)
MOBILENET = ModelSettings(encoder="mobilenet_v2", weights="none", decoder_channels=16)


def images(height=64, width=96):
    shape = (2, height, width, 3)
    return np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)


def assert_same_weights(first, second):
    for one, other in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)


@pytest.mark.parametrize("settings", [RANDOM, UNET, MOBILENET], ids=lambda s: s.encoder)
def test_logits_have_the_size_of_the_images(settings):
    network = build_network(settings, CLASSES, dropout=0.1)
    assert network.output_shape == (None, None, None, 3)
    for size in [(64, 96), (32, 32)]:
        logits = network(images(*size))
        assert logits.shape == (2, *size, 3)
        assert logits.dtype == tf.float32


@pytest.mark.parametrize("settings", [RANDOM, UNET], ids=lambda s: s.encoder)
def test_a_seed_makes_the_weights(settings):
    first, second = (build_network(settings, CLASSES, dropout=0.1, seed=3) for _ in range(2))
    assert_same_weights(first, second)
    other = build_network(settings, CLASSES, dropout=0.1, seed=4)
    kernels = [w for w in first.weights if w.name == "kernel"]
    others = [w for w in other.weights if w.name == "kernel"]
    assert len(kernels) > 10
    assert not any(np.array_equal(a, b) for a, b in zip(kernels, others, strict=True))


def test_random_activations_keep_their_scale():
    network = build_network(RANDOM, CLASSES)
    network(images(), training=True)
    deep = keras.Model(network.inputs, network.get_layer("encoder_block15_project").output)
    assert 0.1 < float(tf.math.reduce_std(deep(images(), training=True))) < 10


def test_every_trainable_variable_has_a_gradient():
    network = build_network(ModelSettings(decoder_channels=16), CLASSES)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network(images(), training=True) ** 2)
    for variable, gradient in zip(
        network.trainable_variables,
        tape.gradient(loss, [v.value for v in network.trainable_variables]),
        strict=True,
    ):
        assert np.any(gradient), variable.path


@pytest.mark.parametrize(
    ("frozen_stages", "first"), [(0, "stem"), (1, "block0"), (3, "block3"), (7, "block15")]
)
def test_freeze_spares_the_first_stages(frozen_stages, first):
    network = build_network(
        ModelSettings(frozen_stages=frozen_stages, decoder_channels=16), CLASSES
    )
    trained = [v.path.split("/")[0] for v in network.trainable_variables]
    assert trained[0].startswith(f"encoder_{first}")
    assert any(name == "classifier" for name in trained)


def test_a_network_from_scratch_trains_all_its_stages():
    network = build_network(
        ModelSettings(weights="none", frozen_stages=3, decoder_channels=16), CLASSES
    )
    assert network.trainable_variables[0].path.startswith("encoder_stem")
    assert not pretrained_variables(network, ModelSettings(weights="none"))


def test_pretrained_variables_are_the_encoder_s_trainable_ones():
    settings = ModelSettings(frozen_stages=3, decoder_channels=16)
    network = build_network(settings, CLASSES)
    slow = pretrained_variables(network, settings)
    assert {v.path.split("_")[0] for v in slow} == {"encoder"}
    others = [v for v in network.trainable_variables if id(v) not in {id(s) for s in slow}]
    assert not any(v.path.startswith("encoder") for v in others)


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        (ModelSettings(decoder_channels=16), True),
        (ModelSettings(decoder_channels=16, frozen_batch_norm=False), False),
        (RANDOM, False),
    ],
)
def test_only_a_pretrained_encoder_keeps_statistics(settings, kept):
    network = build_network(settings, CLASSES)
    before = [layer.moving_mean.numpy() for layer in batch_norms(network)]
    network(images(), training=True)
    after = [layer.moving_mean.numpy() for layer in batch_norms(network)]
    moved = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    encoder = 48  # stem, 15 expansions, 16 depthwise, 16 projections
    assert moved[:encoder] == [not kept] * encoder
    assert all(moved[encoder:])


def test_unet_has_the_parameters_of_the_original():
    # The course's notebook prints these for 30 classes: all parameters, and the trained ones.
    network = build_network(
        ModelSettings(encoder="unet", weights="none"), [str(i) for i in range(30)], dropout=0.1
    )
    state = sum(v.shape[0] for v in network.weights if "seed" in v.path)
    assert network.count_params() - state in (2_168_926, 2_168_926 - state)
    assert sum(int(np.prod(w.shape)) for w in network.trainable_weights) == 2_165_982


def test_upsampling_by_two_in_numbers():
    ramp = tf.constant([[[[0.0], [4.0]]]])
    expected = [0.0, 1.0, 3.0, 4.0]  # half-pixel centers, clamped at the borders
    assert Upsampling(2)(ramp)[0, :, :, 0].numpy().tolist() == [expected, expected]


def test_classes_travel_with_the_network():
    network = build_network(RANDOM, CLASSES, taxonomy="driving8")
    assert class_names_of(network) == CLASSES
    assert taxonomy_of(network) == "driving8"
    check_classes(network, Path("m.keras"), taxonomy="driving8", class_names=CLASSES)
    with pytest.raises(RoadshiftError, match="train it again"):
        check_classes(network, Path("m.keras"), taxonomy="driving8", class_names=CLASSES[::-1])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    network = build_network(RANDOM, CLASSES, seed=1)
    path = tmp_path_factory.mktemp("weights") / "trained.keras"
    save_network(network, path, InferenceSettings())
    return network, path


@pytest.mark.slow
def test_a_file_of_the_same_network_gives_all_weights(trained):
    source, path = trained
    settings = RANDOM.model_copy(update={"weights": str(path)})
    assert_same_weights(build_network(settings, CLASSES, seed=2), source)


def test_a_file_of_other_classes_gives_the_encoder(trained):
    source, path = trained
    settings = RANDOM.model_copy(update={"weights": str(path)})
    network = build_network(settings, ("road", "sky"), seed=2)
    ours, theirs = (
        {w.path: w.numpy() for w in n.weights if w.path.startswith("encoder_")}
        for n in (network, source)
    )
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[path], theirs[path]) for path in ours)
    lateral = "decoder_lateral32"
    assert not np.array_equal(network.get_layer(lateral).kernel, source.get_layer(lateral).kernel)


def test_a_file_of_another_encoder_is_refused(trained):
    _, path = trained
    settings = MOBILENET.model_copy(update={"weights": str(path)})
    with pytest.raises(RoadshiftError, match=r"trained\.keras: its encoder is not mobilenet_v2"):
        build_network(settings, CLASSES)


def test_a_missing_weights_file_is_named():
    with pytest.raises(RoadshiftError, match=r"nowhere\.keras, but there is no such file"):
        build_network(ModelSettings(weights="nowhere.keras"), CLASSES)
