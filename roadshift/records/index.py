"""Reading single records of a split, wherever they lie, without reading what lies before them."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from roadshift.errors import RoadshiftError
from roadshift.records.contents import read_contents
from roadshift.records.reader import ShardSet, record_bounds


@dataclass(frozen=True)
class PictureIndex:
    """Where each picture of a split lies and what it shows.

    In the order of ids, so that a picture's number does not depend on how the split is cut into
    shards. It holds some hundred bytes a picture, and none of the picture's own.
    """

    ids: np.ndarray
    """str (pictures,)."""
    files: np.ndarray
    """str (pictures,)."""
    bounds: np.ndarray
    """int64 (pictures, 2): first byte of the record in its file, and the one after its last."""
    pixels: np.ndarray
    """int64 (pictures, classes)."""
    places: np.ndarray
    """int64 (pictures,): of each, its place in the order of the records, from 0."""

    def records(self, number: tf.Tensor) -> tf.data.Dataset:
        """The record of a picture, as a data set of one; for `Dataset.flat_map` alone.

        TensorFlow cannot iterate over it outside of a function, since it fails to serialize it.

        Args:
            number: int64 scalar, the picture's place in the index.
        """
        bounds = tf.gather(tf.constant(self.bounds), number)
        # The public reader takes no offset; the operation behind it does, and checks the record
        # by its checksum all the same. The buffer is as large as the record: no byte too many.
        variant = tf.raw_ops.TFRecordDatasetV2(
            filenames=[tf.gather(tf.constant(self.files), number)],
            compression_type="",
            buffer_size=bounds[1] - bounds[0],
            byte_offsets=[bounds[0]],
        )
        return tf.data.experimental.from_variant(variant, tf.TensorSpec((), tf.string)).take(1)


def index_pictures(shards: ShardSet, split: str) -> PictureIndex:
    """Indexes a split by the table beside its shards and the lengths of its records.

    Raises:
        RoadshiftError: the split is empty, or the table is not of these shards.
    """
    files = shards.files(split)
    contents = read_contents(shards.folder, split, shards.class_names)
    bounds = [record_bounds(file) for file in shards.shard_lengths[split]]
    found = sum(map(len, bounds))
    if found != len(contents.ids) or contents.pixels.sum(axis=0).tolist() != shards.pixels[split]:
        raise RoadshiftError(
            f"{shards.folder}: its table of pictures is not that of its {found} records of split "
            f"'{split}'; run the shard stage again"
        )
    ids = np.array(contents.ids)
    order = np.argsort(ids, kind="stable")
    return PictureIndex(
        ids[order],
        np.repeat(np.array(files), [len(part) for part in bounds])[order],
        np.concatenate(bounds)[order],
        contents.pixels[order],
        order,
    )


def join(indices: list[PictureIndex]) -> PictureIndex:
    """One index of the pictures of several, one after the other."""
    return PictureIndex(
        np.concatenate([index.ids for index in indices]),
        np.concatenate([index.files for index in indices]),
        np.concatenate([index.bounds for index in indices]),
        np.concatenate([index.pixels for index in indices]),
        np.concatenate([index.places for index in indices]),
    )
