"""Large sets for benchmarks: many images, of which only a few differ, with labels."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

KITTI, CITYSCAPES = (375, 1242), (1024, 2048)
CARD = Path("roadshift/datasets/cards/folder.yaml")
DIFFERENT = 4
"""Number of images of a set that differ; the others are further names of their files."""


@dataclass(frozen=True)
class LargeSet:
    """A set in a folder of the user's.

    Attributes:
        card: file of its card.
        number: number of its images.
        megabytes: size of its images, in MB.
    """

    card: Path
    number: int
    megabytes: float


def make_set(folder: Path, size: Sequence[int], number: int, kind: str = "png") -> LargeSet:
    """Makes a set of images of blocks with grain, and labels of Cityscapes' ids.

    Args:
        folder: folder to be made.
        size: height and width of the images in pixels.
        number: number of images.
        kind: ending of the images' names, 'png' or 'jpg'.
    """
    own = folder / "own"
    for name in ("images", "labels"):
        (own / name).mkdir(parents=True)
    generator = np.random.default_rng(0)
    total = 0
    for index in range(number):
        image, label = own / f"images/{index:06}.{kind}", own / f"labels/{index:06}.png"
        if index < DIFFERENT:
            ids = generator.integers(7, 34, (size[0] // 25 + 1, size[1] // 25 + 1))
            blocks = np.kron(ids, np.ones((25, 25), int))[: size[0], : size[1]].astype(np.uint8)
            # Grain, since it is most of the work of decoding a photograph.
            grain = generator.integers(0, 16, (*blocks.shape, 3), np.uint8)
            Image.fromarray(7 * blocks[..., np.newaxis] - grain).save(image)
            Image.fromarray(blocks).save(label)
        else:
            for file in (image, label):
                os.link(file.with_stem(f"{index % DIFFERENT:06}"), file)
        total += image.stat().st_size
    card = yaml.safe_load(CARD.read_text("utf-8"))
    card |= {"folder": str(own), "encoding": "cityscapes_ids", "notes": "a benchmark's"}
    file = folder / "large.yaml"
    file.write_text(yaml.safe_dump(card, sort_keys=False), "utf-8")
    return LargeSet(file, number, total / 1e6)


def empty(folder: Path) -> Path:
    """Returns a folder after removing what it held."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
