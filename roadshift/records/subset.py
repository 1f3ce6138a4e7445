"""Copies images of a folder of shards to another: some of them, or without their labels."""

import io
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from roadshift.datasets.splits import seeded_order
from roadshift.errors import RoadshiftError
from roadshift.records.contents import FILE, read_contents
from roadshift.records.reader import ShardSet, record_bounds, records
from roadshift.records.shard_file import Entry
from roadshift.records.writer import ShardWriter
from roadshift.taxonomy import IGNORE_ID


def draw_ids(shards: ShardSet, split: str, *, number: int, seed: int) -> list[str]:
    """Draws images of a split; with one seed, a smaller draw is part of a larger one.

    Args:
        shards: the shards of a data set.
        split: name of the split, 'train', 'val' or 'test'.
        number: number of images, from 1.
        seed: seed of the random choice.

    Returns:
        The ids of the images, sorted.

    Raises:
        RoadshiftError: the split has fewer images.
    """
    ids = read_contents(shards.folder, split, shards.label_names).ids
    if number > len(ids):
        raise RoadshiftError(
            f"{number} images are to be drawn from split '{split}' of data set '{shards.name}', "
            f"which has only {len(ids)}; draw no more than these"
        )
    return sorted(seeded_order(ids, seed)[:number])


def write_subset(
    shards: ShardSet,
    wanted: Mapping[str, Collection[str]],
    *,
    labelled: bool,
    shard_megabytes: int,
    folder: Path,
) -> None:
    """Copies images of some splits to shards of their own, in the order of the records.

    Args:
        shards: the shards to copy from.
        wanted: ids of the images to copy, by split.
        labelled: whether the images keep their labels; otherwise every pixel is ignored.
        shard_megabytes: approximate largest size of a shard, in MB.
        folder: an existing, empty folder.

    Raises:
        RoadshiftError: a record is damaged, or the table does not match the shards.
    """
    writer = ShardWriter(
        folder,
        dataset=shards.name,
        taxonomy=shards.taxonomy,
        class_names=shards.class_names,
        partial_labels=shards.partial_labels,
        features=shards.features,
        shard_megabytes=shard_megabytes,
    )
    for split, ids in wanted.items():
        contents = read_contents(shards.folder, split, shards.label_names)
        lengths = np.concatenate(
            [np.diff(record_bounds(Path(f)))[:, 0] for f in shards.files(split)]
        )
        if len(lengths) != len(contents.ids):
            raise RoadshiftError(
                f"{shards.folder / FILE}: does not match the {len(lengths)} records of split "
                f"'{split}'; run the shard stage again"
            )
        chosen = [name in ids for name in contents.ids]
        found = zip(contents.ids, contents.pixels, records(shards, split), strict=True)
        kept = (Entry(*parts) for parts, taken in zip(found, chosen, strict=True) if taken)
        writer.write_split(
            split,
            kept if labelled else map(_unlabelled, kept),
            count=sum(chosen),
            size=int(lengths[chosen].sum()),
        )
    writer.finish()


def _unlabelled(entry: Entry) -> Entry:
    return Entry(entry.id, np.zeros_like(entry.pixels), _without_label(entry.record))


def _without_label(record: bytes) -> bytes:
    example = tf.train.Example.FromString(record)
    label = example.features.feature["label"].bytes_list
    with Image.open(io.BytesIO(label.value[0])) as image:
        size = image.size
    buffer = io.BytesIO()
    Image.new("L", size, IGNORE_ID).save(buffer, "PNG")
    label.value[0] = buffer.getvalue()
    return example.SerializeToString(deterministic=True)
