"""The training loop: steps, history of the epochs, and the epoch whose weights are kept."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from roadshift.devices import Devices, gathered, summed
from roadshift.errors import RoadshiftError
from roadshift.input_pipeline.batches import WHOLE, Share
from roadshift.networks.batch_norm import updating_batch_norms
from roadshift.networks.precision import computing_in
from roadshift.networks.statistics import recompute_statistics
from roadshift.progress import progress_bar
from roadshift.scoring.numbers import percent
from roadshift.taxonomy import PartialLabel
from roadshift.training.checkpoint import Checkpoint, TrainingState
from roadshift.training.ema import ExponentialMovingAverage
from roadshift.training.history import Epoch, History, Validation
from roadshift.training.losses import (
    REGION_STRIDE,
    cross_entropy,
    exact_labels,
    lovasz_softmax,
    soft_dice,
    weight_penalty,
)
from roadshift.training.self_training import SelfTraining, UnlabelledBatch
from roadshift.training.settings import RegSettings, TrainSettings

LOSS_INTERVAL = 20
"""Number of steps from one loss that the progress bar shows to the next."""


class SummedAdamW(keras.optimizers.AdamW):
    """AdamW for gradients that are summed over the devices, and then clipped, before it has them.

    Keras has no public way to say so, and would sum them again
    (https://github.com/keras-team/keras/issues/19308).
    """

    def _all_reduce_sum_gradients(self, grads_and_vars: list[Any]) -> list[Any]:
        return grads_and_vars


def build_optimizer(
    settings: TrainSettings, *, weight_decay: float, factor: float = 1.0
) -> keras.optimizers.Optimizer:
    """Builds AdamW (https://arxiv.org/abs/1711.05101) with linear warm-up and cosine decay to 0.

    Weight decay is decoupled from the gradient, and leaves out biases and norms.

    Args:
        settings: the schedule.
        weight_decay: decay of a step as a share of the learning rate.
        factor: factor on the learning rate.
    """
    peak = settings.learning_rate * factor
    warmup_steps = settings.warmup_steps
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup_steps else peak,
        decay_steps=settings.steps - warmup_steps,
        warmup_target=peak if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
    optimizer = SummedAdamW(schedule, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


@dataclass(frozen=True)
class Step:
    """A training step, and everything that it changes.

    Attributes:
        run: function that takes a step; its arguments are those of a call.
        optimizer: optimizer of the variables whose learning rate has no factor.
        variables: all variables that a step changes. Restored, they give the same next step.
    """

    run: Callable[..., tf.Tensor]
    optimizer: keras.optimizers.Optimizer
    variables: Sequence[tf.Variable]

    def __call__(self, images: tf.Tensor, labels: tf.Tensor, *unlabelled: tf.Tensor) -> tf.Tensor:
        """Takes a step and returns its loss, a float32 scalar.

        Args:
            images: float32 (N, H, W, 3) in 0..255, images of the sources.
            labels: uint8 (N, H, W), their labels.
            unlabelled: the fields of `UnlabelledBatch`; only with self-training.
        """
        return self.run(images, labels, *unlabelled)


def build_step(
    network: keras.Model,
    *,
    settings: TrainSettings,
    reg: RegSettings,
    pretrained: Sequence[keras.Variable],
    class_weights: np.ndarray | None,
    average: ExponentialMovingAverage | None,
    self_training: SelfTraining | None = None,
    partial_labels: Sequence[PartialLabel] = (),
    devices: Devices | None = None,
) -> Step:
    """Builds the training step: loss, gradients, new weights.

    Args:
        network: the network to train.
        settings: the schedule and the loss.
        reg: regularization.
        pretrained: variables whose learning rate has the factor `encoder_lr_factor`.
        class_weights: float32 (classes,), weight of each class in the loss; None for none.
        average: average of the weights, which each step updates; None for none.
        self_training: self-training, whose teacher each step updates; None for none.
        partial_labels: the partial labels of the sources; default none. Cross-entropy and its focal
            form count their pixels, Dice and Lovász ignore them.
        devices: devices that share each batch, in whose scope all variables were made; default one.
    """
    devices = devices or Devices(tf.distribute.get_strategy())
    variables = network.trainable_variables
    slow = {id(variable) for variable in pretrained}
    # One optimizer for each learning rate: (indices of its variables, optimizer).
    groups = []
    for factor, is_slow in ((1.0, False), (settings.encoder_lr_factor, True)):
        places = [k for k, variable in enumerate(variables) if (id(variable) in slow) == is_slow]
        optimizer = build_optimizer(settings, weight_decay=reg.weight_decay, factor=factor)
        optimizer.build([variables[k] for k in places])
        groups.append((places, optimizer))

    grid = (slice(None), *[slice(REGION_STRIDE // 2, None, REGION_STRIDE)] * 2)

    def on_device(images: tf.Tensor, labels: tf.Tensor, *unlabelled: tf.Tensor) -> tf.Tensor:
        number, seen, mixed = images.shape[0], images, None
        if self_training and unlabelled:
            mixed = self_training.label(UnlabelledBatch(*unlabelled))
            seen = _seen(images, *unlabelled)
        with tf.GradientTape() as tape:
            with computing_in(network, settings.precision):
                logits = tf.cast(network(seen, training=True), tf.float32)
            mixed_logits, logits = logits[number:], logits[:number]
            loss = cross_entropy(
                labels,
                logits,
                label_smoothing=reg.label_smoothing,
                class_weights=class_weights,
                focal_gamma=settings.focal_gamma,
                partial_labels=partial_labels,
            )
            exact = exact_labels(labels, logits.shape[-1]) if partial_labels else labels
            # Dice and Lovász are of the whole batch: each device computes them, for its part of it.
            if settings.dice_weight:
                regions = gathered(exact[grid]), gathered(logits[grid])
                loss += settings.dice_weight / devices.count * soft_dice(*regions)
            if settings.lovasz_weight:
                regions = gathered(exact[grid]), gathered(logits[grid])
                loss += settings.lovasz_weight / devices.count * lovasz_softmax(*regions)
            if self_training and mixed:
                loss += self_training.weight * cross_entropy(
                    mixed.labels,
                    mixed_logits,
                    class_weights=class_weights,
                    confidence=mixed.confidence,
                    partial_labels=partial_labels,
                )
            loss += weight_penalty(variables, reg.l1 / devices.count, reg.l2 / devices.count)
        gradients = summed(tape.gradient(loss, variables))
        if settings.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, settings.clip_norm)
        for places, optimizer in groups:
            if places:
                optimizer.apply([gradients[k] for k in places], [variables[k] for k in places])
        # Here, and not by the strategy: TensorFlow's graph rewriting would add the terms of several
        # devices' losses in another order if they are in one process.
        return summed(loss)

    @tf.function
    def step(*batch: tf.Tensor) -> tf.Tensor:
        with devices.strategy.scope():
            loss = devices.run(on_device, batch)
            if average:
                average.update()
            if self_training:
                self_training.update()
        return loss

    # The network's variables include the states of its random numbers.
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
    *,
    name: str,
    batches_from: Callable[[int, Share], tf.data.Dataset],
    validate: Callable[[], Mapping[str, Validation]],
    settings: TrainSettings,
    reg: RegSettings,
    pretrained: Sequence[keras.Variable],
    class_weights: np.ndarray | None,
    on_epoch: Callable[[Epoch], None],
    checkpoint: Checkpoint | None = None,
    self_training: SelfTraining | None = None,
    partial_labels: Sequence[PartialLabel] = (),
    devices: Devices | None = None,
) -> History:
    """Trains a network in place and leaves it with the weights of its selected epoch.

    `train.selected_epoch` is the rule that selects it. With `reg.ema_decay`, the averaged weights
    are validated, selected and kept. With `train.precise_bn_batches`, the moving statistics are
    finally recomputed from that many further batches, in the layers that normalize by their batch
    in training.

    Args:
        network: model from images float32 (N, H, W, 3) to logits float32 (N, H, W, classes).
        name: name of the training, for messages and the progress bar.
        batches_from: function from the number of epochs that are over, and the share of each batch,
            to the endless batches that follow, those of the share's devices in turn: (images,
            labels uint8 (N, H, W)), and with self-training the fields of `UnlabelledBatch`.
        validate: function that scores the network on each source's val split, by role.
        settings: the schedule and the loss.
        reg: regularization; dropout and stochastic depth are part of the network.
        pretrained: variables whose learning rate has the factor `encoder_lr_factor`.
        class_weights: float32 (classes,), weight of each class in the loss; None for none.
        on_epoch: callback for each finished epoch, first for those before an interruption.
        checkpoint: checkpoint that is written after each epoch; training resumes from the state
            that it holds, to the same bytes. None for none.
        self_training: self-training on the unlabelled images, after its warm-up; None for none.
        partial_labels: the partial labels of the sources; default none.
        devices: devices that share each batch, in whose scope the networks were made; default one.

    Returns:
        The history of all epochs; on another machine than the first none, and the weights there are
        those of the last step.

    Raises:
        RoadshiftError: the loss is no longer a number, or a record of the shards is damaged.
    """
    devices = devices or Devices(tf.distribute.get_strategy())
    with devices.strategy.scope():
        average = ExponentialMovingAverage(network, reg.ema_decay) if reg.ema_decay else None
        step = build_step(
            network,
            settings=settings,
            reg=reg,
            pretrained=pretrained,
            class_weights=class_weights,
            average=average,
            self_training=self_training,
            partial_labels=partial_labels,
            devices=devices,
        )
    alone = self_training.warmup_steps(settings.steps_per_epoch) if self_training else 0
    reached = checkpoint.load(step.variables, name) if checkpoint and devices.first else None
    history = reached.history if reached else History(settings.selected_epoch)
    selected_weights = reached.selected_weights if reached else network.get_weights()
    for epoch in history.epochs:
        on_epoch(epoch)
    done = devices.share_state(len(history.epochs), step.variables)
    devices.spread_seeds(network)
    per_epoch = settings.steps_per_epoch * settings.batch_size
    share = Share(devices.count, devices.here)
    drawn = iter(batches_from(done, share))
    with progress_bar(
        name, "image", settings.epochs * per_epoch, done=done * per_epoch
    ) as progress:
        for number in range(done + 1, settings.epochs + 1):
            devices.agree({"epoch": number})
            losses = []
            for k in range(settings.steps_per_epoch):
                batch = devices.batch_of(lambda: _next(drawn))
                if (number - 1) * settings.steps_per_epoch + k < alone:
                    batch = batch[:2]
                losses.append(step(*batch))
                # Reading a loss waits for its step, and a GPU for the next one.
                if k % LOSS_INTERVAL == 0:
                    loss = float(losses[-1])
                    progress.set_postfix(loss=f"{loss:.3f}", epoch=number, refresh=False)
                progress.update(settings.batch_size)
            total = sum(float(loss) for loss in losses)
            if not total < float("inf"):
                raise RoadshiftError(
                    f"{name}: the loss is {total} in epoch {number}; lower train.learning_rate or "
                    "set train.clip_norm"
                )
            if not devices.first:
                continue
            rate = float(keras.ops.convert_to_numpy(step.optimizer.learning_rate))
            mean_loss = total / settings.steps_per_epoch
            with average.in_place() if average else nullcontext():
                epoch = Epoch.validated(number, mean_loss, rate, validate())
                history.epochs.append(epoch)
                if history.selected is epoch:
                    selected_weights = network.get_weights()
            progress.write(f"{name}: {_told(epoch, settings.epochs, history.best is epoch)}")
            on_epoch(epoch)
            if checkpoint:
                checkpoint.save(step.variables, TrainingState(history, selected_weights))
    if not devices.first:
        return history
    network.set_weights(selected_weights)
    if settings.precise_bn_batches:
        if share != WHOLE:
            drawn = iter(batches_from(settings.epochs, WHOLE))
        further = (_next(drawn) for _ in range(settings.precise_bn_batches))
        seen = (_seen(images, *unlabelled) for images, _, *unlabelled in further)
        recompute_statistics(network, updating_batch_norms(network), seen)
    return history


def _told(epoch: Epoch, epochs: int, is_best: bool) -> str:
    """Returns an epoch's line for the terminal or the log; of one source its name says enough."""
    each = epoch.val_miou.items()
    roles = [f"{role} {percent(miou)}" if len(each) > 1 else role for role, miou in each]
    return (
        f"epoch {epoch.number} of {epochs}: loss {epoch.loss:.3f}, "
        f"val mIoU {percent(epoch.selection_score)} % ({', '.join(roles)})"
        f"{', the best so far' if is_best else ''}"
    )


def _seen(images: tf.Tensor, *unlabelled: tf.Tensor) -> tf.Tensor:
    """Returns all images of a step that the network learns from and normalizes together."""
    return tf.concat([images, UnlabelledBatch(*unlabelled).mixed], 0) if unlabelled else images
