"""Distils an ensemble of networks into one, on images without labels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from roadshift.augment.keys import sample_key
from roadshift.augment.policy import build_policy
from roadshift.augment.settings import AugmentSettings
from roadshift.errors import RoadshiftError
from roadshift.inference.resizing import limit_height
from roadshift.networks.settings import STRIDE
from roadshift.taxonomy import IGNORE_ID

VIEWS = (0.75, 1.0)
"""Scales that each teacher labels a crop at, each also mirrored."""
LARGEST_CROP = (256, 512)
"""Limit on the height and width of a crop, pixels."""
SAME_CROPS = AugmentSettings(random_scale=0.5, random_crop=1.0, flip=0.5)
"""Augmentation of the crops that the teachers label."""
OTHER_COLOURS = SAME_CROPS.model_copy(
    update={
        "gamma": 0.3,
        "brightness": 0.2,
        "contrast": 0.2,
        "saturation": 0.5,
        "hue": 0.03,
        "colour_cast": 0.15,
        "photometric_probability": 0.5,
    }
)
"""Augmentation of the student's crops, which are the same ones."""
CLIP_NORM = 1.0


@dataclass(frozen=True, kw_only=True)
class DistillationSettings:
    """The schedule of a distillation.

    Attributes:
        steps: number of steps, from 1.
        batch_size: number of crops in a step, from 1.
        learning_rate: learning rate of the first step; it falls to 0 by a cosine.
        threshold: confidence of the ensemble below which a pixel does not count, 0..1.
        max_height: height in pixels that taller images are scaled down to; 0 for never.
        seed: seed of order and augmentation.
    """

    steps: int
    batch_size: int
    learning_rate: float
    threshold: float
    max_height: int
    seed: int


class Crops(NamedTuple):
    """A batch.

    Attributes:
        weak: float32 (N, H, W, 3) in 0..255, crops for the teachers.
        strong: the same crops with other colours, for the student.
        shown: bool (N, H, W), whether a pixel lies inside the image.
    """

    weak: tf.Tensor
    strong: tf.Tensor
    shown: tf.Tensor


class StepResult(NamedTuple):
    """The result of a step.

    Attributes:
        loss: the loss.
        counted: share of the images' pixels that counted, 0..1.
    """

    loss: float
    counted: float


class Distillation:
    """Trains a student to predict what the ensemble predicts, weighed by its confidence.

    The target of a pixel is the mean of the teachers' probabilities over all views (Hinton et al.
    2015, https://arxiv.org/abs/1503.02531; of ensembles, Malinin et al. 2020,
    https://arxiv.org/abs/1905.00076). The loss is the cross-entropy against it, weighed by the
    target's largest probability, and 0 where that is below the threshold (as self-training weighs
    pseudo-labels, Zou et al. 2019, https://arxiv.org/abs/1908.09822).

    The student runs as in prediction: batch-norm statistics stay those of the sources, and nothing
    is dropped.
    """

    def __init__(
        self,
        student: keras.Model,
        teachers: Sequence[keras.Model],
        settings: DistillationSettings,
    ) -> None:
        """Compiles the step.

        Args:
            student: the network to train, from its present weights.
            teachers: at least one network with the same classes.
            settings: the schedule.
        """
        schedule = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.steps)
        optimizer = keras.optimizers.Adam(schedule, global_clipnorm=CLIP_NORM)
        variables = student.trainable_variables
        optimizer.build(variables)

        @tf.function
        def step(crops: Crops) -> tuple[tf.Tensor, tf.Tensor]:
            target = ensemble_probabilities(teachers, crops.weak)
            weights = confidence_weights(target, crops.shown, settings.threshold)
            with tf.GradientTape() as tape:
                logits = tf.cast(student(crops.strong, training=False), tf.float32)
                loss = soft_cross_entropy(target, logits, weights)
            optimizer.apply(tape.gradient(loss, variables), variables)
            shown = tf.reduce_sum(tf.cast(crops.shown, tf.float32))
            counted = tf.reduce_sum(tf.cast(weights > 0, tf.float32))
            return loss, tf.math.divide_no_nan(counted, shown)

        self._step = step

    def __call__(self, crops: Crops) -> StepResult:
        """Takes a step."""
        loss, counted = self._step(crops)
        return StepResult(float(loss), float(counted))


def ensemble_probabilities(teachers: Sequence[keras.Model], images: tf.Tensor) -> tf.Tensor:
    """Averages the probabilities of networks over views of images.

    Args:
        teachers: the networks.
        images: float32 (N, H, W, 3) in 0..255, of static size.

    Returns:
        float32 (N, H, W, classes).
    """
    size = images.shape[1:3]
    found = []
    for scale in VIEWS:
        scaled = [max(1, round(side * scale / STRIDE)) * STRIDE for side in size]
        view = tf.image.resize(images, scaled, antialias=True)
        for seen, back in ((view, False), (tf.reverse(view, [2]), True)):
            for teacher in teachers:
                logits = tf.cast(teacher(seen, training=False), tf.float32)
                logits = tf.reverse(logits, [2]) if back else logits
                found.append(tf.nn.softmax(tf.image.resize(logits, size)))
    return tf.add_n(found) / len(found)


