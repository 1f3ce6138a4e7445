"""Pictures a second in remapping labels: a lookup table against a comparison a class, on one core.

    python -m benchmarks.remap_speed [--pictures 20] [--repeats 5]

The other way is that of the ACDC course's notebook: the decoded RGB label is compared with the
colour of each of 30 classes, and the comparisons are stacked to one-hot. Both start from the
decoded label and map the same pictures: KITTI's where ROADSHIFT_MIRROR names its archive, else
synthetic labels of KITTI's size. Then the whole way of the remap stage, from file to file, is
profiled. The exit status is 1 where a bar is missed: 20 times the pictures a second, and no step
but PNG decoding and encoding above a fifth of the time.
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
from roadshift.datasets.remap import Remapper, remap_sample
from roadshift.datasets.samples import Sample, find_samples
from roadshift.datasets.splits import Parting
from roadshift.taxonomy import load_taxonomy

FASTER, SHARE = 20.0, 0.2
KITTI_SIZE = (375, 1242)
PARTING = Parting(by="official", seed=0, val=0.1, test=0.3)
CARD, TAXONOMY = load_card("kitti"), load_taxonomy("kitti30")
PNG = {"_encode_tile": "PNG encoding", "tobytes": "pixels to bytes"}


def get_labels(folder: Path, number: int) -> str:
    """Lays pictures and labels out as KITTI's publisher does; says where they are from."""
    archive = Path(os.environ.get("ROADSHIFT_MIRROR", "")) / CARD.files[0].name
    if archive.is_file():
        with zipfile.ZipFile(archive) as content:
            content.extractall(folder)
        return "KITTI's labels"
    colours = np.array([row[:-1] for row in CARD.table.values], np.uint8)
    generator = np.random.default_rng(0)
    height, width = KITTI_SIZE
    for index in range(number):
        # Blocks, since noise would make PNG look worse than it is on labels.
        blocks = generator.integers(0, len(colours), (height // 25, width // 25 + 1))
        label = colours[np.kron(blocks, np.ones((25, 25), int))[:height, :width]]
        # A photograph's grain is most of the work of decoding it.
        grain = generator.integers(0, 16, label.shape, np.uint8)
        picture = np.maximum(label, 15) - grain
        for pattern, content in ((CARD.layout.image, picture), (CARD.layout.label, label)):
            file = folder / pattern.format(id=f"{index:06}_10")
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(file)
    return "synthetic labels"


def compare_each_class(label: np.ndarray, colours: Sequence[tuple[int, ...]]) -> np.ndarray:
    """The course's way: bool (height, width, classes) of uint8 RGB (height, width, 3)."""
    return np.stack([np.all(label == colour, axis=-1) for colour in colours], axis=-1)


def look_up(label: np.ndarray, remapper: Remapper) -> np.ndarray:
    """Our way: uint8 class ids (height, width); unlike the other it finds unknown colours."""
    return remapper.class_id[remapper.native(packed_colours(label), "label")]


def seconds(way: Callable[[np.ndarray], object], labels: Sequence[np.ndarray]) -> list[float]:
    """What each label takes."""
    times = []
    for label in labels:
        start = time.perf_counter()
        way(label)
        times.append(time.perf_counter() - start)
    return times


def profile(samples: Sequence[Sample], raw: Path, folder: Path, remapper: Remapper) -> dict:
    """Seconds of a step's own in remapping from file to file, the longest first."""
    with cProfile.Profile() as profiler:
        for sample in samples:
            remap_sample(remapper, raw, folder, sample)
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
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    remapper = Remapper.of(CARD.table, TAXONOMY)
    colours = [entry.colour for entry in TAXONOMY.classes.values()]
    with TemporaryDirectory() as scratch:
        raw, folder = Path(scratch) / "raw", Path(scratch) / "remapped"
        raw.mkdir()
        source = get_labels(raw, options.pictures)
        samples = find_samples(CARD, raw, PARTING)[: options.pictures]
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
        steps = profile(samples, raw, folder, remapper)

    print(f"{len(labels)} of {source}, {options.repeats} repeats, one core; medians")
    medians = {name: float(np.median(values)) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name:24}{1000 * median:9.2f} ms a picture{1 / median:9.1f} pictures a second")
    slow, fast = medians.values()
    print(f"{slow / fast:.1f} times as many, at least {FASTER:g} wanted\n")

    total = sum(steps.values())
    print(f"from file to file {1000 * total / len(labels):.1f} ms a picture, of which")
    for name, own in list(steps.items())[:8]:
        print(f"{name[:56]:58}{own / total:6.1%}")
    above = [n for n, own in steps.items() if own / total > SHARE and not n.startswith("PNG ")]
    print(f"above {SHARE:.0%} besides PNG: {', '.join(above) or 'nothing'}")
    return int(slow / fast < FASTER or bool(above))


if __name__ == "__main__":
    sys.exit(main())
