import keras
import numpy as np
import pytest
import tensorflow as tf

from roadshift.determinism import enable_determinism
from roadshift.input_pipeline.batches import PSEUDO_LABEL_ID
from roadshift.networks.batch_norm import ConvBatchNorm
from roadshift.training.adapt_settings import SelfTrainingSettings
from roadshift.training.checkpoint import Checkpoint
from roadshift.training.history import Validation
from roadshift.training.loop import train
from roadshift.training.self_training import SelfTraining, UnlabelledBatch
from roadshift.training.settings import RegSettings, TrainSettings

CLASSES = 3


def linear():
    """A network whose logits are the colours: red, green and blue stand for the classes."""
    images = keras.Input((None, None, 3))
    network = keras.Model(images, keras.layers.Conv2D(CLASSES, 1, name="classifier")(images))
    network.set_weights([np.eye(3, dtype=np.float32)[None, None], np.zeros(3, np.float32)])
    return network


def one_hot_image(classes, strength):
    """An image whose pixels are coloured by class."""
    return np.eye(3, dtype=np.float32)[classes] * strength


def unlabelled(images, labels=None, shown=None):
    size = images.shape[:3]
    return UnlabelledBatch(
        tf.constant(images),
        tf.constant(np.ones(size, bool) if shown is None else shown),
        tf.constant(images + 100),
        tf.constant(np.full(size, PSEUDO_LABEL_ID, np.uint8) if labels is None else labels),
    )


def self_training(threshold=0.9, ema=0.99):
    network = linear()
    settings = SelfTrainingSettings(weight=1.0, threshold=threshold, teacher_ema_decay=ema)
    return network, SelfTraining(network, linear(), settings)


def test_the_teacher_labels_what_is_not_pasted():
    classes = np.random.default_rng(0).integers(0, CLASSES, (2, 8, 8))
    # Softmax of (10, 0, 0) is 0.9999, of (1, 0, 0) 0.58: the rows above count as sure.
    strength = np.where(np.arange(8) < 6, 10, 1)[None, :, None, None]
    labels = np.full((2, 8, 8), PSEUDO_LABEL_ID, np.uint8)
    labels[0, :, :4], labels[1, 0] = 7, 255
    images = (one_hot_image(classes, 1) * strength).astype(np.float32)
    _, trained = self_training()
    guessed = trained.label(unlabelled(images, labels))
    to_guess = labels == PSEUDO_LABEL_ID
    np.testing.assert_array_equal(guessed.labels, np.where(to_guess, classes, labels))
    np.testing.assert_allclose(guessed.confidence, np.where(to_guess, 0.75, 1))


def test_what_the_image_does_not_show_is_not_part_of_the_share():
    classes = np.zeros((1, 4, 4), int)
    strength = np.where(np.arange(4) < 2, 10, 1)[None, :, None, None]
    shown = np.ones((1, 4, 4), bool)
    shown[:, :, 2:] = False
    shown[:, 3] = False
    images = (one_hot_image(classes, 1) * strength).astype(np.float32)
    _, trained = self_training()
    guessed = trained.label(unlabelled(images, shown=shown))
    # Rows 0 to 2 are shown, of which 0 and 1 are sure.
    np.testing.assert_allclose(guessed.confidence, 2 / 3, rtol=1e-6)


@pytest.mark.parametrize("ema_decay", [0.5, 0.15])
def test_the_teacher_is_the_closed_form_of_the_average(ema_decay):
    network, trained = self_training(ema=ema_decay)
    start, average = np.eye(3), np.eye(3)
    kernel = network.get_layer("classifier").kernel
    for t in range(1, 6):
        kernel.assign((start * (t + 1))[None, None].astype(np.float32))
        trained.update()
        decay = min(ema_decay, (1 + t) / (10 + t))
        average = decay * average + (1 - decay) * start * (t + 1)
    (teacher,) = [v for v in trained.variables if v.shape == (1, 1, 3, 3)]
    np.testing.assert_allclose(teacher.numpy()[0, 0], average, rtol=1e-5)
    np.testing.assert_allclose(kernel.numpy()[0, 0], start * 6)


SCHEDULE = TrainSettings(
    epochs=4, steps_per_epoch=2, batch_size=2, crop_height=32, crop_width=32, learning_rate=0.05,
    encoder_lr_factor=1.0, class_weight_exponent=0.0, warmup_epochs=0.0, clip_norm=1.0,
)  # fmt: skip
REG = RegSettings(dropout=0.0, l1=0.0, l2=0.0, weight_decay=0.0, label_smoothing=0.0)


