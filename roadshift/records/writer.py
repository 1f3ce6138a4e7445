"""Writes the TFDS on-disk format, the same bytes every time."""

import errno
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice, pairwise
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core.example_serializer import ExampleSerializer
from tqdm import tqdm

from roadshift.datasets.images import opened, read_image
from roadshift.datasets.samples import Sample
from roadshift.datasets.splits import seeded_order
from roadshift.errors import RoadshiftError
from roadshift.progress import progress_bar
from roadshift.records.contents import write_contents
from roadshift.records.reader import PARTIAL_LABELS
from roadshift.taxonomy import IGNORE_ID, PartialLabel, Taxonomy

VERSION = "1.0.0"


def features_of(taxonomy: Taxonomy) -> tfds.features.FeaturesDict:
    """Returns the features of a record: an image, its label in the taxonomy's ids, id, group."""
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
    *,
    images: Path,
    labels: Path,
    taxonomy: Taxonomy,
    dataset: str,
    shard_megabytes: int,
    folder: Path,
) -> None:
    """Writes some splits of a set as a folder that `tfds.builder_from_directory` reads.

    Images keep their resolution, without loss. The order of the samples depends on their ids alone,
    and is shuffled so that neighbours in a drive are apart. A split without samples is left out of
    the folder's metadata, which also count the pixels of each class and name the partial labels
    that occur. A table beside the shards counts pixels for each image.

    Args:
        samples: the samples of the data set's manifest.
        splits: names of the splits to write.
        images: the folder of the publisher's images.
        labels: the folder of remapped labels.
        taxonomy: the taxonomy of the labels' ids.
        dataset: the name of the data set in file names and metadata.
        shard_megabytes: approximate largest size of a shard, in MB.
        folder: an existing, empty folder.

    Raises:
        RoadshiftError: an image or label is missing or damaged, or differs from the manifest.
    """
    features = features_of(taxonomy)
    writer = ShardWriter(
        folder,
        dataset=dataset,
        taxonomy=taxonomy.name,
        class_names=taxonomy.class_names,
        partial_labels=taxonomy.partial_labels,
        features=features,
        shard_megabytes=shard_megabytes,
    )
    for split in splits:
        members = {s.id: s for s in samples if s.split == split}
        if not members:
            continue
        ordered = [members[i] for i in seeded_order(members, 0)]
        try:
            size = sum((images / s.image).stat().st_size for s in ordered)
        except FileNotFoundError as error:
            raise RoadshiftError(f"{error.filename}: missing; run the download stage") from None
        with progress_bar(f"shard {dataset} {split}", "image", len(ordered)) as progress:
            entries = _entries(
                ordered,
                images=images,
                labels=labels,
                taxonomy=taxonomy,
                features=features,
                progress=progress,
            )
            writer.write_split(split, entries, count=len(ordered), size=size)
    writer.finish()


class Entry(NamedTuple):
    """A sample as it is written.

    Attributes:
        id: id of the sample.
        pixels: int64 (labels,), number of pixels of each class, then of each partial label.
        record: the serialized record.
    """

    id: str
    pixels: np.ndarray
    record: bytes


