import keras
import numpy as np
import pytest
import tensorflow as tf

from roadshift.inference.segmenter import Segmenter
from roadshift.inference.test_time import BATCH_PIXELS, TentSegmenter, _batches, adapted_batch_norm
from roadshift.networks.batch_norm import (
    BatchNormalization,
    ConvBatchNorm,
    batch_norms,
    updating_batch_norms,
)
from roadshift.networks.build import build_network
from roadshift.networks.settings import InferenceSettings, ModelSettings
from roadshift.networks.statistics import recompute_statistics

UNET = ModelSettings(encoder="unet", weights="none", base_filters=4)
CLASSES = ("road", "sky", "car")
PLAIN = InferenceSettings()


def unet():
    return build_network(UNET, CLASSES, dropout=0.3, seed=1)


def frozen():
    """A network with frozen layers and frozen batch norms, as a pretrained encoder has."""
    inputs = keras.Input((None, None, 3))
    features = keras.layers.Rescaling(1 / 255)(inputs)
    for number, options in enumerate([{"trainable": False}, {"frozen_batch_norm": True}, {}]):
        features = ConvBatchNorm(8, 3, seed=number, **options)(features)
    kernel = keras.initializers.GlorotUniform(seed=9)
    return keras.Model(inputs, keras.layers.Conv2D(3, 1, kernel_initializer=kernel)(features))


def noise(seed=0, height=40, width=70):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def assert_same(one, other):
    np.testing.assert_array_equal(one.ids, other.ids)
    np.testing.assert_array_equal(one.confidence, other.confidence)


def snapshot(network):
    return {weight.path: weight.numpy() for weight in network.weights}


def changed(network, before):
    """Returns the last part of the path of every weight that changed by a bit."""
    return {w.path.split("/")[-1] for w in network.weights if not np.array_equal(w, before[w.path])}


@pytest.mark.parametrize("build", [unet, frozen])
def test_adabn_changes_statistics_alone_those_of_the_sources_and_gives_them_back(build):
    network = build()
    before = snapshot(network)
    with adapted_batch_norm(network, [noise(1), noise(2, 33, 40)], 0):
        assert changed(network, before) == {"moving_mean", "moving_variance"}
        for norm in batch_norms(network):
            kept = norm.frozen_batch_norm or not norm.trainable
            assert kept == np.array_equal(norm.moving_mean, before[norm.moving_mean.path])
    assert changed(network, before) == set()


def test_what_training_kept_or_froze_is_still_known_of_a_saved_network(tmp_path):
    network = frozen()
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert len(updating_batch_norms(loaded)) == len(updating_batch_norms(network)) == 1


def test_adabn_leaves_a_network_alone_on_what_its_statistics_are_of():
    network = frozen()
    norms = updating_batch_norms(network)
    sources = [noise(1), noise(2, 33, 40)]
    recompute_statistics(network, norms, _batches(sources, 0))
    plain = Segmenter(network, PLAIN)(noise(3))
    with adapted_batch_norm(network, sources, 0):
        assert_same(Segmenter(network, PLAIN)(noise(3)), plain)


def test_adabn_gives_the_statistics_back_after_an_error():
    network = unet()
    before = snapshot(network)
    with pytest.raises(KeyError), adapted_batch_norm(network, [noise()], 0):
        raise KeyError
    assert changed(network, before) == set()


def shift_network():
    """Tells light from dark pixels, if their mean is normalized away."""
    inputs = keras.Input((None, None, 3))
    features = BatchNormalization()(inputs)
    classifier = keras.layers.Conv2D(2, 1)
    outputs = classifier(features)
    classifier.set_weights([np.array([[[[-1.0, 1.0]] * 3]]), np.zeros(2)])
    return keras.Model(inputs, outputs)


def test_adabn_takes_a_shift_of_light_away_and_a_compiled_segmenter_sees_it():
    network = shift_network()
    segmenter = Segmenter(network, PLAIN)
    image = np.full((32, 32, 3), 180, np.uint8)
    image[:, 16:] = 200
    truth = (image[..., 0] > 190).astype(np.uint8)
    assert segmenter(image).ids.all()  # everything is light to it
    with adapted_batch_norm(network, [image], 0):
        np.testing.assert_array_equal(segmenter(image).ids, truth)
    assert segmenter(image).ids.all()


