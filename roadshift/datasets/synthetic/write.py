"""Writing a synthetic set as a publisher would lay it out: pictures, and labels in colours."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from roadshift.datasets.synthetic.classes import CLASSES, COLOURS
from roadshift.datasets.synthetic.picture import render
from roadshift.datasets.synthetic.world import WorldSettings
from roadshift.progress import progress_bar
from roadshift.workers import results_of


def draw_set(
    world: WorldSettings, samples: Mapping[str, int], seed: int, folder: Path, processes: int
) -> None:
    """Draws a set into `images/<split>/<id>.png` and `labels/<split>/<id>.png`.

    No two splits share a scene, and the pictures do not depend on the number of processes.

    Args:
        world: the domain.
        samples: how many pictures each split gets.
        seed: what the scenes are drawn from.
        folder: an existing folder.
        processes: how many pictures are drawn at once.
    """
    scenes = [(split, k) for split, number in samples.items() for k in range(number)]
    for split in samples:
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True)
    draw = partial(_draw_one, world, seed, folder)
    with (
        results_of(draw, list(enumerate(scenes)), processes) as results,
        progress_bar("draw", "picture", len(scenes)) as progress,
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