class ShardWriter:
    """Writes a folder of shards split by split, then the table and metadata beside them.

    Args:
        folder: an existing, empty folder.
        dataset: name of the data set in file names and metadata.
        taxonomy: name of the taxonomy of the labels.
        class_names: names of the classes, in the order of their ids.
        partial_labels: partial labels that may occur, in the order of their ids. Those that do not
            occur are left out of table and metadata, so that exact labels alone give the same
            files with and without them.
        features: features of the records.
        shard_megabytes: approximate largest size of a shard, in MB.
    """

    def __init__(
        self,
        folder: Path,
        *,
        dataset: str,
        taxonomy: str,
        class_names: Sequence[str],
        partial_labels: Sequence[PartialLabel],
        features: tfds.features.FeaturesDict,
        shard_megabytes: int,
    ) -> None:
        self._folder, self._dataset, self._taxonomy = folder, dataset, taxonomy
        self._class_names, self._partial_labels = class_names, partial_labels
        self._features = features
        self._shard_bytes = shard_megabytes * 1_000_000
        self._template = tfds.core.ShardedFileTemplate(
            data_dir=folder, dataset_name=dataset, filetype_suffix="tfrecord"
        )
        self._infos: list[tfds.core.SplitInfo] = []
        self._rows: list[tuple[str, str, np.ndarray]] = []
        self._pixels: dict[str, np.ndarray] = {}

    def write_split(self, split: str, entries: Iterable[Entry], *, count: int, size: int) -> None:
        """Writes a split as shards of nearly equal numbers of records.

        Args:
            split: name of the split.
            entries: its samples, in the order in which they are written.
            count: number of samples, > 0.
            size: approximate size of all their records, in bytes.
        """
        number = min(count, max(1, ceil(size / self._shard_bytes)))
        bounds = [round(count * k / number) for k in range(number + 1)]
        lengths = [stop - start for start, stop in pairwise(bounds)]
        template = self._template.replace(split=split)
        remaining = iter(entries)
        labels = len(self._class_names) + len(self._partial_labels)
        total, written = np.zeros(labels, np.int64), 0
        for shard, length in enumerate(lengths):
            file = template.sharded_filepath(shard_index=shard, num_shards=number)
            with _record_writer(Path(file)) as sink:
                for entry in islice(remaining, length):
                    sink.write(entry.record)
                    written += len(entry.record)
                    total += entry.pixels
                    self._rows.append((split, entry.id, entry.pixels))
        self._pixels[split] = total
        self._infos.append(
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=lengths,
                num_bytes=written,
                filename_template=self._template,
            )
        )

    def finish(self) -> None:
        """Writes the table with a row for each image, and the metadata files of TFDS."""
        classes = len(self._class_names)
        occur = [
            partial
            for column, partial in enumerate(self._partial_labels, classes)
            if any(total[column] for total in self._pixels.values())
        ]
        columns = [*range(classes), *(classes + self._partial_labels.index(p) for p in occur)]
        write_contents(
            ((split, name, pixels[columns].tolist()) for split, name, pixels in self._rows),
            [*self._class_names, *(partial.name for partial in occur)],
            self._folder,
        )
        metadata: dict[str, Any] = {
            "taxonomy": self._taxonomy,
            "pixels": {split: total[columns].tolist() for split, total in self._pixels.items()},
        }
        if occur:
            metadata[PARTIAL_LABELS] = {
                str(p.id): [self._class_names[class_id] for class_id in p.classes] for p in occur
            }
        info = tfds.core.DatasetInfo(
            builder=tfds.core.dataset_info.DatasetIdentity(
                name=self._dataset,
                version=tfds.core.Version(VERSION),
                data_dir=str(self._folder),
                module_name="",
            ),
            description=f"{self._dataset}, labels in the taxonomy {self._taxonomy}",
            features=self._features,
            metadata=tfds.core.MetadataDict(metadata),
        )
        info.set_file_format(tfds.core.FileFormat.TFRECORD)
        info.set_splits(tfds.core.splits.SplitDict(self._infos))
        info.write_to_directory(self._folder)


@contextmanager
def _record_writer(file: Path) -> Iterator[tf.io.TFRecordWriter]:
    """Context manager: a TFRecord writer that raises Python's own `OSError` for a full disk."""
    try:
        with tf.io.TFRecordWriter(str(file)) as sink:
            yield sink
    except (tf.errors.ResourceExhaustedError, tf.errors.OutOfRangeError):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file)) from None


def _entries(
    samples: Iterable[Sample],
    *,
    images: Path,
    labels: Path,
    taxonomy: Taxonomy,
    features: tfds.features.FeaturesDict,
    progress: tqdm,
) -> Iterator[Entry]:
    serializer = ExampleSerializer(features.get_serialized_info())
    for sample in samples:
        label = _label(sample, labels, taxonomy)
        record = _record(
            sample, images=images, label=label, features=features, serializer=serializer
        )
        pixels = np.bincount(label.ravel(), minlength=256)[: len(taxonomy.label_names)]
        progress.update()
        yield Entry(sample.id, pixels, record)


def _label(sample: Sample, labels: Path, taxonomy: Taxonomy) -> np.ndarray:
    with opened(labels / sample.label) as image:
        label = np.asarray(image)
    if bad := set(np.unique(label).tolist()) - {*range(len(taxonomy.label_names)), IGNORE_ID}:
        raise RoadshiftError(
            f"{sample.label}: id {min(bad)} is not in taxonomy '{taxonomy.name}'; run remap again"
        )
    return label


def _record(
    sample: Sample,
    *,
    images: Path,
    label: np.ndarray,
    features: tfds.features.FeaturesDict,
    serializer: ExampleSerializer,
) -> bytes:
    encoded, size = _encoded_image(images / sample.image)
    if not size == (sample.width, sample.height) == label.shape[1::-1]:
        raise RoadshiftError(
            f"'{sample.id}': image {size}, label {label.shape[1::-1]} and manifest "
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
    # The protocol buffer's map has no order: without `deterministic` it differs between
    # processes.
    return serializer.get_tf_example(example).SerializeToString(deterministic=True)


def _encoded_image(file: Path) -> tuple[bytes, tuple[int, int]]:
    """Returns PNG bytes and (width, height); an 8-bit RGB PNG keeps the publisher's bytes."""
    with opened(file) as stored:
        plain = stored.format == "PNG" and stored.mode == "RGB" and not stored.getexif()
    image = read_image(file)
    if plain:
        encoded = file.read_bytes()
        try:
            # TensorFlow is stricter than Pillow: a missing end, say, would fail in training.
            tf.io.decode_png(encoded)
        except tf.errors.InvalidArgumentError:
            raise RoadshiftError(
                f"{file}: cannot be read (TensorFlow refuses its data); if the file is damaged, "
                "replace it, else save it as PNG"
            ) from None
        return encoded, image.shape[1::-1]
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue(), image.shape[1::-1]
