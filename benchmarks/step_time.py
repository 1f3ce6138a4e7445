"""Prints the images a second of training and prediction, for several settings of the network.

Run by hand on an idle machine: `python -m benchmarks.step_time [--steps N] [--threads N]`.

With `--methods` it prints instead how much each loss, regularization and normalization slows a
training step: in processor time, which can be measured on a busy machine too, and in wall-clock
time. A plain training and one with the method take turns, and medians are compared.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from roadshift.networks.build import build_network, pretrained_variables
from roadshift.networks.settings import ModelSettings
from roadshift.training.ema import ExponentialMovingAverage
from roadshift.training.loop import Step, build_step
from roadshift.training.settings import RegSettings, TrainSettings

CLASSES = tuple(f"class{number}" for number in range(11))
SETTINGS = {
    "efficientnet_lite0, own statistics": ModelSettings(frozen_batch_norm=False),
    "efficientnet_lite0, ImageNet's statistics": ModelSettings(),
    "efficientnet_lite0, 3 stages frozen": ModelSettings(frozen_stages=3),
    "efficientnet_lite0, 4 stages frozen": ModelSettings(frozen_stages=4),
    "efficientnet_lite2, 4 stages frozen": ModelSettings(
        encoder="efficientnet_lite2", frozen_stages=4
    ),
    "mobilenet_v2, own statistics": ModelSettings(encoder="mobilenet_v2", weights="none"),
    "unet": ModelSettings(encoder="unet", weights="none"),
}


@dataclass(frozen=True)
class Method:
    """The parameters that switch a method on.

    Attributes:
        model: keys of `model`, with their values.
        reg: keys of `reg`, with their values.
        train: keys of `train`, with their values.
    """

    model: dict[str, float] = field(default_factory=dict)
    reg: dict[str, float] = field(default_factory=dict)
    train: dict[str, float] = field(default_factory=dict)


METHODS = {
    "plain (the noise of this table)": Method(),
    "train.focal_gamma": Method(train={"focal_gamma": 2.0}),
    "train.dice_weight": Method(train={"dice_weight": 1.0}),
    "train.lovasz_weight": Method(train={"lovasz_weight": 1.0}),
    "reg.l1": Method(reg={"l1": 1e-5}),
    "reg.l2": Method(reg={"l2": 1e-4}),
    "reg.label_smoothing": Method(reg={"label_smoothing": 0.1}),
    "reg.stochastic_depth": Method(reg={"stochastic_depth": 0.2}),
    "reg.ema_decay": Method(reg={"ema_decay": 0.99}),
    "model.ibn_stages": Method(model={"ibn_stages": 3}),
}
HEADER = f"{'method':<34}{'plain':>8}{'with it':>9}{'slower':>9}{'by the clock':>14}"
REG = {"dropout": 0.1, "l1": 0.0, "l2": 0.0, "weight_decay": 0.01, "label_smoothing": 0.0}
TRAIN = {
    "epochs": 100, "steps_per_epoch": 100, "batch_size": 8, "crop_height": 256, "crop_width": 256,
    "learning_rate": 1e-4, "encoder_lr_factor": 0.2, "warmup_epochs": 1.0, "clip_norm": 1.0,
    "class_weight_exponent": 0.5,
}  # fmt: skip


def build_method(method: Method, freeze: int) -> Step:
    """The step of a training with a method and a number of frozen stages."""
    model = ModelSettings.model_validate({"frozen_stages": freeze} | method.model)
    reg = RegSettings.model_validate(REG | method.reg)
    train = TrainSettings.model_validate(TRAIN | method.train)
    network = build_network(
        model, CLASSES, dropout=reg.dropout, stochastic_depth=reg.stochastic_depth
    )
    average = ExponentialMovingAverage(network, reg.ema_decay) if reg.ema_decay else None
    weights = np.ones(len(CLASSES), np.float32)
    pretrained = pretrained_variables(network, model)
    return build_step(
        network,
        settings=train,
        reg=reg,
        pretrained=pretrained,
        class_weights=weights,
        average=average,
    )


def compare(method: Method, *, freeze: int, size: int, batch: int, steps: int) -> np.ndarray:
    """Returns the median seconds of a step, (2, 2): plain and with the method, CPU and clock."""
    generator = np.random.default_rng(0)
    shape = (batch, size, size)
    images = tf.constant(generator.uniform(0, 255, (*shape, 3)).astype(np.float32))
    # Every batch has every class, which is the worst case for losses that sum over classes.
    labels = tf.constant(generator.integers(0, len(CLASSES), shape, np.uint8))

    def training(method: Method) -> Callable[[], object]:
        step = build_method(method, freeze)
        return lambda: step(images, labels).numpy()

    return take_turns((training(Method()), training(method)), steps)


def take_turns(both: tuple[Callable[[], object], ...], steps: int) -> np.ndarray:
    """Returns the median seconds of two calls that take turns, (2, 2): of each, CPU and clock."""
    clocks = time.process_time, time.perf_counter
    times = np.zeros((steps + 3, 2, 2))
    for turn in range(len(times)):
        # The order alternates too.
        for index in (0, 1) if turn % 2 else (1, 0):
            start = [clock() for clock in clocks]
            both[index]()
            times[turn, index] = [
                clock() - started for clock, started in zip(clocks, start, strict=True)
            ]
    return np.median(times[3:], axis=0)


def row(name: str, seconds: np.ndarray) -> str:
    """A line under `HEADER` for a result of `take_turns`: plain, then with a method."""
    slower = seconds[1] / seconds[0] - 1
    return (
        f"{name:<34}{1000 * seconds[0, 0]:>8.0f}{1000 * seconds[1, 0]:>9.0f}"
        f"{slower[0]:>+9.1%}{slower[1]:>+14.1%}"
    )


def measure(settings: ModelSettings, *, size: int, batch: int, steps: int) -> tuple[float, float]:
    """Returns images a second in training and in prediction, by the fastest step."""
    network = build_network(settings, CLASSES, dropout=0.1)
    optimizer = keras.optimizers.AdamW(1e-4)
    optimizer.build(network.trainable_variables)
    generator = np.random.default_rng(0)
    shape = (batch, size, size)
    images = tf.constant(generator.uniform(0, 255, (*shape, 3)).astype(np.float32))
    labels = tf.constant(generator.integers(0, len(CLASSES), shape, np.int32))

    @tf.function
    def train() -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = network(images, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply(gradients, network.trainable_variables)
        return loss

    @tf.function
    def predict() -> tf.Tensor:
        return tf.argmax(network(images, training=False), -1)

    speeds = []
    for step in (train, predict):
        step()
        times = []
        for _ in range(steps):
            start = time.perf_counter()
            step().numpy()
            times.append(time.perf_counter() - start)
        speeds.append(batch / min(times))
    return speeds[0], speeds[1]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256, help="height and width of the images")
    parser.add_argument("--batch", type=int, default=8, help="images a step")
    parser.add_argument("--steps", type=int, default=10, help="steps to time")
    parser.add_argument("--threads", type=int, default=2, help="threads of an operation")
    parser.add_argument("--methods", action="store_true", help="compare the methods to plain")
    parser.add_argument("--freeze", type=int, default=3, help="with --methods: frozen stages")
    parser.add_argument("--only", default="", help="part of the names of the settings to run")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    if options.methods:
        print(f"milliseconds a step, {options.size} x {options.size}, batch {options.batch}")
        print(HEADER)
        for name, method in METHODS.items():
            if options.only in name:
                seconds = compare(
                    method,
                    freeze=options.freeze,
                    size=options.size,
                    batch=options.batch,
                    steps=options.steps,
                )
                print(row(name, seconds), flush=True)
        return
    print(f"images a second, {options.size} x {options.size}, batch {options.batch}")
    print(f"{'settings':<44}{'training':>10}{'prediction':>12}")
    for name, settings in SETTINGS.items():
        if options.only in name:
            speeds = measure(settings, size=options.size, batch=options.batch, steps=options.steps)
            print(f"{name:<44}{speeds[0]:>10.1f}{speeds[1]:>12.1f}", flush=True)


if __name__ == "__main__":
    main()
