import keras
import numpy as np
import pytest
import tensorflow as tf

from roadshift.networks.batch_norm import (
    BatchNormalization,
    NormalizedConvolution,
    learning_normalizations,
    normalizations,
)
from roadshift.networks.network import build_network
from roadshift.networks.settings import ModelSettings
from roadshift.networks.statistics import recompute_statistics
from roadshift.scoring.adaptation import BATCH_PIXELS, TentSegmenter, _batches, adapted_statistics
from roadshift.scoring.inference import Segmenter

UNET = ModelSettings(encoder="unet", weights="none", base_filters=4)
CLASSES = ("road", "sky", "car")


def unet():
    return build_network(UNET, CLASSES, dropout=0.3, seed=1)


def frozen():
    """A network with what a pretrained encoder has: layers that are kept, and ones not trained."""
    inputs = keras.Input((None, None, 3))
    features = keras.layers.Rescaling(1 / 255)(inputs)
    for number, options in enumerate([{"trainable": False}, {"keep_statistics": True}, {}]):
        features = NormalizedConvolution(8, 3, seed=number, **options)(features)
    kernel = keras.initializers.GlorotUniform(seed=9)
    return keras.Model(inputs, keras.layers.Conv2D(3, 1, kernel_initializer=kernel)(features))


def picture(seed=0, height=40, width=70):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def snapshot(network):
    return {weight.path: weight.numpy() for weight in network.weights}


def changed(network, before):
    """The last part of the path of every weight that is not what it was, to the bit."""
    return {w.path.split("/")[-1] for w in network.weights if not np.array_equal(w, before[w.path])}


@pytest.mark.parametrize("build", [unet, frozen])
def test_adabn_changes_statistics_alone_those_of_the_sources_and_gives_them_back(build):
    network = build()
    before = snapshot(network)
    with adapted_statistics(network, [picture(1), picture(2, 33, 40)], 0):
        assert changed(network, before) == {"moving_mean", "moving_variance"}
        for norm in normalizations(network):
            kept = norm.keep_statistics or not norm.trainable
            assert kept == np.array_equal(norm.moving_mean, before[norm.moving_mean.path])
    assert changed(network, before) == set()


def test_what_training_kept_or_froze_is_still_known_of_a_saved_network(tmp_path):
    network = frozen()
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert len(learning_normalizations(loaded)) == len(learning_normalizations(network)) == 1


def test_adabn_leaves_a_network_alone_on_what_its_statistics_are_of():
    network = frozen()
    norms = learning_normalizations(network)
    sources = [picture(1), picture(2, 33, 40)]
    recompute_statistics(network, norms, _batches(sources, 0))
    plain = Segmenter(network, 0)(picture(3))
    with adapted_statistics(network, sources, 0):
        for one, other in zip(Segmenter(network, 0)(picture(3)), plain, strict=True):
            np.testing.assert_array_equal(one, other)


def test_adabn_gives_the_statistics_back_after_an_error():
    network = unet()
    before = snapshot(network)
    with pytest.raises(KeyError), adapted_statistics(network, [picture()], 0):
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
    segmenter = Segmenter(network, 0)
    image = np.full((32, 32, 3), 180, np.uint8)
    image[:, 16:] = 200
    truth = (image[..., 0] > 190).astype(np.uint8)
    assert segmenter(image)[0].all()  # everything is light to it
    with adapted_statistics(network, [image], 0):
        np.testing.assert_array_equal(segmenter(image)[0], truth)
    assert segmenter(image)[0].all()


def test_batches_join_pictures_of_one_fitted_size_up_to_a_limit():
    small, large = (33, 40), (32, 64)
    found = [batch.shape[:3] for batch in _batches([picture(0, *s) for s in (
        small, (64, 64), large, large, small)], 0)]  # fmt: skip
    assert found == [(1, 32, 32), (1, 64, 64), (2, 32, 64), (1, 32, 32)]
    many = _batches([np.zeros((1024, 512, 3), np.uint8)] * 5, 0)
    assert [len(batch) for batch in many] == [BATCH_PIXELS // (1024 * 512), 1]


def test_pictures_are_scaled_down_as_for_scoring():
    (batch,) = _batches([picture(0, 128, 256)], 64)
    assert batch.shape == (1, 64, 128, 3)


def entropy(confidence):
    return -(confidence * np.log(confidence) + (1 - confidence) * np.log(1 - confidence)).mean()


def test_tent_lowers_the_entropy_of_each_picture_by_itself():
    network = build_network(UNET, CLASSES[:2], seed=1)  # two classes: confidence tells entropy
    image = picture(height=64, width=64)
    by_steps = [entropy(TentSegmenter(network, 0, s, 0.01)(image)[1]) for s in (1, 5, 10)]
    assert by_steps[0] > by_steps[1] > by_steps[2]


@pytest.mark.parametrize("build", [unet, frozen])
def test_tent_leaves_the_network_as_it_was_and_no_trace_for_the_next_picture(build):
    network = build()
    before, plain = snapshot(network), Segmenter(network, 0)
    expected = plain(picture(1))
    tent = TentSegmenter(network, 0, 2, 0.01)
    alone = tent(picture(1))
    tent(picture(2, 64, 64))
    again = tent(picture(1))
    for one, other in zip(alone, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert changed(network, before) == set()
    for one, other in zip(plain(picture(1)), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(alone[1], expected[1])


def test_tent_moves_scales_and_offsets_of_frozen_layers_too():
    network = frozen()
    tent = TentSegmenter(network, 0, 1, 0.01)
    seen: list[set[str]] = []
    before = snapshot(network)

    def spy(image):
        seen.append(changed(network, before))
        moved = [np.array_equal(n.gamma, before[n.gamma.path]) for n in normalizations(network)]
        assert not any(moved)
        return image, image

    tent._segmenter = spy  # type: ignore[assignment]
    tent(picture())
    assert seen == [{"gamma", "beta"}]


def test_tent_normalizes_by_the_picture():
    network = shift_network()
    image = np.full((32, 32, 3), 180, np.uint8)
    image[:, 16:] = 200
    prediction, _ = TentSegmenter(network, 0, 1, 1e-6)(image)
    np.testing.assert_array_equal(prediction, (image[..., 0] > 190).astype(np.uint8))


def test_the_entropy_is_the_mean_over_all_that_the_network_sees():
    seen = []

    class Spy(keras.layers.Layer):
        def call(self, inputs):
            tf.py_function(lambda x: seen.append(x.numpy()), [inputs], [])
            return inputs

    inputs = keras.Input((None, None, 3))
    light = keras.layers.Rescaling(1 / 255)(inputs)
    network = keras.Model(inputs, Spy()(BatchNormalization()(light)))
    tent = TentSegmenter(network, 0, 1, 1e-6)
    image = picture(3, 33, 40)
    found = float(tent._step(image))
    probability = tf.nn.softmax(seen[0]).numpy().astype(np.float64)
    assert found == pytest.approx(-(probability * np.log(probability)).sum(-1).mean(), rel=1e-4)
