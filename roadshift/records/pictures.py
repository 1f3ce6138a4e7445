"""The training pictures of data sets: decoded once and kept where memory allows, else read anew.

Decoding takes a tenth of the time that a network needs to learn from a crop, and a picture that
is mixed with a partner needs two. Either way the same pictures come in the same order, so that
how much memory there is does not change what is computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import tensorflow as tf

from roadshift.records.height import fit_height
from roadshift.records.index import PictureIndex, index_pictures
from roadshift.records.reader import ShardSet

KEPT_BYTES = 2**30
"""How large the pictures of a training may be, decoded. In memory they take several times that:
TensorFlow copies what a function holds into the graph of each source's input pipeline."""
WORKERS = 2
"""Pictures that are decoded, or augmented, at once."""
ID_ALONE = {"id": tf.io.FixedLenFeature((), tf.string)}

Decoded = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
"""Image uint8 (H, W, 3), label uint8 (H, W), id."""


class Reader(Protocol):
    """Access to pictures by handles, scalars that stand for pictures that are not yet decoded."""

    @property
    def nothing(self) -> tf.Tensor:
        """A handle of no picture."""

    def in_file(self, shards: ShardSet, index: PictureIndex, file: tf.Tensor) -> tf.data.Dataset:
        """The handles of a shard's pictures in their order, by the shard's number in its split."""

    def at(self, index: PictureIndex, number: tf.Tensor) -> tf.data.Dataset:
        """The handle of a picture, as a data set of one; for `Dataset.flat_map` alone."""

    def sample_id(self, handle: tf.Tensor) -> tf.Tensor:
        """The id of a picture."""

    def picture(self, handle: tf.Tensor) -> Decoded:
        """A picture, no taller than is wanted, its label and its id."""


@dataclass(frozen=True)
class Pictures:
    """The pictures of a data set that a training draws from."""

    shards: ShardSet
    index: PictureIndex
    reader: Reader

    def in_file(self, file: tf.Tensor) -> tf.data.Dataset:
        """As the reader's."""
        return self.reader.in_file(self.shards, self.index, file)


def open_pictures(
    sets: Sequence[ShardSet], max_height: int, kept_bytes: int = KEPT_BYTES
) -> list[Pictures]:
    """Opens the training splits of data sets with the same features, by a reader for all.

    Args:
        sets: of a training.
        max_height: pictures taller than this are scaled down to it; 0 = none.
        kept_bytes: up to which size of all, decoded, they are kept in memory; 0 = never, for who
            looks at a few of them only.

    Raises:
        RoadshiftError: a set has no training pictures, or its table of pictures is not its own.
    """
    indices, count = [], 0
    for shards in sets:
        index = index_pictures(shards, "train")
        indices.append(replace(index, places=index.places + count))
        count += len(index.ids)
    stored = _Stored(sets[0], max_height)
    reader = _keep(sets, indices, stored, kept_bytes) or stored
    return [Pictures(s, index, reader) for s, index in zip(sets, indices, strict=True)]


@dataclass(frozen=True)
class _Stored:
    """Reads and decodes a picture whenever it is wanted; a handle is its record."""

    shards: ShardSet
    """One of the sets: all hold the same features."""
    max_height: int

    @property
    def nothing(self) -> tf.Tensor:
        return tf.constant("")

    def in_file(self, shards: ShardSet, index: PictureIndex, file: tf.Tensor) -> tf.data.Dataset:
        return tf.data.TFRecordDataset(tf.gather(tf.constant(shards.files("train")), file))

    def at(self, index: PictureIndex, number: tf.Tensor) -> tf.data.Dataset:
        return index.records(number)

    def sample_id(self, handle: tf.Tensor) -> tf.Tensor:
        return tf.io.parse_single_example(handle, ID_ALONE)["id"]

    def picture(self, handle: tf.Tensor) -> Decoded:
        example = self.shards.features.deserialize_example(handle)
        image, label = example["image"], example["label"][..., 0]
        return *fit_height(image, label, self.max_height), example["id"]


@dataclass(frozen=True)
class _Kept:
    """Has all pictures in memory; a handle is the place of one among them, int64."""

    pixels: tf.Tensor
    """uint8 (bytes,): of each picture its image (H, W, 3), then its label (H, W)."""
    starts: np.ndarray
    """int64 (pictures,), into the pixels."""
    sizes: np.ndarray
    """int64 (pictures, 2): height and width."""
    ids: np.ndarray
    """str (pictures,)."""

    @property
    def nothing(self) -> tf.Tensor:
        return tf.constant(-1, tf.int64)

    def in_file(self, shards: ShardSet, index: PictureIndex, file: tf.Tensor) -> tf.data.Dataset:
        ends = index.places.min() + np.cumsum(list(shards.shard_lengths["train"].values()))
        starts = np.concatenate([index.places.min(keepdims=True), ends[:-1]])
        return tf.data.Dataset.range(*(tf.gather(tf.constant(b), file) for b in (starts, ends)))

    def at(self, index: PictureIndex, number: tf.Tensor) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices([tf.gather(tf.constant(index.places), number)])

    def sample_id(self, handle: tf.Tensor) -> tf.Tensor:
        return tf.gather(tf.constant(self.ids), handle)

    def picture(self, handle: tf.Tensor) -> Decoded:
        start = tf.gather(tf.constant(self.starts), handle)
        height, width = tf.unstack(tf.gather(tf.constant(self.sizes), handle))
        area = height * width
        image = tf.reshape(tf.slice(self.pixels, [start], [3 * area]), [height, width, 3])
        label = tf.reshape(tf.slice(self.pixels, [start + 3 * area], [area]), [height, width])
        return image, label, self.sample_id(handle)


def _keep(
    sets: Sequence[ShardSet], indices: Sequence[PictureIndex], stored: _Stored, limit: int
) -> _Kept | None:
    """Decodes all pictures, in the order of their places; None where they are too large."""
    # No PNG is much larger than what it holds, so this saves decoding what will not fit.
    if sum(int(np.diff(index.bounds).sum()) for index in indices) > limit:
        return None

    def flat(record: tf.Tensor) -> tuple[tf.Tensor, ...]:
        image, label, sample_id = stored.picture(record)
        both = tf.concat([tf.reshape(image, [-1]), tf.reshape(label, [-1])], axis=0)
        return both, tf.shape(label), sample_id

    parts, sizes, ids, total = [], [], [], 0
    files = [file for shards in sets for file in shards.files("train")]
    for both, size, sample_id in tf.data.TFRecordDataset(files).map(
        flat, num_parallel_calls=WORKERS
    ):
        total += len(both)
        if total > limit:
            return None
        parts.append(both)
        sizes.append(size.numpy())
        ids.append(sample_id.numpy())
    shapes = np.array(sizes, np.int64)
    lengths = 4 * shapes.prod(axis=1)
    with tf.device("CPU"):  # where input pipelines run
        pixels = tf.concat(parts, axis=0)
    return _Kept(pixels, np.cumsum(lengths) - lengths, shapes, np.array(ids))
