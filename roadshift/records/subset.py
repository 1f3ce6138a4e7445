"""Copying pictures of a folder of shards into another: some of them, or without their labels."""

import io
from collections.abc import Collection, Mapping
from math import ceil
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from roadshift.datasets.splits import seeded_order
from roadshift.errors import RoadshiftError
from roadshift.records.contents import read_contents, write_contents
from roadshift.records.reader import ShardSet, record_bounds, records
from roadshift.records.writer import record_writer, write_metadata
from roadshift.taxonomy import IGNORE_ID


def draw_ids(shards: ShardSet, split: str, number: int, seed: int) -> list[str]:
    """Draws pictures of a split; those of a smaller number are among those of a larger one.

    Args:
        shards: of a data set.
        split: of it.
        number: how many, from 1.
        seed: of the choice.

    Returns:
        Their ids, sorted.

    Raises:
        RoadshiftError: the split has fewer.
    """
    ids = read_contents(shards.folder, split, shards.class_names).ids
    if number > len(ids):
        raise RoadshiftError(
            f"{number} pictures are wanted of split '{split}' of data set '{shards.name}', which "
            f"has {len(ids)}"
        )
    return sorted(seeded_order(ids, seed)[:number])


def write_subset(
    shards: ShardSet,
    wanted: Mapping[str, Collection[str]],
    labelled: bool,
    shard_megabytes: int,
    folder: Path,
) -> None:
    """Writes pictures of some splits as shards of their own, in the order that they stand in.

    Args:
        shards: where they are.
        wanted: by split, the ids of its pictures.
        labelled: whether they keep their labels; otherwise every pixel of them is ignored.
        shard_megabytes: about how large a shard may get.
        folder: an existing, empty folder.

    Raises:
        RoadshiftError: a record is damaged, or the table of the shards is not theirs.
    """
    template = tfds.core.ShardedFileTemplate(
        data_dir=folder, dataset_name=shards.name, filetype_suffix="tfrecord"
    )
    infos, rows, pixels = [], [], {}
    for split, ids in wanted.items():
        contents = read_contents(shards.folder, split, shards.class_names)
        lengths = np.concatenate(
            [np.diff(record_bounds(Path(f)))[:, 0] for f in shards.files(split)]
        )
        if len(lengths) != len(contents.ids):
            raise RoadshiftError(
                f"{shards.folder}: its table of pictures is not that of its {len(lengths)} "
                f"records of split '{split}'; run the shard stage again"
            )
        chosen = [name in ids for name in contents.ids]
        size = int(lengths[chosen].sum())
        number = min(sum(chosen), max(1, ceil(size / (shard_megabytes * 1_000_000))))
        bounds = [round(sum(chosen) * k / number) for k in range(number + 1)]
        files = [
            template.replace(split=split).sharded_filepath(shard_index=k, num_shards=number)
            for k in range(number)
        ]
        total, written = np.zeros(len(shards.class_names), np.int64), 0
        found = zip(contents.ids, contents.pixels, records(shards, split), strict=True)
        kept = (entry for entry, taken in zip(found, chosen, strict=True) if taken)
        for k, file in enumerate(files):
            with record_writer(Path(file)) as sink:
                for _ in range(bounds[k + 1] - bounds[k]):
                    name, shown, record = next(kept)
                    if not labelled:
                        shown, record = np.zeros_like(shown), _without_label(record)
                    sink.write(record)
                    written += len(record)
                    total += shown
                    rows.append((split, name, shown.tolist()))
        pixels[split] = total.tolist()
        counts = [bounds[k + 1] - bounds[k] for k in range(number)]
        infos.append(
            tfds.core.SplitInfo(
                name=split, shard_lengths=counts, num_bytes=written, filename_template=template
            )
        )
    write_contents(rows, shards.class_names, folder)
    write_metadata(folder, shards.name, shards.features, infos, shards.taxonomy, pixels)


def _without_label(record: bytes) -> bytes:
    example = tf.train.Example.FromString(record)
    label = example.features.feature["label"].bytes_list
    with Image.open(io.BytesIO(label.value[0])) as picture:
        size = picture.size
    buffer = io.BytesIO()
    Image.new("L", size, IGNORE_ID).save(buffer, "PNG")
    label.value[0] = buffer.getvalue()
    return example.SerializeToString(deterministic=True)
