"""Writes a synthetic data set to files: images, and labels as colours."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from roadshift.progress import progress_bar
from roadshift.synthetic.classes import CLASSES, COLOURS
from roadshift.synthetic.render import render
from roadshift.synthetic.world import WorldSettings
from roadshift.workers import parallel_map


def draw_set(
    world: WorldSettings,
    samples: Mapping[str, int],
    *,
    seed: int,
    folder: Path,
    processes: int,
) -> None:
    """Draws a data set into `images/<split>/<id>.png` and `labels/<split>/<id>.png`.

    No two splits share a scene. The images do not depend on the number of processes.

    Args:
        world: domain that is drawn.
        samples: number of images of each split.
        seed: seed of the scenes, 0..2^63 - 1.
        folder: existing folder that the files are written to.
        processes: number of processes that draw.
    """
    scenes = [(split, k) for split, number in samples.items() for k in range(number)]
    for split in samples:
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True)
    draw = partial(_draw_one, world, seed, folder)
    with (
        parallel_map(draw, list(enumerate(scenes)), processes) as results,
        progress_bar("draw", "image", len(scenes)) as progress,
    ):
        for _ in results:
            progress.update()


def _draw_one(
    world: WorldSettings, seed: int, folder: Path, numbered: tuple[int, tuple[str, int]]
) -> None:
    index, (split, number) = numbered
    image, label = render(world, seed, index)
    colours = np.array([COLOURS[name] for name in CLASSES], np.uint8)
    name = f"{split}_{number:05d}.png"
    Image.fromarray(image).save(folder / "images" / split / name)
    Image.fromarray(colours[label]).save(folder / "labels" / split / name)
