import keras
import numpy as np
import pytest
import tensorflow as tf

from roadshift.augment.regions import mix_classes
from roadshift.training.checkpoint import Checkpoint
from roadshift.training.loop import train
from roadshift.training.self_training import SelfTraining, Unlabelled
from roadshift.training.settings import RegSettings, SelfTrainingSettings, TrainSettings

CLASSES = 3


def linear():
    """Logits are a linear function of the colours: red, green and blue stand for the classes."""
    pictures = keras.Input((None, None, 3))
    network = keras.Model(pictures, keras.layers.Conv2D(CLASSES, 1, name="classifier")(pictures))
    network.set_weights([np.eye(3, dtype=np.float32)[None, None], np.zeros(3, np.float32)])
    return network


def one_hot_picture(classes, strength):
    """A picture whose pixels are coloured by class."""
    return np.eye(3, dtype=np.float32)[classes] * strength


def unlabelled(pictures, shown=None):
    count = len(pictures)
    return Unlabelled(
        tf.constant(pictures),
        tf.constant(pictures + 100),
        tf.constant(np.ones(pictures.shape[:3], bool) if shown is None else shown),
        tf.constant(np.arange(2 * count).reshape(count, 2), tf.int64),
    )


def self_training(threshold=0.9, ema=0.99):
    network = linear()
    settings = SelfTrainingSettings(weight=1.0, threshold=threshold, ema=ema)
    return network, SelfTraining(network, linear(), settings)


def test_the_teacher_labels_and_half_of_the_sources_classes_are_pasted():
    classes = np.random.default_rng(0).integers(0, CLASSES, (2, 8, 8))
    # Softmax of (10, 0, 0) is 0.9999, of (1, 0, 0) 0.58: the rows above count as sure.
    strength = np.where(np.arange(8) < 6, 10, 1)[None, :, None, None]
    target = unlabelled((one_hot_picture(classes, 1) * strength).astype(np.float32))
    images = np.full((2, 8, 8, 3), 7, np.float32)
    labels = np.tile(np.array([0, 1], np.uint8).repeat(4), (2, 8, 1))
    _, trained = self_training()
    mixed = trained.mix(tf.constant(images), tf.constant(labels), target)
    for k in range(2):
        image, label, mask = mix_classes(
            target.strong[k], tf.constant(classes[k], tf.uint8), images[k], labels[k],
            target.keys[k],
        )  # fmt: skip
        np.testing.assert_array_equal(mixed.images[k], image)
        np.testing.assert_array_equal(mixed.labels[k], label)
        # One of the two classes, each of which is half of the source's picture.
        assert np.count_nonzero(mask) == 32
        np.testing.assert_allclose(mixed.confidence[k], np.where(mask, 1, 0.75))
        kept = ~mask.numpy()
        np.testing.assert_array_equal(mixed.labels[k].numpy()[kept], classes[k][kept])


def test_what_the_picture_does_not_show_is_ignored_and_not_part_of_the_share():
    classes = np.zeros((1, 4, 4), int)
    strength = np.where(np.arange(4) < 2, 10, 1)[None, :, None, None]
    shown = np.ones((1, 4, 4), bool)
    shown[:, :, 2:] = False
    shown[:, 3] = False
    target = unlabelled((one_hot_picture(classes, 1) * strength).astype(np.float32), shown)
    nothing = tf.constant(np.full((1, 4, 4), 255, np.uint8))
    _, trained = self_training()
    mixed = trained.mix(tf.zeros((1, 4, 4, 3)), nothing, target)
    np.testing.assert_array_equal(mixed.labels.numpy() == 255, ~shown)
    # Rows 0 to 2 are shown, of which 0 and 1 are sure.
    np.testing.assert_allclose(mixed.confidence, 2 / 3, rtol=1e-6)


