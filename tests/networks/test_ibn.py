import keras
import numpy as np
import pytest
import tensorflow as tf

from roadshift.networks.batch_norm import ConvBatchNorm, batch_statistics
from roadshift.networks.build import build_network
from roadshift.networks.files import load_network, save_network
from roadshift.networks.ibn import IBNConv
from roadshift.networks.settings import InferenceSettings, ModelSettings

CLASSES = ("road", "sky")


def features(seed=0):
    return tf.constant(np.random.default_rng(seed).normal(1, 2, (3, 8, 10, 4)).astype(np.float32))


def layers(filters, **kwargs):
    """An instance-batch convolution and a plain one of the same weights."""
    both = [kind(filters, 1, relu6=False, seed=3, **kwargs) for kind in (IBNConv, ConvBatchNorm)]
    for layer in both:
        layer(features())
        generator = np.random.default_rng(1)
        statistics = [generator.normal(size=filters), generator.uniform(0.5, 2, filters)]
        layer.norm.set_weights([np.arange(1.0, filters + 1), np.full(filters, 0.5), *statistics])
    return both


@pytest.mark.parametrize("filters", [6, 7])
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_half_is_normalized_by_image_and_half_as_ever(filters, keep, training):
    ours, plain = layers(filters, frozen_batch_norm=keep)
    found, expected = (layer(features(), training=training).numpy() for layer in (ours, plain))
    half = found.shape[-1] // 2
    np.testing.assert_allclose(found[..., half:], expected[..., half:], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[..., :half].mean((1, 2)), 0.5, atol=1e-4)
    deviation = found[..., :half].std((1, 2))
    np.testing.assert_allclose(deviation, [range(1, half + 1)] * 3, rtol=2e-3)


def run(layer, inputs, training=True):
    """Returns outputs, moving statistics and the gradients of a sum that hides no error of sign."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=training)
        loss = tf.reduce_sum(outputs * np.random.default_rng(9).normal(size=outputs.shape))
    trained = {v.name: v.value for v in layer.trainable_variables}
    found = tape.gradient(loss, {"inputs": inputs, **trained}) | {"outputs": outputs}
    return found | {v.name: v.value for v in layer.non_trainable_variables}


@pytest.mark.parametrize("keep", [True, False])
def test_folding_it_into_a_kernel_for_each_image_changes_no_gradient(keep):
    ours, plain = layers(6, frozen_batch_norm=keep)

    class Unfolded(keras.layers.Layer):
        """The definition: convolve, normalize twice, join."""

        def __init__(self):
            super().__init__()
            self.kernel, self.norm = plain.kernel, plain.norm

        def call(self, inputs, training=None):
            outputs = tf.nn.conv2d(inputs, self.kernel.value, 1, "SAME")
            mean, variance = tf.nn.moments(outputs[..., :3], [1, 2], keepdims=True)
            by_instance = (outputs[..., :3] - mean) / tf.sqrt(variance + 1e-3)
            by_instance = by_instance * self.norm.gamma[:3] + self.norm.beta[:3]
            by_batch = self.norm(outputs, training=training)
            return tf.concat([by_instance, by_batch[..., 3:]], -1)

    found, expected = run(ours, features()), run(Unfolded(), features())
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        atol = 1e-4 * np.abs(value).max()
        np.testing.assert_allclose(found[name], value, rtol=0, atol=atol, err_msg=name)


def test_contrast_and_brightness_of_an_image_leave_its_instance_half_as_it_is():
    layer, _ = layers(6, frozen_batch_norm=True)
    layer.kernel.assign(layer.kernel.numpy() * 100.0)  # far above epsilon
    one, other = (layer(x).numpy() for x in (features(), 3 * features() + 5))
    np.testing.assert_allclose(one[..., :3], other[..., :3], atol=1e-3)
    assert not np.allclose(one[..., 3:], other[..., 3:], atol=1.0)


def test_its_batch_statistics_are_seen_by_an_observer():
    ours, plain = layers(6, frozen_batch_norm=True)
    seen = []
    for layer in (ours, plain):
        with batch_statistics([layer.norm], lambda _, *found: seen.append(found)):
            layer(features(), training=False)
    for one, other in zip(*seen, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)


@pytest.mark.parametrize(("stages", "blocks"), [(0, []), (1, [1, 2]), (3, [1, 2, 3, 4, 5, 6, 7])])
def test_the_first_stages_have_it_in_their_expansions(stages, blocks):
    network = build_network(
        ModelSettings(weights="none", decoder_channels=16, ibn_stages=stages), CLASSES
    )
    names = [layer.name for layer in network.layers if isinstance(layer, IBNConv)]
    assert names == [f"encoder_block{block}_expand" for block in blocks]


def test_it_is_for_convolutions_of_single_places():
    with pytest.raises(ValueError, match="size 3, stride 1: both must be 1"):
        IBNConv(6, 3)


def test_pretrained_weights_fit_and_the_network_is_read_back(tmp_path):
    plain = build_network(ModelSettings(decoder_channels=16), CLASSES)
    network = build_network(ModelSettings(decoder_channels=16, ibn_stages=3), CLASSES)
    for one, other in zip(plain.weights, network.weights, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=one.path)
    path = tmp_path / "ibn.keras"
    save_network(network, path, InferenceSettings())
    images = np.random.default_rng(0).uniform(0, 255, (1, 32, 64, 3)).astype(np.float32)
    np.testing.assert_array_equal(load_network(path)(images), network(images))
    assert not np.allclose(network(images), plain(images))
