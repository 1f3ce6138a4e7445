"""Trains a small network for a few steps, with everything on, on the devices of its environment.

`python -m tests.training.several_devices <logical CPUs> <run>…` prints a JSON object for each run:
`one` on the first device alone, `all` on all, `dropout` on all with dropout, others on all without
one of the reductions over the devices.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np

from roadshift import runtime

runtime.prepare()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from roadshift.determinism import enable_determinism  # noqa: E402
from roadshift.devices import Devices, open_devices  # noqa: E402
from roadshift.input_pipeline.batches import PSEUDO_LABEL_ID  # noqa: E402
from roadshift.networks import batch_norm  # noqa: E402
from roadshift.networks.batch_norm import BatchNormalization, ConvBatchNorm  # noqa: E402
from roadshift.networks.decoder import Classifier, Upsampling  # noqa: E402
from roadshift.networks.ibn import IBNConv  # noqa: E402
from roadshift.training import loop, losses  # noqa: E402
from roadshift.training.adapt_settings import SelfTrainingSettings  # noqa: E402
from roadshift.training.history import Validation  # noqa: E402
from roadshift.training.self_training import SelfTraining  # noqa: E402
from roadshift.training.settings import RegSettings, TrainSettings  # noqa: E402

STEPS, BATCH, SIZE, CLASSES = 4, 4, 64, 5
TRAIN = TrainSettings(
    epochs=STEPS, steps_per_epoch=1, batch_size=BATCH, crop_height=SIZE, crop_width=SIZE,
    learning_rate=0.0003, encoder_lr_factor=0.5, warmup_epochs=0.0, clip_norm=0.5,
    class_weight_exponent=0.5, dice_weight=0.5, lovasz_weight=0.5,
)  # fmt: skip
REG = RegSettings(
    dropout=0.0, l1=1e-4, l2=1e-3, weight_decay=0.01, label_smoothing=0.1, ema_decay=0.9
)
TEACHER = SelfTrainingSettings(
    weight=1.0, batch_size=BATCH, threshold=0.2, teacher_ema_decay=0.5, warmup_epochs=0.0
)


def build(dropout: float) -> keras.Model:
    images = keras.Input((None, None, 3))
    features = keras.layers.Rescaling(1 / 128, -1)(images)
    features = ConvBatchNorm(8, 3, stride=2, seed=1, name="stem")(features)
    features = IBNConv(16, seed=2, name="ibn")(features)
    features = ConvBatchNorm(None, 3, seed=3, name="depthwise")(features)
    features = ConvBatchNorm(8, 1, frozen_batch_norm=True, seed=4, name="frozen")(features)
    kernel = keras.initializers.GlorotUniform(seed=5)
    features = keras.layers.Conv2D(8, 3, padding="same", kernel_initializer=kernel)(features)
    features = BatchNormalization(name="plain")(features)
    features = keras.layers.Dropout(dropout, seed=6, name="dropout")(features)
    logits = Classifier([f"c{k}" for k in range(CLASSES)], seed=7, name="classifier")(features)
    return keras.Model(images, Upsampling(2)(logits))


def batches(devices: int, here: range):
    """Batches whose images differ in brightness and in the pixels that count."""
    generator = np.random.default_rng(0)
    for _ in range(STEPS):
        labels = generator.integers(0, CLASSES, (BATCH, SIZE, SIZE)).astype(np.uint8)
        images = (40.0 * labels[..., None] + generator.normal(0, 30, (BATCH, SIZE, SIZE, 3))).clip(
            0, 255
        ) * np.linspace(0.3, 1, BATCH)[:, None, None, None]
        for k in range(BATCH):
            labels[k, : 12 * k] = 255
        weak = generator.uniform(0, 255, images.shape)
        shown = generator.random(labels.shape) < np.linspace(0.5, 1, BATCH)[:, None, None]
        pasted = np.where(generator.random(labels.shape) < 0.3, labels, PSEUDO_LABEL_ID)
        whole = (
            images.astype(np.float32), labels, weak.astype(np.float32), shown,
            (0.5 * images + 0.5 * weak).astype(np.float32), pasted.astype(np.uint8),
        )  # fmt: skip
        count = BATCH // devices
        for device in here:
            yield tuple(tf.constant(each[device * count : (device + 1) * count]) for each in whole)


def run(devices: Devices, dropout: float = 0.0, change=None) -> dict:
    keras.utils.set_random_seed(0)
    with devices.strategy.scope():
        network = build(dropout)
        teacher = SelfTraining(network, build(dropout), TEACHER)
    if change:
        change(network)
    pretrained = network.get_layer("stem").trainable_variables
    seen: dict[str, Any] = {}

    def spied(*arguments, **named):
        seen["step"] = build_step(*arguments, **named)
        return seen["step"]

    build_step = loop.build_step
    with mock.patch.object(loop, "build_step", spied):
        history = loop.train(
            network,
            name="train",
            batches_from=lambda _, share: batches(share.devices, share.here),
            validate=lambda: {"a": Validation(0.5, 0.0)},
            settings=TRAIN,
            reg=REG,
            pretrained=pretrained,
            class_weights=np.linspace(0.5, 2, CLASSES).astype(np.float32),
            on_epoch=lambda _: None,
            self_training=teacher,
            devices=devices,
        )
    variables = seen["step"].variables
    digest = hashlib.sha256()
    for variable in variables:
        digest.update(variable.numpy().tobytes())
    kept = [v for v in seen["step"].optimizer.variables if "momentum" in v.path]
    return {
        "losses": [epoch.loss for epoch in history.epochs],
        "state": digest.hexdigest(),
        "moments": [float(np.linalg.norm(v.numpy())) for v in kept],
        "masks": masks(devices, network) if dropout else [],
    }


def masks(devices: Devices, network: keras.Model) -> list[str]:
    """Where the dropout of each device of this machine lets features through."""
    layer = network.get_layer("dropout")
    shown = devices.strategy.run(
        tf.function(lambda: tf.cast(layer(tf.ones([1, 8, 8, 8]), training=True) > 0, tf.uint8))
    )
    values = devices.strategy.experimental_local_results(shown)
    return [hashlib.sha256(value.numpy().tobytes()).hexdigest() for value in values]


def ibn_alone(network: keras.Model) -> None:
    norm = network.get_layer("ibn").norm
    object.__setattr__(norm, "over_devices", lambda *statistics: statistics)


LEFT_OUT: dict[str, Callable[[], Any]] = {
    "gradients": lambda: mock.patch.object(loop, "summed", lambda values: values),
    "pixels": lambda: mock.patch.object(losses, "summed", lambda values: values),
    "regions": lambda: mock.patch.object(loop, "gathered", lambda value: value),
    "batch_norm": lambda: mock.patch.object(batch_norm, "replicas", return_value=1),
    "penalty": lambda: mock.patch.object(
        loop, "weight_penalty", lambda *given: 2 * losses.weight_penalty(*given)
    ),
    "keras": lambda: mock.patch.object(
        loop.SummedAdamW,
        "_all_reduce_sum_gradients",
        keras.optimizers.AdamW._all_reduce_sum_gradients,
    ),
}
"""What makes a reduction over the devices fail, by name."""


def main(cpus: int, *runs: str) -> None:
    enable_determinism(0)
    physical = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * cpus
    tf.config.set_logical_device_configuration(physical, logical)
    with open_devices() as devices:
        for name in runs:
            if name == "one":
                found = run(Devices(tf.distribute.get_strategy()))
            elif name in LEFT_OUT:
                with LEFT_OUT[name]():
                    found = run(devices)
            else:
                found = run(
                    devices,
                    dropout=0.5 if name == "dropout" else 0.0,
                    change=ibn_alone if name == "ibn" else None,
                )
            print(json.dumps({"run": name, "place": devices.here.start, **found}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
