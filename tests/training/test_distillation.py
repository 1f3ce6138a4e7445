import keras
import numpy as np
import pytest
import tensorflow as tf

from roadshift.determinism import enable_determinism
from roadshift.networks.batch_norm import ConvBatchNorm, batch_norms
from roadshift.training.distillation import (
    Crops,
    DistillationSettings,
    confidence_weights,
    crop_size,
    distil,
    draw_crops,
    ensemble_probabilities,
    soft_cross_entropy,
)

SETTINGS = DistillationSettings(
    steps=12, batch_size=2, learning_rate=0.05, threshold=0.0, max_height=0, seed=0
)


def softmax(logits):
    powers = np.exp(logits)
    return powers / powers.sum(-1, keepdims=True)


def network(seed=0, frozen=False):
    """Three classes from the colours by a normalized convolution, with dropout behind it."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((None, None, 3))
    norm = ConvBatchNorm(6, 1, seed=seed, frozen_batch_norm=frozen, name="normalized")
    dropped = keras.layers.Dropout(0.5, seed=seed)(norm(images / 255))
    return keras.Model(images, keras.layers.Conv2D(3, 1, name="classifier")(dropped))


def constant(*logits):
    """A network that gives every pixel the same logits."""
    images = keras.Input((None, None, 3))
    layer = keras.layers.Conv2D(len(logits), 1)
    found = keras.Model(images, layer(images))
    layer.set_weights([np.zeros((1, 1, 3, len(logits))), np.array(logits)])
    return found


def sharp():
    """A network whose classes are red, green and blue, and which is sure of them."""
    images = keras.Input((None, None, 3))
    layer = keras.layers.Conv2D(3, 1)
    found = keras.Model(images, layer(images))
    layer.set_weights([np.eye(3)[None, None] / 20, np.zeros(3)])
    return found


def images(number, height=40, width=72):
    generator = np.random.default_rng(number)
    blocks = generator.integers(0, 256, (-(-height // 8), -(-width // 8), 3)).astype(np.uint8)
    return blocks.repeat(8, 0).repeat(8, 1)[:height, :width]


def crops(settings=SETTINGS, size=(32, 64), names=("a", "b", "c")):
    return draw_crops(names, lambda name: images(ord(name)), size, settings)


def test_the_target_is_the_mean_of_the_probabilities_not_of_the_logits():
    found = ensemble_probabilities([constant(4, 0, 0), constant(0, 0, 1)], tf.zeros((1, 32, 64, 3)))
    expected = (softmax(np.array([4.0, 0, 0])) + softmax(np.array([0.0, 0, 1]))) / 2
    np.testing.assert_allclose(found, np.broadcast_to(expected, (1, 32, 64, 3)), rtol=1e-5)


def test_a_mirrored_view_is_turned_back():
    """Left is red, right is green; a network of the colours must not mix them up."""
    image = np.zeros((1, 64, 128, 3), np.float32)
    image[:, :, :64, 0] = image[:, :, 64:, 1] = 255
    found = ensemble_probabilities([sharp()], tf.constant(image)).numpy()
    assert found[0, :, :56, 0].min() > 0.99
    assert found[0, :, 72:, 1].min() > 0.99


def test_pixels_below_the_threshold_or_outside_carry_no_gradient():
    generator = np.random.default_rng(0)
    target = softmax(3 * generator.normal(size=(2, 8, 8, 3))).astype(np.float32)
    shown = np.ones((2, 8, 8), bool)
    shown[:, :2] = False
    weights = confidence_weights(tf.constant(target), tf.constant(shown), 0.7)
    counted = shown & (target.max(-1) >= 0.7)
    np.testing.assert_array_equal(weights, np.where(counted, target.max(-1), 0))
    logits = tf.constant(generator.normal(size=target.shape).astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = soft_cross_entropy(tf.constant(target), logits, weights)
    gradient = np.abs(tape.gradient(loss, logits)).sum(-1)
    assert 0 < counted.sum() < counted.size
    np.testing.assert_array_equal(gradient > 0, counted)


def test_the_loss_is_the_weighed_mean_of_the_cross_entropies():
    target = np.array([[[[0.9, 0.1], [0.6, 0.4]]]], np.float32)
    logits = np.log(np.array([[[[0.5, 0.5], [0.2, 0.8]]]], np.float32))
    each = -(target * np.log([[0.5, 0.5], [0.2, 0.8]])).sum(-1)[0, 0]
    loss = soft_cross_entropy(target, logits, np.array([[[0.9, 0.6]]], np.float32))
    assert float(loss) == pytest.approx((0.9 * each[0] + 0.6 * each[1]) / 1.5, rel=1e-5)


def test_without_a_sure_pixel_nothing_is_learned():
    student = network()
    before = student.get_weights()
    settings = DistillationSettings(**(vars(SETTINGS) | {"threshold": 0.99}))
    results = distil(student, [constant(0, 0, 0)], crops(settings), settings)
    assert [(each.loss, each.counted) for each in results] == [(0, 0)] * SETTINGS.steps
    for old, new in zip(before, student.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("frozen", [False, True])
def test_the_loss_falls_and_the_statistics_stay(frozen):
    student, teacher = network(frozen=frozen), sharp()
    (norm,) = batch_norms(student)
    norm.moving_mean.assign(np.linspace(-0.1, 0.1, 6))
    (mean, variance), kernel = norm.get_weights()[2:], student.get_weights()[0]
    told = list[float]()
    results = distil(student, [teacher], crops(), SETTINGS, told.append)
    losses = [each.loss for each in results]
    assert told == losses
    assert np.mean(losses[-4:]) < 0.9 * np.mean(losses[:4])
    np.testing.assert_array_equal(norm.get_weights()[2:], [mean, variance])
    assert np.abs(student.get_weights()[0] - kernel).max() > 1e-3


def test_teachers_stay_as_they_are():
    teacher = network(seed=5)
    before = teacher.get_weights()
    distil(network(), [teacher], crops(), SETTINGS)
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_same_seed_gives_the_same_weights():
    found = []
    for seed in (0, 0, 1):
        enable_determinism(seed)
        settings = DistillationSettings(**(vars(SETTINGS) | {"seed": seed}))
        student = network()
        distil(student, [network(seed=5)], crops(settings), settings)
        found.append(np.concatenate([weight.ravel() for weight in student.get_weights()]))
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 0


def test_a_pass_shows_every_image_once_in_an_order_of_its_own():
    read = []

    def remember(name):
        read.append(name)
        return images(1)

    settings = DistillationSettings(**(vars(SETTINGS) | {"batch_size": 4}))
    drawn = draw_crops("abcdefgh", remember, (32, 64), settings)
    for _ in range(4):
        batch = next(drawn)
    assert {*read[:8]} == {*read[8:]} == {*"abcdefgh"}
    assert read[:8] != read[8:]
    assert batch.weak.shape == batch.strong.shape == (4, 32, 64, 3)


def test_both_crops_show_the_same_place():
    """Other colours keep edges where they are; where nothing is shown is told."""
    left = np.zeros((40, 72, 3), np.uint8)
    left[:, :30] = 255
    drawn = draw_crops("a", lambda name: left, (32, 64), SETTINGS)
    for _ in range(4):
        weak, strong, shown = (column.numpy() for column in Crops(*next(drawn)))
        bright, others = (each.mean(-1)[shown] for each in (weak, strong))
        assert shown.any()
        if bright.std() > 20:
            assert np.corrcoef(bright, others)[0, 1] > 0.9


@pytest.mark.parametrize(
    ("sizes", "max_height", "expected"),
    [
        ([(160, 256)], 0, (160, 256)),
        ([(1080, 1920)], 0, (256, 512)),
        ([(400, 500), (100, 1000)], 200, (192, 512)),
        ([(20, 30)], 0, (32, 32)),
    ],
)
def test_crops_fit_into_the_images(sizes, max_height, expected):
    assert crop_size(sizes, max_height) == expected
