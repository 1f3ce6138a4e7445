"""The training loop: steps, an account of each epoch, and the choice among them."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from roadshift.errors import RoadshiftError
from roadshift.networks.batch_norm import learning_normalizations
from roadshift.networks.statistics import recompute_statistics
from roadshift.progress import progress_bar
from roadshift.training.average import WeightAverage
from roadshift.training.checkpoint import Checkpoint, Standing
from roadshift.training.history import Epoch, History
from roadshift.training.losses import (
    REGION_STRIDE,
    cross_entropy,
    lovasz_softmax,
    soft_dice,
    weight_penalty,
)
from roadshift.training.self_training import SelfTraining, Unlabelled
from roadshift.training.settings import RegSettings, TrainSettings


def build_optimizer(
    settings: TrainSettings, weight_decay: float, factor: float = 1.0
) -> keras.optimizers.Optimizer:
    """AdamW (https://arxiv.org/abs/1711.05101) with linear warm-up and cosine decay to 0.

    Weight decay is decoupled from the gradient, and spares biases and norms.

    Args:
        settings: the schedule.
        weight_decay: a step's decay as a share of the learning rate.
        factor: on the learning rate.
    """
    peak = settings.learning_rate * factor
    warmup_steps = settings.warmup_steps
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup_steps else peak,
        decay_steps=settings.steps - warmup_steps,
        warmup_target=peak if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


@dataclass(frozen=True)
class Step:
    """What a step of a training does, and all that it changes."""

    run: Callable[..., tf.Tensor]
    optimizer: keras.optimizers.Optimizer
    """Of the variables whose learning rate is not slowed."""
    variables: Sequence[tf.Variable]
    """What a training goes on from: with them as they were, it takes the same next step."""

    def __call__(self, images: tf.Tensor, labels: tf.Tensor, *unlabelled: tf.Tensor) -> tf.Tensor:
        """From pictures float32 (N, H, W, 3) and labels uint8 (N, H, W) to the loss.

        Args:
            images: of the sources.
            labels: theirs.
            unlabelled: the fields of `Unlabelled`, where there is self-training.
        """
        return self.run(images, labels, *unlabelled)


def build_step(
    network: keras.Model,
    settings: TrainSettings,
    reg: RegSettings,
    pretrained: Sequence[keras.Variable],
    weights: np.ndarray | None,
    average: WeightAverage | None,
    self_training: SelfTraining | None = None,
) -> Step:
    """Builds what a step does: loss, gradients, and new weights.

    Args:
        network: what is trained.
        settings: the schedule and the loss.
        reg: regularization.
        pretrained: variables whose learning rate is slower, by `encoder_lr_factor`.
        weights: float32 (classes,), the loss's weight of each class; None for none.
        average: of the weights, which is kept up to date; None for none.
        self_training: whose teacher is kept up to date; None for none.
    """
    variables = network.trainable_variables
    slow = {id(variable) for variable in pretrained}
    # An optimizer for each rate: (its variables' places, itself).
    groups = []
    for factor, is_slow in ((1.0, False), (settings.encoder_lr_factor, True)):
        places = [k for k, variable in enumerate(variables) if (id(variable) in slow) == is_slow]
        optimizer = build_optimizer(settings, reg.weight_decay, factor)
        optimizer.build([variables[k] for k in places])
        groups.append((places, optimizer))

    grid = (slice(None), *[slice(REGION_STRIDE // 2, None, REGION_STRIDE)] * 2)

    @tf.function
    def step(images: tf.Tensor, labels: tf.Tensor, *unlabelled: tf.Tensor) -> tf.Tensor:
        number, seen, mixed = images.shape[0], images, None
        if self_training and unlabelled:
            mixed = self_training.label(Unlabelled(*unlabelled))
            seen = _seen(images, *unlabelled)
        with tf.GradientTape() as tape:
            logits = network(seen, training=True)
            mixed_logits, logits = logits[number:], logits[:number]
            loss = cross_entropy(labels, logits, reg.label_smoothing, weights, settings.focal)
            if settings.dice:
                loss += settings.dice * soft_dice(labels[grid], logits[grid])
            if settings.lovasz:
                loss += settings.lovasz * lovasz_softmax(labels[grid], logits[grid])
            if self_training and mixed:
                loss += self_training.weight * cross_entropy(
                    mixed.labels, mixed_logits, weights=weights, confidence=mixed.confidence
                )
            loss += weight_penalty(variables, reg.l1, reg.l2)
        gradients = tape.gradient(loss, variables)
        if settings.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, settings.clip_norm)
        for places, optimizer in groups:
            if places:
                optimizer.apply([gradients[k] for k in places], [variables[k] for k in places])
        if average:
            average.update()
        if self_training:
            self_training.update()
        return loss

    # Those of the network hold the states of its random numbers, too.
    owned = [*network.variables, *(v for _, optimizer in groups for v in optimizer.variables)]
    followers = [follower.variables for follower in (average, self_training) if follower]
    return Step(step, groups[0][1], [*(v.value for v in owned), *itertools.chain(*followers)])


def _next(batches: Iterator[tuple[tf.Tensor, ...]]) -> tuple[tf.Tensor, ...]:
    try:
        return next(batches)
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RoadshiftError(
            f"a record of the training shards is damaged ({reason}); run the shard stage again"
        ) from None


def train(
    network: keras.Model,
    batches_from: Callable[[int], tf.data.Dataset],
    validate: Callable[[], Mapping[str, float]],
    settings: TrainSettings,
    reg: RegSettings,
    pretrained: Sequence[keras.Variable],
    weights: np.ndarray | None,
    on_epoch: Callable[[Epoch], None],
    what: str,
    checkpoint: Checkpoint | None = None,
    self_training: SelfTraining | None = None,
) -> History:
    """Trains a network in place and leaves it with the weights of its best epoch.

    With `reg.ema` the weights that are validated, chosen among and left are the averaged ones.
    With `train.precise_statistics` the moving statistics are at last taken anew from as many
    further batches, in the layers that use their batch's in training.

    Args:
        network: from pictures float32 (N, H, W, 3) to logits float32 (N, H, W, classes).
        batches_from: from the number of epochs that are over to endless batches of what comes
            then: (pictures, labels uint8 (N, H, W)), and with self-training the fields of
            `Unlabelled`, too.
        validate: scores the network as it stands on each source's validation split.
        settings: the schedule.
        reg: regularization; dropout and stochastic depth are part of the network.
        pretrained: variables whose learning rate is slower, by `encoder_lr_factor`.
        weights: float32 (classes,), the loss's weight of each class; None for none.
        on_epoch: is told of each epoch when it has ended; first of those before an interruption.
        what: a name for the progress bar.
        checkpoint: is written after each epoch, and where it holds one, training goes on from
            there to the same bits; None to keep nothing.
        self_training: on the pictures without labels, after its warm-up; None for none.

    Returns:
        The history of all epochs.

    Raises:
        RoadshiftError: the loss is no longer a number.
    """
    average = WeightAverage(network, reg.ema) if reg.ema else None
    step = build_step(network, settings, reg, pretrained, weights, average, self_training)
    alone = self_training.warmup_steps(settings.steps_per_epoch) if self_training else 0
    reached = checkpoint.load(step.variables, what) if checkpoint else None
    history = reached.history if reached else History()
    best_weights = reached.best_weights if reached else network.get_weights()
    for epoch in history.epochs:
        on_epoch(epoch)
    done = len(history.epochs)
    per_epoch = settings.steps_per_epoch * settings.batch_size
    drawn = iter(batches_from(done))
    with progress_bar(what, "picture", settings.epochs * per_epoch, done * per_epoch) as progress:
        for number in range(done + 1, settings.epochs + 1):
            total = 0.0
            for k in range(settings.steps_per_epoch):
                batch = _next(drawn)
                if (number - 1) * settings.steps_per_epoch + k < alone:
                    batch = batch[:2]
                loss = float(step(*batch))
                total += loss
                progress.set_postfix(loss=f"{loss:.3f}", epoch=number, refresh=False)
                progress.update(settings.batch_size)
            if not total < float("inf"):
                raise RoadshiftError(
                    f"{what}: the loss is {total} in epoch {number}; lower train.learning_rate or "
                    "set train.clip_norm"
                )
            rate = float(keras.ops.convert_to_numpy(step.optimizer.learning_rate))
            mean_loss = total / settings.steps_per_epoch
            with average.in_place() if average else nullcontext():
                epoch = Epoch(number, mean_loss, rate, dict(validate()))
                history.epochs.append(epoch)
                if history.best is epoch:
                    best_weights = network.get_weights()
            on_epoch(epoch)
            if checkpoint:
                checkpoint.save(step.variables, Standing(history, best_weights))
    network.set_weights(best_weights)
    if settings.precise_statistics:
        further = (_next(drawn) for _ in range(settings.precise_statistics))
        seen = (_seen(images, *unlabelled) for images, _, *unlabelled in further)
        recompute_statistics(network, learning_normalizations(network), seen)
    return history


def _seen(images: tf.Tensor, *unlabelled: tf.Tensor) -> tf.Tensor:
    """All pictures of a step that the network is trained on, and normalizes together."""
    return tf.concat([images, Unlabelled(*unlabelled).mixed], 0) if unlabelled else images
