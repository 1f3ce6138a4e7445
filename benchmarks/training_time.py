"""Measures how much each augmentation slows a training, including its input pipeline.

    python -m benchmarks.training_time [--size 256] [--batch 8] [--steps 12]
    python -m benchmarks.training_time --shards data/shards/a/trainval data/shards/b/trainval

Two trainings on two data sets take turns: a plain one, which only cuts crops, and one that applies
the augmentation to every sample. The time of a step includes the batch that is made meanwhile. It
is measured in processor time, which can be measured on a busy machine too, and in wall-clock time.
Medians are compared. Without `--shards`, synthetic images of twice the crop's size are used. They
are cached in memory like those of any training on so few; with `--read-anew` each use reads and
decodes them, as with images that do not fit in memory.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from benchmarks.augment_time import STRENGTHS, sample
from benchmarks.step_time import CLASSES, HEADER, Method, build_method, row, take_turns
from roadshift.augment.policy import build_policy
from roadshift.augment.settings import AugmentSettings
from roadshift.datasets.samples import Sample
from roadshift.input_pipeline.batches import BatchSource, training_batches
from roadshift.input_pipeline.image_cache import CACHE_BYTES, open_train_images
from roadshift.records.reader import ShardSet, open_shards
from roadshift.records.writer import write_shards
from roadshift.taxonomy import load_taxonomy

IMAGES = 32
"""Number of images of each data set."""


def write_set(name: str, size: int, folder: Path) -> ShardSet:
    """Writes shards of images of twice the size, each shifted differently."""
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    (folder / "shards").mkdir()
    samples = []
    for number in range(IMAGES):
        file = f"{name}{number}.png"
        image, label = (np.roll(part, 7 * number, axis=1) for part in sample(size))
        keras.utils.save_img(folder / "images" / file, image, scale=False)
        label = label[..., np.newaxis] % len(CLASSES)
        keras.utils.save_img(folder / "labels" / file, label, scale=False)
        samples.append(Sample(file, "train", name, file, file, 2 * size, 2 * size))
    write_shards(
        samples,
        ("train",),
        images=folder / "images",
        labels=folder / "labels",
        taxonomy=load_taxonomy("driving11"),
        dataset=name,
        shard_megabytes=64,
        folder=folder / "shards",
    )
    return open_shards(folder / "shards")


def batches(sets: list[ShardSet], aug: dict[str, float], options: argparse.Namespace) -> Iterator:
    """Endless batches, half from each data set."""
    opened = open_train_images(sets, 0, 0 if options.read_anew else CACHE_BYTES)
    sources = [BatchSource(images, options.batch // 2) for images in opened]
    policy = build_policy(AugmentSettings(**aug), options.size, options.size)
    return iter(training_batches(sources, policy, seed=0, steps_per_epoch=100))


def compare(sets: list[ShardSet], aug: dict[str, float], options: argparse.Namespace) -> np.ndarray:
    """Compares a plain training with one with an augmentation; returns as `take_turns` does."""

    def training(settings: dict[str, float]) -> Callable[[], object]:
        step = build_method(Method(), options.freeze)
        drawn = batches(sets, settings, options)
        return lambda: step(*next(drawn)).numpy()

    return take_turns((training({}), training(aug)), options.steps)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256, help="side of the crop in pixels")
    parser.add_argument("--batch", type=int, default=8, help="crops a step, an even number")
    parser.add_argument("--steps", type=int, default=12, help="steps to time")
    parser.add_argument("--only", nargs="*", default=list(STRENGTHS), help="augmentations")
    parser.add_argument("--freeze", type=int, default=3, help="frozen stages")
    parser.add_argument("--shards", nargs=2, type=Path, help="two data sets to train on")
    parser.add_argument("--read-anew", action="store_true", help="keep no images in memory")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(2)
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    print(f"milliseconds a step, {options.size} x {options.size}, batch {options.batch}")
    print(HEADER)
    with tempfile.TemporaryDirectory() as folder:
        if options.shards:
            sets = [open_shards(shards) for shards in options.shards]
        else:
            sets = [write_set(name, options.size, Path(folder) / name) for name in ("one", "two")]
        for name in ("nothing", *options.only):
            aug = {name: STRENGTHS[name]} if name in STRENGTHS else {}
            print(row(name, compare(sets, aug, options)), flush=True)


if __name__ == "__main__":
    main()
