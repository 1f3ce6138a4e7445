"""Compares two ways of remapping labels on one core: a lookup table, and a comparison a class.

    python -m benchmarks.remap_speed [--images 20] [--repeats 5]

The comparisons are those of the ACDC course's notebook: the decoded RGB label is compared with the
colour of each of 30 classes, and the results are stacked to one-hot. Both ways start from the
decoded label and map the same labels: KITTI's if ROADSHIFT_MIRROR names a folder with its archive,
else synthetic ones of KITTI's size. Then the remap stage is profiled from file to file. The exit
status is 1 if the lookup table maps less than 20 times as many images a second, or if a step other
than PNG decoding and encoding takes more than a fifth of the time.
"""

import argparse
import cProfile
import os
import pstats
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from roadshift.datasets.card import load_card
from roadshift.datasets.images import packed_colours
from roadshift.datasets.native_label import PixelReader
from roadshift.datasets.remap import Remapper, remap_sample
from roadshift.datasets.samples import Sample, find_samples
from roadshift.datasets.splits import SplitConfig
from roadshift.taxonomy import load_taxonomy

MIN_SPEEDUP, MAX_SHARE = 20.0, 0.2
KITTI_SIZE = (375, 1242)
SPLIT_CONFIG = SplitConfig(by="official", seed=0, val=0.1, test=0.3)
CARD, TAXONOMY = load_card("kitti"), load_taxonomy("kitti30")
READER = PixelReader(CARD.table)
PNG = {"_encode_tile": "PNG encoding", "tobytes": "pixels to bytes"}


def get_labels(folder: Path, number: int) -> str:
    """Writes images and labels in the layout of KITTI's publisher; returns what they are."""
    archive = Path(os.environ.get("ROADSHIFT_MIRROR", "")) / CARD.files[0].name
    if archive.is_file():
        with zipfile.ZipFile(archive) as content:
            content.extractall(folder)
        return "KITTI's labels"
    colours = np.array([row[:-1] for row in CARD.table.values], np.uint8)
    generator = np.random.default_rng(0)
    height, width = KITTI_SIZE
    for index in range(number):
        # Labels consist of blocks; PNG would take longer on noise than on real labels.
        blocks = generator.integers(0, len(colours), (height // 25, width // 25 + 1))
        label = colours[np.kron(blocks, np.ones((25, 25), int))[:height, :width]]
        # Grain, since it is most of the work of decoding a photograph.
        grain = generator.integers(0, 16, label.shape, np.uint8)
        image = np.maximum(label, 15) - grain
        for pattern, content in ((CARD.layout.image, image), (CARD.layout.label, label)):
            file = folder / pattern.format(id=f"{index:06}_10")
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(file)
    return "synthetic labels"


def compare_each_class(label: np.ndarray, colours: Sequence[tuple[int, ...]]) -> np.ndarray:
    """Maps uint8 RGB (H, W, 3) to bool (H, W, classes), in the course's way."""
    return np.stack([np.all(label == colour, axis=-1) for colour in colours], axis=-1)


def look_up(label: np.ndarray, remapper: Remapper) -> np.ndarray:
    """Maps uint8 RGB (H, W, 3) to uint8 class ids (H, W); finds unknown colours too."""
    native = READER.native(packed_colours(label))
    return remapper.class_id[remapper.checked(native, "label")]


def seconds(way: Callable[[np.ndarray], object], labels: Sequence[np.ndarray]) -> list[float]:
    """Seconds that each label takes."""
    times = []
    for label in labels:
        start = time.perf_counter()
        way(label)
        times.append(time.perf_counter() - start)
    return times


def profile(samples: Sequence[Sample], remapper: Remapper, *, raw: Path, folder: Path) -> dict:
    """Own seconds of each step of remapping from file to file, by its name, the longest first."""
    with cProfile.Profile() as profiler:
        for sample in samples:
            remap_sample(sample, remapper=remapper, raw=raw, folder=folder)
    steps: dict[str, float] = {}
    statistics = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    for (file, _, function), (_, _, own, _, callers) in statistics.items():
        if function == "<method 'decode' of 'ImagingDecoder' objects>":
            steps["PNG decoding"] = own
        elif function == "<method 'encode' of 'ImagingEncoder' objects>":
            for (_, _, caller), (_, _, share, _) in callers.items():
                name = PNG.get(caller, caller)
                steps[name] = steps.get(name, 0) + share
        else:
            name = function if file == "~" else f"{Path(file).name}: {function}"
            steps[name] = steps.get(name, 0) + own
    return dict(sorted(steps.items(), key=lambda step: -step[1]))


def main() -> int:
    """Prints both tables; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=20, help="number of images")
    parser.add_argument("--repeats", type=int, default=5, help="times that each is mapped")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    remapper = Remapper.of(CARD.table, TAXONOMY, reader=READER)
    colours = [entry.colour for entry in TAXONOMY.classes.values()]
    with TemporaryDirectory() as scratch:
        raw, folder = Path(scratch) / "raw", Path(scratch) / "remapped"
        raw.mkdir()
        source = get_labels(raw, options.images)
        samples = find_samples(CARD, raw, SPLIT_CONFIG)[: options.images]
        labels = [np.asarray(Image.open(raw / s.label).convert("RGB")) for s in samples]
        for label in labels:
            one_hot = compare_each_class(label, colours)
            if not np.array_equal(one_hot.argmax(-1), look_up(label, remapper)):
                sys.exit("the two ways differ")

        ways: dict[str, Callable[[np.ndarray], object]] = {
            f"{len(colours)} comparisons": lambda label: compare_each_class(label, colours),
            "lookup table": lambda label: look_up(label, remapper),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.repeats):
            for name, way in ways.items():
                times[name] += seconds(way, labels)
        steps = profile(samples, remapper, raw=raw, folder=folder)

    print(f"{len(labels)} of {source}, {options.repeats} repeats, one core; medians")
    medians = {name: float(np.median(values)) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name:24}{1000 * median:9.2f} ms an image{1 / median:9.1f} images a second")
    slow, fast = medians.values()
    print(f"{slow / fast:.1f} times as many, expected at least {MIN_SPEEDUP:g}\n")

    total = sum(steps.values())
    print(f"from file to file {1000 * total / len(labels):.1f} ms an image, of which")
    for name, own in list(steps.items())[:8]:
        print(f"{name[:56]:58}{own / total:6.1%}")
    above = [n for n, own in steps.items() if own / total > MAX_SHARE and not n.startswith("PNG ")]
    print(f"above {MAX_SHARE:.0%} besides PNG: {', '.join(above) or 'nothing'}")
    return int(slow / fast < MIN_SPEEDUP or bool(above))


if __name__ == "__main__":
    sys.exit(main())
