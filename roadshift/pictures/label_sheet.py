"""A contact sheet of what shards hold: pictures with their labels, to be checked by eye."""

import numpy as np
from PIL import Image

from roadshift.datasets.splits import seeded_order
from roadshift.errors import RoadshiftError
from roadshift.pictures.sheet import Panel, coloured, contact_sheet, scaled_size
from roadshift.records.reader import Example, ShardSet, examples
from roadshift.taxonomy import IGNORE_ID, Taxonomy, load_taxonomy

PANEL_WIDTH = 320
COLUMNS = 4


def label_sheet(shards: ShardSet, split: str, number: int, seed: int, over: bool) -> Image.Image:
    """Draws pictures of a split with their labels; the same shards give the same pixels.

    Args:
        shards: where the pictures are.
        split: train, val or test.
        number: how many pictures; all there are where it is more.
        seed: which ones.
        over: whether labels lie over the pictures, half and half, or beside them.

    Returns:
        A sheet with ids as captions and a legend with each class's share of the shown pixels.

    Raises:
        RoadshiftError: the split is empty or damaged, or its classes are not those of the
            taxonomy it names.
    """
    taxonomy = load_taxonomy(shards.taxonomy)
    if taxonomy.class_names != shards.class_names:
        raise RoadshiftError(
            f"{shards.folder}: its classes are not those that the taxonomy '{taxonomy.name}' has "
            "now; run the remap and shard stages again"
        )
    count = shards.count(split)
    chosen = {int(k) for k in seeded_order(map(str, range(count)), seed)[:number]}
    panels: list[Panel] = []
    pixels = np.zeros(256, np.int64)
    for example in examples(shards, split, chosen):
        pixels += np.bincount(example.label.ravel(), minlength=256)
        panels += _panels(example, taxonomy, over)
    title = (
        f"{shards.name}, {split}: {len(chosen)} of {count} pictures (seed {seed}), labels in "
        f"{taxonomy.name}"
    )
    rows = [panels[start : start + COLUMNS] for start in range(0, len(panels), COLUMNS)]
    return contact_sheet(rows, taxonomy, PANEL_WIDTH, title, pixels)


def _panels(example: Example, taxonomy: Taxonomy, over: bool) -> list[Panel]:
    # Scaled one by one: a set's pictures at their own size may not fit into memory together. And
    # ids before colours, so that no colour is shown that is no class's.
    size = scaled_size(example.image, PANEL_WIDTH)
    picture = np.asarray(Image.fromarray(example.image).resize(size))
    label = np.asarray(Image.fromarray(example.label).resize(size, Image.Resampling.NEAREST))
    if over:
        return [Panel(example.id, coloured(label, taxonomy, picture))]
    ignored = 100 * float(np.mean(example.label == IGNORE_ID))
    caption = f"{example.group}  " if example.group else ""
    return [
        Panel(example.id, picture),
        Panel(f"{caption}{ignored:.1f} % ignored", coloured(label, taxonomy)),
    ]
