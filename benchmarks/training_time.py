"""By how much each augmentation slows a training, its input pipeline included.

    python -m benchmarks.training_time [--size 256] [--batch 8] [--steps 12]
    python -m benchmarks.training_time --shards data/shards/a/trainval data/shards/b/trainval

Two trainings from two data sets take turns, a plain one that only cuts crops and one in which the
augmentation is applied to every sample; each step is timed together with the batch that is made
beside it, by the processor, which tells on a busy machine, too, and by the clock. Medians are
compared. Without shards of one's own, pictures are made of twice the crop's size. They are kept in
memory as in any training of so few; `--read-anew` reads and decodes them whenever they are wanted,
as those are that do not fit.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from benchmarks.augment_time import STRENGTHS, picture
from benchmarks.step_time import CLASSES, HEADER, Method, build_method, row, take_turns
from roadshift.augment.keys import sample_key
from roadshift.augment.policy import build_policy
from roadshift.augment.settings import AugmentSettings
from roadshift.datasets.samples import Sample
from roadshift.records.pictures import KEPT_BYTES, open_pictures
from roadshift.records.pipeline import Source, training_batches
from roadshift.records.reader import ShardSet, open_shards
from roadshift.records.writer import write_shards
from roadshift.taxonomy import load_taxonomy

PICTURES = 32
"""Of each data set."""


def write_set(name: str, size: int, folder: Path) -> ShardSet:
    """Shards of pictures of twice the size, each with its own shift."""
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    (folder / "shards").mkdir()
    samples = []
    for number in range(PICTURES):
        file = f"{name}{number}.png"
        image, label = (np.roll(part, 7 * number, axis=1) for part in picture(size))
        keras.utils.save_img(folder / "images" / file, image, scale=False)
        label = label[..., np.newaxis] % len(CLASSES)
        keras.utils.save_img(folder / "labels" / file, label, scale=False)
        samples.append(Sample(file, "train", name, file, file, 2 * size, 2 * size))
    of_set = folder / "images", folder / "labels"
    write_shards(
        samples, ("train",), *of_set, load_taxonomy("driving11"), name, 64, folder / "shards"
    )
    return open_shards(folder / "shards")


def batches(sets: list[ShardSet], aug: dict[str, float], options: argparse.Namespace) -> Iterator:
    """Endless batches, half of each data set."""
    opened = open_pictures(sets, 0, 0 if options.read_anew else KEPT_BYTES)
    sources = [Source(found, options.batch // 2) for found in opened]
    policy = build_policy(AugmentSettings(**aug), options.size, options.size)
    return iter(training_batches(sources, policy, sample_key, 0, 100))


def compare(sets: list[ShardSet], aug: dict[str, float], options: argparse.Namespace) -> np.ndarray:
    """Seconds as `take_turns` returns them: of a plain training and of one with an augmentation."""

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
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--only", nargs="*", default=list(STRENGTHS), help="augmentations")
    parser.add_argument("--freeze", type=int, default=3, help="frozen stages")
    parser.add_argument("--shards", nargs=2, type=Path, help="two data sets to train on")
    parser.add_argument("--read-anew", action="store_true", help="keep no pictures in memory")
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