def test_batches_join_images_of_one_fitted_size_up_to_a_limit():
    small, large = (33, 40), (32, 64)
    found = [batch.shape[:3] for batch in _batches([noise(0, *s) for s in (
        small, (64, 64), large, large, small)], 0)]  # fmt: skip
    assert found == [(1, 32, 32), (1, 64, 64), (2, 32, 64), (1, 32, 32)]
    many = _batches([np.zeros((1024, 512, 3), np.uint8)] * 5, 0)
    assert [len(batch) for batch in many] == [BATCH_PIXELS // (1024 * 512), 1]


def test_images_are_scaled_down_as_for_scoring():
    (batch,) = _batches([noise(0, 128, 256)], 64)
    assert batch.shape == (1, 64, 128, 3)


def entropy(confidence):
    return -(confidence * np.log(confidence) + (1 - confidence) * np.log(1 - confidence)).mean()


@pytest.mark.slow
def test_tent_lowers_the_entropy_of_each_image_by_itself():
    network = build_network(UNET, CLASSES[:2], seed=1)  # two classes: confidence tells entropy
    image = noise(height=64, width=64)
    by_steps = [
        entropy(TentSegmenter(network, PLAIN, steps=steps, learning_rate=0.01)(image).confidence)
        for steps in (1, 5, 10)
    ]
    assert by_steps[0] > by_steps[1] > by_steps[2]


@pytest.mark.parametrize("build", [unet, frozen])
@pytest.mark.slow
def test_tent_leaves_the_network_as_it_was_and_no_trace_for_the_next_image(build):
    network = build()
    before, plain = snapshot(network), Segmenter(network, PLAIN)
    expected = plain(noise(1))
    tent = TentSegmenter(network, PLAIN, steps=2, learning_rate=0.01)
    alone = tent(noise(1))
    tent(noise(2, 64, 64))
    again = tent(noise(1))
    assert_same(alone, again)
    assert changed(network, before) == set()
    assert_same(plain(noise(1)), expected)
    assert not np.array_equal(alone.confidence, expected.confidence)


def test_tent_moves_scales_and_offsets_of_frozen_layers_too():
    network = frozen()
    tent = TentSegmenter(network, PLAIN, steps=1, learning_rate=0.01)
    seen: list[set[str]] = []
    before = snapshot(network)

    def spy(image):
        seen.append(changed(network, before))
        moved = [np.array_equal(n.gamma, before[n.gamma.path]) for n in batch_norms(network)]
        assert not any(moved)
        return image, image

    tent._segmenter = spy  # type: ignore[assignment]
    tent(noise())
    assert seen == [{"gamma", "beta"}]


def test_tent_normalizes_by_the_image():
    network = shift_network()
    image = np.full((32, 32, 3), 180, np.uint8)
    image[:, 16:] = 200
    found = TentSegmenter(network, PLAIN, steps=1, learning_rate=1e-6)(image)
    np.testing.assert_array_equal(found.ids, (image[..., 0] > 190).astype(np.uint8))


def test_the_entropy_is_the_mean_over_all_that_the_network_sees():
    seen = []

    class Spy(keras.layers.Layer):
        def call(self, inputs):
            tf.py_function(lambda x: seen.append(x.numpy()), [inputs], [])
            return inputs

    inputs = keras.Input((None, None, 3))
    light = keras.layers.Rescaling(1 / 255)(inputs)
    network = keras.Model(inputs, Spy()(BatchNormalization()(light)))
    tent = TentSegmenter(network, PLAIN, steps=1, learning_rate=1e-6)
    image = noise(3, 33, 40)
    found = float(tent._step(image))
    probability = tf.nn.softmax(seen[0]).numpy().astype(np.float64)
    assert found == pytest.approx(-(probability * np.log(probability)).sum(-1).mean(), rel=1e-4)
