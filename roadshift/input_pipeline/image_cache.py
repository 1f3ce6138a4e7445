"""The training images of data sets: decoded once and kept if memory allows, else read each time.

Decoding takes a tenth of the time that a network needs to learn from a crop, and a sample with a
partner needs two decodings. Either way the same images come in the same order, so the amount of
memory does not change results: an environment variable, and no parameter, sets it.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import tensorflow as tf

from roadshift.errors import RoadshiftError
from roadshift.inference.resizing import limit_height
from roadshift.input_pipeline.index import ImageIndex, index_images
from roadshift.records.decoding import decode_record
from roadshift.records.reader import ShardSet

CACHE_VARIABLE = "ROADSHIFT_IMAGE_CACHE"
"""Environment variable: largest size in GiB of a training's decoded images, which are in memory
once; twice while they are loaded. 0 keeps none."""
CACHE_BYTES = 2**30
"""The size in bytes where the variable is not set."""
WORKERS = tf.data.AUTOTUNE
"""Number of images that are decoded, or augmented, at once: the samples do not depend on it."""
ID_ALONE = {"id": tf.io.FixedLenFeature((), tf.string)}

Decoded = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
"""Image uint8 (H, W, 3), label uint8 (H, W), id."""


class Reader(Protocol):
    """Access to images by handles: scalars that stand for images that are not yet decoded."""

    @property
    def at_once(self) -> int | None:
        """The number of images that are looked up at once; None for one after the other."""

    @property
    def nothing(self) -> tf.Tensor:
        """The handle that stands for no image."""

    def at(self, index: ImageIndex, number: tf.Tensor) -> tf.data.Dataset:
        """Returns the handle of an image as a data set of one; only for `Dataset.flat_map`."""

    def sample_id(self, handle: tf.Tensor) -> tf.Tensor:
        """Returns the id of an image."""

    def image(self, handle: tf.Tensor) -> Decoded:
        """Returns an image and its label, scaled down to the height limit, and its id."""


@dataclass(frozen=True)
class TrainImages:
    """The images of a data set that a training draws from.

    Attributes:
        shards: the data set's shards.
        index: index of its train split.
        reader: reader of its images.
    """

    shards: ShardSet
    index: ImageIndex
    reader: Reader

    def in_file(self, file: tf.Tensor) -> tf.data.Dataset:
        """Returns the numbers in the index of a shard's images, in their order in the shard.

        Args:
            file: int scalar, number of the shard in the train split.
        """
        bounds = np.cumsum([0, *self.shards.shard_lengths["train"].values()])
        start, end = (tf.gather(tf.constant(each), file) for each in (bounds[:-1], bounds[1:]))
        numbers = tf.constant(np.argsort(self.index.places))
        return tf.data.Dataset.range(start, end).map(lambda place: tf.gather(numbers, place))


def open_train_images(
    sets: Sequence[ShardSet], max_height: int, cache_bytes: int | None = None
) -> list[TrainImages]:
    """Opens the train splits of data sets with the same features, with one reader for all.

    Args:
        sets: the data sets of a training.
        max_height: pixels; a taller image is scaled down to it; 0 for no limit.
        cache_bytes: largest size in bytes of all decoded images that are kept in memory; 0 keeps
            none, which suits a caller that looks at only a few images; None is what
            `CACHE_VARIABLE` says.

    Raises:
        RoadshiftError: a set has no training images, its images.csv does not match its records, or
            the environment variable is no size.
    """
    limit = _allowed_bytes() if cache_bytes is None else cache_bytes
    indices, count = [], 0
    for shards in sets:
        index = index_images(shards, "train")
        indices.append(replace(index, places=index.places + count))
        count += len(index.ids)
    stored = _ShardReader(sets[0], max_height)
    reader = _load(sets, indices, stored, limit) or stored
    return [TrainImages(s, index, reader) for s, index in zip(sets, indices, strict=True)]


def _allowed_bytes() -> int:
    text = os.environ.get(CACHE_VARIABLE)
    if text is None:
        return CACHE_BYTES
    try:
        size = 2**30 * float(text)
    except ValueError:
        size = -1.0
    if not 0 <= size < np.inf:
        raise RoadshiftError(
            f"{CACHE_VARIABLE}: '{text}' is no number of GiB, 0 or more; correct the environment "
            f"variable, or unset it for {CACHE_BYTES / 2**30:g} GiB"
        )
    return int(size)


@dataclass(frozen=True)
class _ShardReader:
    """Reads and decodes an image each time; a handle is its record.

    Attributes:
        shards: one of the data sets; all have the same features.
        max_height: pixels; a taller image is scaled down to it; 0 for no limit.
    """

    shards: ShardSet
    max_height: int

    @property
    def at_once(self) -> int:
        return WORKERS

    @property
    def nothing(self) -> tf.Tensor:
        return tf.constant("")

    def at(self, index: ImageIndex, number: tf.Tensor) -> tf.data.Dataset:
        return index.records(number)

    def sample_id(self, handle: tf.Tensor) -> tf.Tensor:
        return tf.io.parse_single_example(handle, ID_ALONE)["id"]

    def image(self, handle: tf.Tensor) -> Decoded:
        example = decode_record(self.shards.features, handle)
        image, label = example["image"], example["label"][..., 0]
        return *limit_height(image, label, self.max_height), example["id"]


@dataclass(frozen=True)
class _MemoryReader:
    """Holds all images in memory; a handle is an image's number among them, int64.

    Attributes:
        pixels: uint8 (bytes,), of each sample its image (H, W, 3), then its label (H, W).
        starts: int64 (images,), index of each sample's first byte in `pixels`.
        sizes: int64 (images, 2), height and width in pixels.
        ids: (images,), ids of the samples.
    """

    pixels: tf.Variable
    starts: np.ndarray
    sizes: np.ndarray
    ids: np.ndarray

    @property
    def at_once(self) -> None:
        # It is one copy of memory; and a deterministic TensorFlow reads variables in turn anyway.
        return None

    @property
    def nothing(self) -> tf.Tensor:
        return tf.constant(-1, tf.int64)

    def at(self, index: ImageIndex, number: tf.Tensor) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices([tf.gather(tf.constant(index.places), number)])

    def sample_id(self, handle: tf.Tensor) -> tf.Tensor:
        return tf.gather(tf.constant(self.ids), handle)

    def image(self, handle: tf.Tensor) -> Decoded:
        start = tf.gather(tf.constant(self.starts), handle)
        height, width = tf.unstack(tf.gather(tf.constant(self.sizes), handle))
        area = height * width
        pixels = self.pixels.read_value()
        image = tf.reshape(tf.slice(pixels, [start], [3 * area]), [height, width, 3])
        label = tf.reshape(tf.slice(pixels, [start + 3 * area], [area]), [height, width])
        return image, label, self.sample_id(handle)


def _load(
    sets: Sequence[ShardSet], indices: Sequence[ImageIndex], stored: _ShardReader, limit: int
) -> _MemoryReader | None:
    """Decodes all images, in the order of their places; None if they exceed the limit."""
    # No PNG is much larger than its pixels, so this saves decoding images that will not fit.
    if sum(int(np.diff(index.bounds).sum()) for index in indices) > limit:
        return None

    def flat(record: tf.Tensor) -> tuple[tf.Tensor, ...]:
        image, label, sample_id = stored.image(record)
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
        # A variable: TensorFlow copies a tensor that a function holds into each pipeline's graph.
        pixels = tf.Variable(tf.concat(parts, axis=0), trainable=False)
    return _MemoryReader(pixels, np.cumsum(lengths) - lengths, shapes, np.array(ids))