class Killed(BaseException):
    pass


def draw_batches(epoch, share=None):
    """Sources whose classes are colours, and unlabelled images in other colours."""
    generator = np.random.default_rng(0)
    classes = generator.integers(0, CLASSES, (20, 2, 8, 8))
    others = generator.integers(0, CLASSES, (20, 2, 8, 8))
    elements = (
        one_hot_image(classes, 1).astype(np.float32),
        classes.astype(np.uint8),
        one_hot_image(others, 2).astype(np.float32),
        np.ones(others.shape, bool),
        one_hot_image(others, 3).astype(np.float32),
        np.full(others.shape, PSEUDO_LABEL_ID, np.uint8),
    )
    return tf.data.Dataset.from_tensor_slices(elements).skip(epoch * SCHEDULE.steps_per_epoch)


def trained_by(settings, folder=None, killed_in=None):
    """Trains, and returns the kernel at the end of each epoch."""
    enable_determinism(0)  # as the stage does, or the order of sums changes the last bits
    network, kernels = linear(), []
    teacher = SelfTraining(network, linear(), settings) if settings.weight else None

    def validate():
        kernels.append(network.get_weights()[0])
        if len(kernels) == killed_in:
            raise Killed
        return {"a": Validation(0.1 * len(kernels), 0.0)}

    checkpoint = Checkpoint(folder, "one") if folder else None
    train(
        network,
        batches_from=draw_batches,
        validate=validate,
        settings=SCHEDULE,
        reg=REG,
        pretrained=[],
        class_weights=None,
        on_epoch=lambda epoch: None,
        name="test",
        checkpoint=checkpoint,
        self_training=teacher,
    )
    return kernels


def test_the_loss_on_images_without_labels_begins_after_the_warm_up():
    plain = trained_by(SelfTrainingSettings(weight=0.0))
    adapted = trained_by(SelfTrainingSettings(weight=1.0, warmup_epochs=2.0, threshold=0.3))
    for epoch in (0, 1):
        np.testing.assert_array_equal(plain[epoch], adapted[epoch])
    for epoch in (2, 3):
        assert np.abs(plain[epoch] - adapted[epoch]).max() > 1e-4


def test_statistics_are_retaken_from_all_that_a_step_sees():
    images = keras.Input((None, None, 3))
    norm = ConvBatchNorm(3, 1, name="normalized")
    network = keras.Model(images, norm(images))
    settings = SCHEDULE.model_copy(update={"precise_bn_batches": 2, "learning_rate": 1e-9})
    batch = (
        np.zeros((2, 8, 8, 3), np.float32), np.zeros((2, 8, 8), np.uint8),
        np.zeros((2, 8, 8, 3), np.float32), np.ones((2, 8, 8), bool),
        np.ones((2, 8, 8, 3), np.float32), np.full((2, 8, 8), PSEUDO_LABEL_ID, np.uint8),
    )  # fmt: skip
    batches = tf.data.Dataset.from_tensors(batch).repeat()
    teacher = SelfTraining(
        network, keras.models.clone_model(network), SelfTrainingSettings(weight=1.0)
    )
    train(
        network,
        batches_from=lambda epoch, share: batches,
        validate=lambda: {"a": Validation(0.5, 0.0)},
        settings=settings,
        reg=REG,
        pretrained=[],
        class_weights=None,
        on_epoch=lambda epoch: None,
        name="test",
        self_training=teacher,
    )
    # Half of the images are 0, the mixed ones 1.
    expected = norm.kernel.numpy().sum((0, 1, 2)) / 2
    np.testing.assert_allclose(norm.norm.moving_mean, expected, atol=1e-5)


def test_an_interrupted_self_training_ends_in_the_same_weights(tmp_path):
    settings = SelfTrainingSettings(
        weight=1.0, warmup_epochs=1.0, threshold=0.3, teacher_ema_decay=0.6
    )
    whole = trained_by(settings)
    with pytest.raises(Killed):
        trained_by(settings, tmp_path / "kept", killed_in=3)
    resumed = trained_by(settings, tmp_path / "kept")
    assert len(resumed) == 2
    np.testing.assert_array_equal(resumed[-1], whole[-1])
