"""Prints how many pictures a second a training step takes, for settings of the network.

Run by hand on an idle machine: `python -m benchmarks.step_time [--steps N] [--threads N]`.
"""

import argparse
import time

import keras
import numpy as np
import tensorflow as tf

from roadshift.networks.network import build_network
from roadshift.networks.settings import ModelSettings

CLASSES = tuple(f"class{number}" for number in range(11))
SETTINGS = {
    "efficientnet_lite0, own statistics": ModelSettings(keep_statistics=False),
    "efficientnet_lite0, ImageNet's statistics": ModelSettings(),
    "efficientnet_lite0, 3 stages frozen": ModelSettings(freeze=3),
    "efficientnet_lite0, 4 stages frozen": ModelSettings(freeze=4),
    "mobilenet_v2, own statistics": ModelSettings(encoder="mobilenet_v2", weights="none"),
    "unet": ModelSettings(encoder="unet", weights="none"),
}


def measure(settings: ModelSettings, size: int, batch: int, steps: int) -> tuple[float, float]:
    """Returns pictures a second in training and in prediction, by the fastest step."""
    network = build_network(settings, CLASSES, dropout=0.1)
    optimizer = keras.optimizers.AdamW(1e-4)
    optimizer.build(network.trainable_variables)
    generator = np.random.default_rng(0)
    shape = (batch, size, size)
    pictures = tf.constant(generator.uniform(0, 255, (*shape, 3)).astype(np.float32))
    labels = tf.constant(generator.integers(0, len(CLASSES), shape, np.int32))

    @tf.function
    def train() -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = network(pictures, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply(gradients, network.trainable_variables)
        return loss

    @tf.function
    def predict() -> tf.Tensor:
        return tf.argmax(network(pictures, training=False), -1)

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
    parser.add_argument("--size", type=int, default=256, help="height and width of the pictures")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help="settings whose name holds this")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    print(f"pictures a second, {options.size} x {options.size}, batch {options.batch}")
    print(f"{'settings':<44}{'training':>10}{'prediction':>12}")
    for name, settings in SETTINGS.items():
        if options.only in name:
            speeds = measure(settings, options.size, options.batch, options.steps)
            print(f"{name:<44}{speeds[0]:>10.1f}{speeds[1]:>12.1f}", flush=True)


if __name__ == "__main__":
    main()
