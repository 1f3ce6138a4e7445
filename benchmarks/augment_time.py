"""Time of each augmentation a sample, in milliseconds on one core.

    python -m benchmarks.augment_time [--size 256] [--repeats 100]

Prints each operation alone, as what it adds to a policy that only cuts the crop out of a picture
of twice its size, and the whole chain with everything on.
"""

import argparse
import time

import numpy as np
import tensorflow as tf

from roadshift.augment.policy import build_policy
from roadshift.augment.settings import AugmentSettings

STRENGTHS = {
    "scale": 1.0,
    "crop": 1.0,
    "flip": 0.5,
    "gamma": 0.5,
    "brightness": 0.3,
    "contrast": 0.3,
    "saturation": 0.3,
    "hue": 0.1,
    "blur": 2.0,
    "noise": 0.1,
}


def milliseconds(settings: AugmentSettings, size: int, repeats: int) -> float:
    """Median time of a sample under a policy."""
    generator = np.random.default_rng(0)
    image = tf.constant(generator.integers(0, 256, (2 * size, 2 * size, 3), dtype=np.uint8))
    label = tf.constant(generator.integers(0, 19, (2 * size, 2 * size), dtype=np.uint8))
    policy = tf.function(build_policy(settings, size, size))
    times = []
    for repeat in range(repeats + 5):
        start = time.perf_counter()
        policy(image, label, tf.constant([0, repeat], tf.int64))
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times[5:]))


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
        plain = milliseconds(AugmentSettings(), arguments.size, arguments.repeats)
    print(f"{'cut alone':12}{plain:7.2f} ms")
    for name, strength in STRENGTHS.items():
        settings = AugmentSettings(**{name: strength})
        added = milliseconds(settings, arguments.size, arguments.repeats) - plain
        print(f"{name:12}{added:+7.2f} ms")
    everything = milliseconds(AugmentSettings(**STRENGTHS), arguments.size, arguments.repeats)
    print(f"{'everything':12}{everything:7.2f} ms")


if __name__ == "__main__":
    main()