def confidence_weights(target: tf.Tensor, shown: tf.Tensor, threshold: float) -> tf.Tensor:
    """Returns the weight of each pixel, float32 (N, H, W): its confidence, 0 below the threshold.

    Args:
        target: float32 (N, H, W, classes), probabilities.
        shown: bool (N, H, W), whether a pixel lies inside the image; others weigh 0.
        threshold: confidence from which a pixel counts, 0..1.
    """
    confidence = tf.reduce_max(target, -1)
    return tf.where(shown & (confidence >= threshold), confidence, 0.0)


def soft_cross_entropy(target: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Computes the weighed mean over the pixels of the cross-entropy against probabilities.

    Args:
        target: float32 (N, H, W, classes), probabilities.
        logits: float32 (N, H, W, classes).
        weights: float32 (N, H, W).

    Returns:
        float32 scalar; 0, with gradient 0, where no pixel counts.
    """
    loss = tf.nn.softmax_cross_entropy_with_logits(target, logits)
    return tf.math.divide_no_nan(tf.reduce_sum(loss * weights), tf.reduce_sum(weights))


def crop_size(sizes: Sequence[tuple[int, int]], max_height: int) -> tuple[int, int]:
    """Returns the height and width of crops: at most `LARGEST_CROP`, and no image is larger.

    Args:
        sizes: height and width of each image, pixels.
        max_height: height that taller images are scaled down to; 0 for never.
    """
    ratios = [min(1.0, max_height / height) if max_height else 1.0 for height, _ in sizes]
    largest = (
        max(round(size[side] * ratio) for size, ratio in zip(sizes, ratios, strict=True))
        for side in (0, 1)
    )
    height, width = (
        max(1, min(side, limit) // STRIDE) * STRIDE
        for side, limit in zip(largest, LARGEST_CROP, strict=True)
    )
    return height, width


def draw_crops(
    names: Sequence[str],
    read: Callable[[str], np.ndarray],
    size: tuple[int, int],
    settings: DistillationSettings,
) -> Iterator[Crops]:
    """Yields endless batches; images are read in passes, each in another order.

    Every draw is keyed by the seed, the pass and the image's name, as in a training.

    Args:
        names: name of each image, at least one.
        read: function that returns an image, uint8 RGB (H, W, 3), by its name.
        size: height and width of the crops, multiples of the stride.
        settings: the schedule.
    """
    weak, strong = (build_policy(each, *size) for each in (SAME_CROPS, OTHER_COLOURS))

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, 3), tf.uint8),
            tf.TensorSpec((), tf.string),
            tf.TensorSpec((), tf.int64),
        ]
    )
    def prepare(image: tf.Tensor, name: tf.Tensor, number: tf.Tensor) -> Crops:
        key = sample_key(seed=settings.seed, epoch=number, dataset="distill", sample_id=name)
        inside = tf.zeros(tf.shape(image)[:2], tf.uint8)
        image, inside = limit_height(image, inside, settings.max_height)
        seen, marks = weak(image, inside, key)
        return Crops(seen, strong(image, inside, key)[0], tf.not_equal(marks, IGNORE_ID))

    def samples() -> Iterator[Crops]:
        number = 0
        while True:
            order = np.random.default_rng((settings.seed, number)).permutation(len(names))
            for place in order:
                yield prepare(read(names[place]), names[place], number)
            number += 1

    drawn = samples()
    while True:
        batch = [next(drawn) for _ in range(settings.batch_size)]
        yield Crops(*(tf.stack(column) for column in zip(*batch, strict=True)))


def distil(
    student: keras.Model,
    teachers: Sequence[keras.Model],
    crops: Iterator[Crops],
    settings: DistillationSettings,
    done: Callable[[float], object] = lambda loss: None,
) -> list[StepResult]:
    """Trains a student in place.

    Args:
        student: the network to train.
        teachers: at least one network with the same classes.
        crops: the batches, as many as there are steps.
        settings: the schedule.
        done: function that is told the loss of each step after it.

    Returns:
        The result of each step.

    Raises:
        RoadshiftError: the loss is no longer a number.
    """
    step, found = Distillation(student, teachers, settings), list[StepResult]()
    for _ in range(settings.steps):
        found.append(step(next(crops)))
        if not np.isfinite(found[-1].loss):
            raise RoadshiftError(
                f"the loss is {found[-1].loss} in step {len(found)}; lower --learning-rate"
            )
        done(found[-1].loss)
    return found
