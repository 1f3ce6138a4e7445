"""Opens a folder of shards, and checks that it is complete."""

import re
import struct
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from google.protobuf.json_format import ParseError

from roadshift.errors import RoadshiftError
from roadshift.records.decoding import decode_record
from roadshift.taxonomy import PartialLabel

# A TFRecord is: length (8 bytes, little endian), its checksum (4), the data, its checksum (4).
HEADER, FOOTER = 12, 4
PARTIAL_LABELS = "partial_labels"
"""Key of the metadata; by label id, the names of the partial label's classes."""
_AGAIN = "run the shard stage again"


@dataclass(frozen=True)
class ShardSet:
    """A folder that `write_shards` wrote.

    Attributes:
        folder: the folder.
        name: name of the data set.
        taxonomy: name of the taxonomy of the labels.
        class_names: names of the classes, in the order of their ids.
        partial_labels: the partial labels in the shards, in the order of their ids.
        features: features of a record.
        shard_lengths: shards of each split, in order, with their numbers of records.
        pixels: number of pixels of each class, then of each partial label, in each split, in the
            order of their ids.
    """

    folder: Path
    name: str
    taxonomy: str
    class_names: tuple[str, ...]
    partial_labels: tuple[PartialLabel, ...]
    features: tfds.features.FeaturesDict
    shard_lengths: dict[str, dict[Path, int]]
    pixels: dict[str, list[int]]

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes, then of the partial labels in the shards."""
        return (*self.class_names, *(partial.name for partial in self.partial_labels))

    def count(self, split: str) -> int:
        """Returns the number of samples of a split; 0 if there is no such split."""
        return sum(self.shard_lengths.get(split, {}).values())

    def files(self, split: str) -> list[str]:
        """Returns the paths of a split's shards, in order.

        Raises:
            RoadshiftError: the split is empty.
        """
        if not self.count(split):
            raise RoadshiftError(
                f"{self.folder}: data set '{self.name}' has no images in split '{split}'; "
                "choose another data set for this role"
            )
        return [str(file) for file in self.shard_lengths[split]]


def open_shards(folder: Path) -> ShardSet:
    """Opens a folder of shards and counts the records of each, without reading their data.

    Raises:
        RoadshiftError: the folder holds no shards, or a shard is missing, cut short, or has another
            number of records than the folder's metadata say.
    """
    try:
        info = tfds.builder_from_directory(str(folder)).info
        taxonomy, pixels = info.metadata["taxonomy"], info.metadata["pixels"]
        class_names = tuple(info.features["label"].names)
        partial_labels = tuple(
            PartialLabel.of(int(label_id), map(class_names.index, names), class_names)
            for label_id, names in info.metadata.get(PARTIAL_LABELS, {}).items()
        )
        lengths = {
            split: {
                Path(path): length
                for path, length in zip(entry.filepaths, entry.shard_lengths, strict=True)
            }
            for split, entry in info.splits.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ParseError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RoadshiftError(f"{folder}: not a folder of shards ({reason}); {_AGAIN}") from None
    for shards in lengths.values():
        for file, expected in shards.items():
            found = len(record_bounds(file))
            if found != expected:
                raise RoadshiftError(f"{file}: {found} records, expected {expected}; {_AGAIN}")
    return ShardSet(
        folder, info.name, taxonomy, class_names, partial_labels, info.features, lengths, pixels
    )


def record_bounds(file: Path) -> np.ndarray:
    """Finds where the records of a shard lie, without reading their data.

    Returns:
        int64 (records, 2), first byte of each record, and the byte after its last.

    Raises:
        RoadshiftError: the file is missing or cut short.
    """
    bounds = []
    try:
        size = file.stat().st_size
        with file.open("rb") as content:
            position = 0
            while position < size:
                content.seek(position)
                header = content.read(HEADER)
                if len(header) < HEADER:
                    break
                start = position
                position += HEADER + struct.unpack("<Q", header[:8])[0] + FOOTER
                bounds.append((start, position))
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing; {_AGAIN}") from None
    if position != size:
        raise RoadshiftError(f"{file}: cut short or damaged; {_AGAIN}")
    return np.array(bounds, np.int64).reshape(-1, 2)


def check_records(shards: ShardSet) -> None:
    """Reads all records once and verifies their checksums.

    The input pipeline of a training cannot tell which file a damaged record is in, and may reach it
    only after hours.

    Raises:
        RoadshiftError: a record is damaged.
    """
    for split in shards.shard_lengths:
        for file in shards.files(split):
            try:
                # Not by `reduce`: TensorFlow keeps the function of each, a tenth of a megabyte.
                for _ in tf.data.TFRecordDataset(file):
                    pass
            except tf.errors.DataLossError as error:
                raise _damaged(file, error) from None


def _damaged(file: str, error: Exception) -> RoadshiftError:
    # The names of TensorFlow's operations are removed: they mean nothing to the user.
    reason = " ".join(re.sub(r"{{.*?}}|\[Op:.*", "", str(error)).split())[:120]
    return RoadshiftError(f"{file}: a record is damaged ({reason}); {_AGAIN}")


@dataclass(frozen=True)
class Example:
    """A sample as NumPy arrays.

    Attributes:
        id: id of the sample.
        group: drive or city that the image is from.
        image: uint8 (H, W, 3), RGB.
        label: uint8 (H, W), ids of classes and partial labels, 255 = ignore.
    """

    id: str
    group: str
    image: np.ndarray
    label: np.ndarray


def examples(
    shards: ShardSet, split: str, only: Collection[int] | None = None
) -> Iterator[Example]:
    """Reads the samples of a split in their fixed order, at their own resolution.

    Args:
        shards: the shards of a data set.
        split: name of the split, 'train', 'val' or 'test'.
        only: places of the wanted samples in that order, from 0; the others are skipped without
            being decoded. None for all.

    Raises:
        RoadshiftError: the split is empty, or a record is damaged.
    """
    first = 0
    # One file at a time, so that an error can name it.
    for file in shards.files(split):
        records = tf.data.TFRecordDataset(file)
        length = shards.shard_lengths[split][Path(file)]
        if only is not None:
            records = _only(records, [k - first for k in only if first <= k < first + length])
        first += length
        decoded = records.map(
            lambda record: decode_record(shards.features, record), num_parallel_calls=2
        )
        try:
            for example in decoded.prefetch(2).as_numpy_iterator():
                yield Example(
                    example["id"].decode(),
                    example["group"].decode(),
                    example["image"],
                    example["label"][..., 0],
                )
        except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
            raise _damaged(file, error) from None


def records(shards: ShardSet, split: str) -> Iterator[bytes]:
    """Reads the serialized records of a split in their fixed order.

    Raises:
        RoadshiftError: the split is empty, or a record is damaged.
    """
    for file in shards.files(split):
        try:
            yield from tf.data.TFRecordDataset(file).as_numpy_iterator()
        except tf.errors.DataLossError as error:
            raise _damaged(file, error) from None


def _only(records: tf.data.Dataset, places: list[int]) -> tf.data.Dataset:
    wanted = tf.constant(places, tf.int64)
    chosen = records.enumerate().filter(lambda place, _: tf.reduce_any(place == wanted))
    return chosen.map(lambda _, record: record)


def all_partial_labels(sets: Iterable[ShardSet]) -> tuple[PartialLabel, ...]:
    """Returns the partial labels of data sets with the same taxonomy, each once, by their ids.

    Raises:
        RoadshiftError: an id stands for other classes in one set than in another.
    """
    found: dict[int, PartialLabel] = {}
    for shards in sets:
        for partial in shards.partial_labels:
            if found.setdefault(partial.id, partial) != partial:
                raise RoadshiftError(
                    f"{shards.folder}: label id {partial.id} is '{partial.name}', elsewhere it is "
                    f"'{found[partial.id].name}'; run the remap and shard stages again"
                )
    return tuple(found[label_id] for label_id in sorted(found))


def same_classes(sets: Iterable[ShardSet]) -> tuple[str, tuple[str, ...]]:
    """Returns the taxonomy and the classes that all data sets share.

    Raises:
        RoadshiftError: two of them differ.
    """
    first, *others = sets
    for other in others:
        if (other.taxonomy, other.class_names) != (first.taxonomy, first.class_names):
            raise RoadshiftError(
                f"{other.folder}: labels in taxonomy '{other.taxonomy}', those of {first.folder} "
                f"in '{first.taxonomy}'; run the remap and shard stages again"
            )
    return first.taxonomy, first.class_names
