"""Draws contact sheets of the images and labels in shards, to be checked by eye."""

import numpy as np
from PIL import Image

from roadshift.datasets.splits import seeded_order
from roadshift.errors import RoadshiftError
from roadshift.pictures.sheet import Panel, coloured, contact_sheet, scaled_size
from roadshift.records.reader import Example, ShardSet, examples
from roadshift.taxonomy import IGNORE_ID, Taxonomy, load_taxonomy

PANEL_WIDTH = 320
COLUMNS = 4


def label_sheet(shards: ShardSet, split: str, *, number: int, seed: int, over: bool) -> Image.Image:
    """Draws images of a split with their labels; the same shards give the same pixels.

    Args:
        shards: shards with the images.
        split: name of the split, 'train', 'val' or 'test'.
        number: largest number of images.
        seed: seed of the choice of images.
        over: whether labels lie over the images, half and half, instead of beside them.

    Returns:
        A sheet with ids as captions and a legend with each class's share of the shown pixels.

    Raises:
        RoadshiftError: the split is empty or damaged, or its classes are not those of its
            taxonomy.
    """
    taxonomy = load_taxonomy(shards.taxonomy)
    if taxonomy.class_names != shards.class_names:
        raise RoadshiftError(
            f"{shards.folder}: its classes are not those of the current taxonomy "
            f"'{taxonomy.name}'; run the remap and shard stages again"
        )
    count = shards.count(split)
    chosen = {int(k) for k in seeded_order(map(str, range(count)), seed)[:number]}
    panels: list[Panel] = []
    pixels = np.zeros(256, np.int64)
    for example in examples(shards, split, chosen):
        pixels += np.bincount(example.label.ravel(), minlength=256)
        panels += _panels(example, taxonomy, over)
    title = (
        f"{shards.name}, {split}: {len(chosen)} of {count} images (seed {seed}), labels in "
        f"{taxonomy.name}"
    )
    rows = [panels[start : start + COLUMNS] for start in range(0, len(panels), COLUMNS)]
    return contact_sheet(
        rows,
        taxonomy,
        PANEL_WIDTH,
        title=title,
        pixels=pixels,
        partial_labels=shards.partial_labels,
    )


def _panels(example: Example, taxonomy: Taxonomy, over: bool) -> list[Panel]:
    # Images are scaled one by one, since at their own size they may not fit into memory together.
    # Ids are scaled before they are coloured, so that every colour is a class's.
    size = scaled_size(example.image, PANEL_WIDTH)
    image = np.asarray(Image.fromarray(example.image).resize(size))
    label = np.asarray(Image.fromarray(example.label).resize(size, Image.Resampling.NEAREST))
    if over:
        return [Panel(example.id, coloured(label, taxonomy, image))]
    ignored = 100 * float(np.mean(example.label == IGNORE_ID))
    caption = f"{example.group}  " if example.group else ""
    return [
        Panel(example.id, image),
        Panel(f"{caption}{ignored:.1f} % ignored", coloured(label, taxonomy)),
    ]
