"""Writing the TFDS on-disk format, the same bytes every time."""

import errno
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from math import ceil
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core.example_serializer import ExampleSerializer

from roadshift.datasets.images import opened, read_image
from roadshift.datasets.samples import Sample
from roadshift.datasets.splits import seeded_order
from roadshift.errors import RoadshiftError
from roadshift.progress import progress_bar
from roadshift.records.contents import write_contents
from roadshift.taxonomy import IGNORE_ID, Taxonomy

VERSION = "1.0.0"


def features_of(taxonomy: Taxonomy) -> tfds.features.FeaturesDict:
    """What a record holds: a picture, its label in the taxonomy's ids, and where it is from."""
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
            "label": tfds.features.LabeledImage(
                labels=list(taxonomy.class_names), shape=(None, None, 1), encoding_format="png"
            ),
            "id": tfds.features.Text(),
            "group": tfds.features.Text(),
        }
    )


def write_shards(
    samples: Sequence[Sample],
    splits: Sequence[str],
    images: Path,
    labels: Path,
    taxonomy: Taxonomy,
    dataset: str,
    shard_megabytes: int,
    folder: Path,
) -> None:
    """Writes some splits of a set as a folder that `tfds.builder_from_directory` reads.

    Pictures are kept at their own resolution, and without loss. Samples stand in an order that
    depends on their ids alone, shuffled so that neighbours in a drive are apart. A split
    without samples is left out of the folder's metadata, which also count the pixels a class.
    A table beside the shards counts them for each picture.

    Args:
        samples: the set's manifest.
        splits: which splits to write.
        images: the folder of the publisher's pictures.
        labels: the folder of remapped labels.
        taxonomy: what the labels' ids mean.
        dataset: the name of the data set in file names and metadata.
        shard_megabytes: about how large a shard may get.
        folder: an existing, empty folder.

    Raises:
        RoadshiftError: a picture or label is damaged, or they are not as the manifest says.
    """
    features = features_of(taxonomy)
    serializer = ExampleSerializer(features.get_serialized_info())
    template = tfds.core.ShardedFileTemplate(
        data_dir=folder, dataset_name=dataset, filetype_suffix="tfrecord"
    )
    infos = []
    pixels = {}
    rows = []
    number_of_classes = len(taxonomy.classes)
    for split in splits:
        members = {s.id: s for s in samples if s.split == split}
        if not members:
            continue
        ordered = [members[i] for i in seeded_order(members, 0)]
        try:
            size = sum((images / s.image).stat().st_size for s in ordered)
        except FileNotFoundError as error:
            raise RoadshiftError(f"{error.filename}: missing; run the download stage") from None
        number = min(len(ordered), max(1, ceil(size / (shard_megabytes * 1_000_000))))
        bounds = [round(len(ordered) * k / number) for k in range(number + 1)]
        written = 0
        counts = np.zeros(number_of_classes, np.int64)
        with progress_bar(f"shard {dataset} {split}", "picture", len(ordered)) as progress:
            for shard in range(number):
                file = template.replace(split=split).sharded_filepath(
                    shard_index=shard, num_shards=number
                )
                with record_writer(Path(file)) as sink:
                    for sample in ordered[bounds[shard] : bounds[shard + 1]]:
                        label = _label(sample, labels, taxonomy)
                        record = _record(sample, images, label, features, serializer)
                        shown = np.bincount(label.ravel(), minlength=256)[:number_of_classes]
                        counts += shown
                        rows.append((split, sample.id, shown.tolist()))
                        sink.write(record)
                        written += len(record)
                        progress.update()
        pixels[split] = counts.tolist()
        lengths = [b - a for a, b in pairwise(bounds)]
        infos.append(
            tfds.core.SplitInfo(
                name=split, shard_lengths=lengths, num_bytes=written, filename_template=template
            )
        )
    write_contents(rows, taxonomy.class_names, folder)
    write_metadata(folder, dataset, features, infos, taxonomy.name, pixels)


@contextmanager
def record_writer(file: Path) -> Iterator[tf.io.TFRecordWriter]:
    """A writer for which a full disk is the error that it is for Python's own files."""
    try:
        with tf.io.TFRecordWriter(str(file)) as sink:
            yield sink
    except (tf.errors.ResourceExhaustedError, tf.errors.OutOfRangeError):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file)) from None


def _label(sample: Sample, labels: Path, taxonomy: Taxonomy) -> np.ndarray:
    with opened(labels / sample.label) as picture:
        label = np.asarray(picture)
    if bad := set(np.unique(label).tolist()) - {*range(len(taxonomy.classes)), IGNORE_ID}:
        raise RoadshiftError(
            f"{sample.label}: id {min(bad)} is not in taxonomy '{taxonomy.name}'; run remap again"
        )
    return label


def _record(
    sample: Sample,
    images: Path,
    label: np.ndarray,
    features: tfds.features.FeaturesDict,
    serializer: ExampleSerializer,
) -> bytes:
    encoded, size = _encoded_image(images / sample.image)
    if not size == (sample.width, sample.height) == label.shape[1::-1]:
        raise RoadshiftError(
            f"'{sample.id}': picture {size}, label {label.shape[1::-1]} and manifest "
            f"({sample.width}, {sample.height}) differ in size; run the remap stage again"
        )
    example = features.encode_example(
        {
            "image": io.BytesIO(encoded),
            "label": label[..., np.newaxis],
            "id": sample.id,
            "group": sample.group,
        }
    )
    # The protocol buffer's map has no order of its own: without `deterministic` it is another
    # in each process.
    return serializer.get_tf_example(example).SerializeToString(deterministic=True)


def _encoded_image(file: Path) -> tuple[bytes, tuple[int, int]]:
    """PNG bytes and (width, height): the publisher's own bytes where they are 8-bit RGB PNG."""
    with opened(file) as picture:
        plain = picture.format == "PNG" and picture.mode == "RGB" and not picture.getexif()
    image = read_image(file)
    if plain:
        encoded = file.read_bytes()
        try:
            # It forgives less than Pillow: a missing end, say, would come up in the training.
            tf.io.decode_png(encoded)
        except tf.errors.InvalidArgumentError:
            raise RoadshiftError(f"{file}: a damaged picture; replace it") from None
        return encoded, image.shape[1::-1]
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue(), image.shape[1::-1]


def write_metadata(
    folder: Path,
    dataset: str,
    features: tfds.features.FeaturesDict,
    infos: list[tfds.core.SplitInfo],
    taxonomy: str,
    pixels: Mapping[str, list[int]],
) -> None:
    """Writes what `tfds.builder_from_directory` and `open_shards` find a folder's shards by."""
    info = tfds.core.DatasetInfo(
        builder=tfds.core.dataset_info.DatasetIdentity(
            name=dataset, version=tfds.core.Version(VERSION), data_dir=str(folder), module_name=""
        ),
        description=f"{dataset}, labels in the taxonomy {taxonomy}",
        features=features,
        metadata=tfds.core.MetadataDict(taxonomy=taxonomy, pixels=dict(pixels)),
    )
    info.set_file_format(tfds.core.FileFormat.TFRECORD)
    info.set_splits(tfds.core.splits.SplitDict(infos))
    info.write_to_directory(folder)