def test_the_sources_take_turns():
    images = tf.constant(np.arange(6, dtype=np.float32).repeat(12).reshape(6, 2, 2, 3))
    labels = tf.zeros((6, 2, 2), tf.uint8)
    target = unlabelled(np.zeros((3, 2, 2, 3), np.float32))
    _, trained = self_training()
    # The one class that a source shows is pasted, all over the picture.
    mixed = trained.mix(images, labels, target)
    assert mixed.images[:, 0, 0, 0].numpy().tolist() == [0, 2, 4]
    fewer = trained.mix(images[:2], labels[:2], target)
    assert fewer.images[:, 0, 0, 0].numpy().tolist() == [0, 1, 0]


@pytest.mark.parametrize("ema", [0.5, 0.15])
def test_the_teacher_is_the_closed_form_of_the_average(ema):
    network, trained = self_training(ema=ema)
    start, average = np.eye(3), np.eye(3)
    kernel = network.get_layer("classifier").kernel
    for t in range(1, 6):
        kernel.assign((start * (t + 1))[None, None].astype(np.float32))
        trained.update()
        decay = min(ema, (1 + t) / (10 + t))
        average = decay * average + (1 - decay) * start * (t + 1)
    (teacher,) = [v for v in trained.variables if v.shape == (1, 1, 3, 3)]
    np.testing.assert_allclose(teacher.numpy()[0, 0], average, rtol=1e-5)
    np.testing.assert_allclose(kernel.numpy()[0, 0], start * 6)


SCHEDULE = TrainSettings(
    epochs=4, steps_per_epoch=2, batch_size=2, crop_height=32, crop_width=32, learning_rate=0.05,
    encoder_lr_factor=1.0, class_weighting=0.0, warmup_epochs=0.0, clip_norm=1.0,
)  # fmt: skip
REG = RegSettings(dropout=0.0, l1=0.0, l2=0.0, weight_decay=0.0, label_smoothing=0.0)


class Killed(BaseException):
    pass


def draw_batches(epoch):
    """Sources whose classes are colours, and unlabelled pictures in other colours."""
    generator = np.random.default_rng(0)
    classes = generator.integers(0, CLASSES, (20, 2, 8, 8))
    others = generator.integers(0, CLASSES, (20, 2, 8, 8))
    elements = (
        one_hot_picture(classes, 1).astype(np.float32),
        classes.astype(np.uint8),
        one_hot_picture(others, 2).astype(np.float32),
        one_hot_picture(others, 3).astype(np.float32),
        np.ones(others.shape, bool),
        generator.integers(0, 99, (20, 2, 2)),
    )
    return tf.data.Dataset.from_tensor_slices(elements).skip(epoch * SCHEDULE.steps_per_epoch)


def trained_by(settings, folder=None, killed_in=None):
    """The kernel at the end of each epoch of a training, and at its end."""
    network, kernels = linear(), []
    teacher = SelfTraining(network, linear(), settings) if settings.weight else None

    def validate():
        kernels.append(network.get_weights()[0])
        if len(kernels) == killed_in:
            raise Killed
        return {"a": 0.1 * len(kernels)}

    checkpoint = Checkpoint(folder, "one") if folder else None
    train(
        network, draw_batches, validate, SCHEDULE, REG, [], None, lambda epoch: None, "test",
        checkpoint, teacher,
    )  # fmt: skip
    return kernels


def test_the_loss_on_pictures_without_labels_begins_after_the_warm_up():
    plain = trained_by(SelfTrainingSettings(weight=0.0))
    adapted = trained_by(SelfTrainingSettings(weight=1.0, warmup_epochs=2.0, threshold=0.3))
    for epoch in (0, 1):
        np.testing.assert_array_equal(plain[epoch], adapted[epoch])
    for epoch in (2, 3):
        assert np.abs(plain[epoch] - adapted[epoch]).max() > 1e-4


def test_an_interrupted_self_training_ends_in_the_same_weights(tmp_path):
    settings = SelfTrainingSettings(weight=1.0, warmup_epochs=1.0, threshold=0.3, ema=0.6)
    whole = trained_by(settings)
    with pytest.raises(Killed):
        trained_by(settings, tmp_path / "kept", killed_in=3)
    resumed = trained_by(settings, tmp_path / "kept")
    assert len(resumed) == 2
    np.testing.assert_array_equal(resumed[-1], whole[-1])
