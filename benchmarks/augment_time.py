"""Measures the processor time of each augmentation, in milliseconds a sample.

    python -m benchmarks.augment_time [--size 256] [--repeats 100]

Processor time can be measured on a busy machine too. Each operation is applied to every sample. The
table has the time that it adds to a policy that only cuts the crop out of an image of twice its
size, and the time of all operations together. The time of an operation that takes a partner
includes cutting the partner's crop. Decoding an image of twice the crop's size has a line of its
own: it is done once a training if all images fit in memory, else for every sample and every
partner. `benchmarks.training_time` measures how much that slows a training.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from roadshift.augment.policy import build_policy
from roadshift.augment.settings import AugmentSettings

STRENGTHS = {
    "random_scale": 1.0,
    "random_crop": 1.0,
    "class_crop": 1.0,
    "flip": 0.5,
    "colour_transfer": 1.0,
    "fda_beta": 0.05,
    "cutmix": 1.0,
    "classmix": 1.0,
    "fog": 2.0,
    "rain": 1.0,
    "dusk": 1.0,
    "gamma": 0.5,
    "brightness": 0.3,
    "contrast": 0.3,
    "saturation": 0.3,
    "hue": 0.1,
    "colour_cast": 0.2,
    "blur": 2.0,
    "noise": 0.1,
    "jpeg": 80.0,
    "random_erasing": 1.0,
}


def milliseconds(run: Callable[..., object], inputs: tuple[tf.Tensor, ...], repeats: int) -> float:
    """Median processor time of a call in milliseconds; each call has its own key."""
    # The inputs are arguments, since TensorFlow would compute operations on constants beforehand.
    run = tf.function(run)
    times = []
    for repeat in range(repeats + 5):
        start = time.process_time()
        run(tf.constant([0, repeat], tf.int64), *inputs)
        times.append(time.process_time() - start)
    return 1000 * float(np.median(times[5:]))


def policy_milliseconds(settings: AugmentSettings, size: int, repeats: int) -> float:
    """Median time in milliseconds in which a policy augments a sample."""
    policy = build_policy(settings, size, size)

    def augment(key: tf.Tensor, image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return policy(image, label, key, lambda: (image, label))

    return milliseconds(augment, sample(size), repeats)


def decode_milliseconds(size: int, repeats: int) -> float:
    """Median time in milliseconds to decode an image and its label in the format of the shards."""
    image, label = sample(size)
    encoded = (tf.io.encode_png(image), tf.io.encode_png(label[..., tf.newaxis]))
    return milliseconds(lambda key, *parts: [tf.io.decode_png(p) for p in parts], encoded, repeats)


def sample(size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """An image of twice the size, smooth with slight noise like a photograph, and its label."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[0 : 2 * size, 0 : 2 * size] / (2 * size)
    waves = np.stack([np.sin(9 * rows), np.cos(7 * columns), np.sin(5 * (rows + columns))], -1)
    image = 128 + 90 * waves + generator.normal(0, 3, waves.shape)
    label = (16 * rows).astype(int) + (4 * columns).astype(int)
    return tf.constant(image.clip(0, 255), tf.uint8), tf.constant(label, tf.uint8)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256, help="side of the crop in pixels")
    parser.add_argument("--repeats", type=int, default=100, help="samples timed an operation")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    # The first measurement warms up allocator and clock; only the second counts.
    for _ in range(2):
        plain = policy_milliseconds(AugmentSettings(), arguments.size, arguments.repeats)
    print(f"{'decode':16}{decode_milliseconds(arguments.size, arguments.repeats):7.2f} ms")
    print(f"{'cut alone':16}{plain:7.2f} ms")
    for name, strength in STRENGTHS.items():
        settings = AugmentSettings(**{name: strength})
        added = policy_milliseconds(settings, arguments.size, arguments.repeats) - plain
        print(f"{name:16}{added:+7.2f} ms")
    everything = policy_milliseconds(
        AugmentSettings(**STRENGTHS), arguments.size, arguments.repeats
    )
    print(f"{'everything':16}{everything:7.2f} ms")


if __name__ == "__main__":
    main()
