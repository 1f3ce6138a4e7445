"""Random access to the records of a split, without reading those that lie before them."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from roadshift.errors import RoadshiftError
from roadshift.records.contents import FILE, read_contents
from roadshift.records.reader import ShardSet, record_bounds
from roadshift.taxonomy import spread_pixels


@dataclass(frozen=True)
class ImageIndex:
    """The position and the class pixels of each image of a split.

    Images are in the order of their ids, so that an image's number does not depend on how the split
    is cut into shards. The index takes some hundred bytes for each image, and holds no image.

    Attributes:
        ids: str (images,), id of each image.
        files: str (images,), shard of each image.
        bounds: int64 (images, 2), first byte of the record in its shard, and the byte after its
            last.
        pixels: (images, classes), number of pixels of each class: int64, or float64 with those of
            partial labels, each spread over its classes.
        places: int64 (images,), place of each image in the order of the records, from 0.
    """

    ids: np.ndarray
    files: np.ndarray
    bounds: np.ndarray
    pixels: np.ndarray
    places: np.ndarray

    def records(self, number: tf.Tensor) -> tf.data.Dataset:
        """Returns the record of an image as a data set of one; only for `Dataset.flat_map`.

        TensorFlow cannot iterate over it outside a function, since it fails to serialize it.

        Args:
            number: int64 scalar, number of the image in the index.
        """
        bounds = tf.gather(tf.constant(self.bounds), number)
        # The public reader takes no offset; the operation behind it does, and still verifies the
        # record's checksum. The buffer has the record's size, so that no further byte is read.
        variant = tf.raw_ops.TFRecordDatasetV2(
            filenames=[tf.gather(tf.constant(self.files), number)],
            compression_type="",
            buffer_size=bounds[1] - bounds[0],
            byte_offsets=[bounds[0]],
        )
        return tf.data.experimental.from_variant(variant, tf.TensorSpec((), tf.string)).take(1)


def index_images(shards: ShardSet, split: str) -> ImageIndex:
    """Indexes a split by the table beside its shards and the lengths of its records.

    Raises:
        RoadshiftError: the split is empty, or the table does not match the shards.
    """
    files = shards.files(split)
    contents = read_contents(shards.folder, split, shards.label_names)
    bounds = [record_bounds(file) for file in shards.shard_lengths[split]]
    found = sum(map(len, bounds))
    if found != len(contents.ids) or contents.pixels.sum(axis=0).tolist() != shards.pixels[split]:
        raise RoadshiftError(
            f"{shards.folder / FILE}: does not match the {found} records of split '{split}'; "
            "run the shard stage again"
        )
    ids = np.array(contents.ids)
    order = np.argsort(ids, kind="stable")
    return ImageIndex(
        ids[order],
        np.repeat(np.array(files), [len(part) for part in bounds])[order],
        np.concatenate(bounds)[order],
        spread_pixels(contents.pixels[order], shards.partial_labels, len(shards.class_names)),
        order,
    )


def join(indices: list[ImageIndex]) -> ImageIndex:
    """Joins indices into one, one after the other."""
    return ImageIndex(
        np.concatenate([index.ids for index in indices]),
        np.concatenate([index.files for index in indices]),
        np.concatenate([index.bounds for index in indices]),
        np.concatenate([index.pixels for index in indices]),
        np.concatenate([index.places for index in indices]),
    )
