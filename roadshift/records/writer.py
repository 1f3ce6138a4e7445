"""Writes the TFDS on-disk format, the same bytes every time and in any number of processes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise
from math import ceil
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from roadshift.datasets.samples import Sample
from roadshift.datasets.splits import seeded_order
from roadshift.errors import RoadshiftError
from roadshift.progress import progress_bar
from roadshift.records.contents import write_contents
from roadshift.records.encoding import SampleEncoder, ScaleDown, features_of
from roadshift.records.reader import PARTIAL_LABELS
from roadshift.records.shard_file import Entry, Written, write_shard_file
from roadshift.taxonomy import PartialLabel, Taxonomy

VERSION = "1.0.0"

Map = Callable[[Callable[[Any], Any], Sequence[Any]], AbstractContextManager[Iterator[Any]]]
"""A context manager that yields the results of a function on items, in the order of the items.

`roadshift.workers.parallel_map` is one, with its number of processes. Function, items and results
can be pickled.
"""


@contextmanager
def one_by_one(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Iterator[Any]]:
    """Context manager: yields the results of a function on items, from this process."""
    yield map(function, items)


@dataclass(frozen=True)
class Shard:
    """A shard that is to be written.

    Attributes:
        file: its TFRecord file.
        split: name of its split.
        samples: its samples, in their order.
    """

    file: Path
    split: str
    samples: tuple[Sample, ...]


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
    over_shards: Map = one_by_one,
    scale_down: Mapping[str, ScaleDown] | None = None,
) -> None:
    """Writes some splits of a set as a folder that `tfds.builder_from_directory` reads.

    Images keep their resolution and their pixels, unless they are scaled down. The order of the
    samples depends on their ids alone, and is shuffled so that neighbours in a drive are apart. A
    split without samples is left out of the folder's metadata, which also count the pixels of each
    class and name the partial labels that occur. A table beside the shards counts pixels for each
    image.

    Args:
        samples: the samples of the data set's manifest.
        splits: names of the splits to write.
        images: the folder of the publisher's images.
        labels: the folder of remapped labels.
        taxonomy: the taxonomy of the labels' ids.
        dataset: the name of the data set in file names and metadata.
        shard_megabytes: approximate largest size of a shard, in MB.
        folder: an existing, empty folder.
        over_shards: what writes the shards; by default this process, one after the other. In
            processes that are forked off this one, TensorFlow must not have run in it.
        scale_down: by split, a function that scales images and labels before they are stored; none
            by default. Pixels are counted at the labels' own size.

    Raises:
        RoadshiftError: an image or label is missing or damaged, or differs from the manifest.
    """
    writer = ShardWriter(
        folder,
        dataset=dataset,
        taxonomy=taxonomy.name,
        class_names=taxonomy.class_names,
        partial_labels=taxonomy.partial_labels,
        features=features_of(taxonomy),
        shard_megabytes=shard_megabytes,
    )
    shards = [
        shard
        for split in splits
        for shard in _shards(writer, split, samples=samples, images=images)
    ]
    write = partial(
        write_shard, images=images, labels=labels, taxonomy=taxonomy, scale_down=scale_down or {}
    )
    total = sum(len(shard.samples) for shard in shards)
    with (
        over_shards(write, shards) as results,
        progress_bar(f"shard {dataset}", "image", total) as progress,
    ):
        for shard, written in zip(shards, results, strict=True):
            writer.add(shard.split, written)
            progress.update(len(shard.samples))
    writer.finish()


def write_shard(
    shard: Shard,
    *,
    images: Path,
    labels: Path,
    taxonomy: Taxonomy,
    scale_down: Mapping[str, ScaleDown],
) -> Written:
    """Writes the file of a shard; the arguments are those of `write_shards`."""
    encode = SampleEncoder(
        images=images, labels=labels, taxonomy=taxonomy, scale_down=scale_down.get(shard.split)
    )
    return write_shard_file(shard.file, map(encode, shard.samples))


def _shards(
    writer: "ShardWriter", split: str, *, samples: Sequence[Sample], images: Path
) -> Iterator[Shard]:
    members = {s.id: s for s in samples if s.split == split}
    if not members:
        return
    ordered = [members[i] for i in seeded_order(members, 0)]
    try:
        size = sum((images / s.image).stat().st_size for s in ordered)
    except FileNotFoundError as error:
        raise RoadshiftError(f"{error.filename}: missing; run the download stage") from None
    remaining = iter(ordered)
    for file, length in writer.files(split, count=len(ordered), size=size):
        yield Shard(file, split, tuple(islice(remaining, length)))


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
        self._written: dict[str, list[Written]] = {}

    def files(self, split: str, *, count: int, size: int) -> list[tuple[Path, int]]:
        """Returns the shards of a split, each with its number of records, which are nearly equal.

        Args:
            split: name of the split.
            count: number of samples, > 0.
            size: approximate size of all their records, in bytes.
        """
        number = min(count, max(1, ceil(size / self._shard_bytes)))
        bounds = [round(count * k / number) for k in range(number + 1)]
        template = self._template.replace(split=split)
        return [
            (Path(template.sharded_filepath(shard_index=k, num_shards=number)), stop - start)
            for k, (start, stop) in enumerate(pairwise(bounds))
        ]

    def add(self, split: str, written: Written) -> None:
        """Adds a shard that has been written; those of a split are added in their order."""
        self._written.setdefault(split, []).append(written)

    def write_split(self, split: str, entries: Iterable[Entry], *, count: int, size: int) -> None:
        """Writes a split in this process.

        Args:
            split: name of the split.
            entries: its samples, in the order in which they are written.
            count: number of samples, > 0.
            size: approximate size of all their records, in bytes.
        """
        remaining = iter(entries)
        for file, length in self.files(split, count=count, size=size):
            self.add(split, write_shard_file(file, islice(remaining, length)))

    def finish(self) -> None:
        """Writes the table with a row for each image, and the metadata files of TFDS."""
        classes = len(self._class_names)
        totals = {
            split: sum(shard.pixels.sum(axis=0) for shard in shards)
            for split, shards in self._written.items()
        }
        occur = [
            partial
            for column, partial in enumerate(self._partial_labels, classes)
            if any(total[column] for total in totals.values())
        ]
        columns = [*range(classes), *(classes + self._partial_labels.index(p) for p in occur)]
        write_contents(
            (
                (split, name, pixels[columns].tolist())
                for split, shards in self._written.items()
                for shard in shards
                for name, pixels in zip(shard.ids, shard.pixels, strict=True)
            ),
            [*self._class_names, *(partial.name for partial in occur)],
            self._folder,
        )
        metadata: dict[str, Any] = {
            "taxonomy": self._taxonomy,
            "pixels": {split: total[columns].tolist() for split, total in totals.items()},
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
        info.set_splits(
            tfds.core.splits.SplitDict(
                [
                    tfds.core.SplitInfo(
                        name=split,
                        shard_lengths=[len(shard.ids) for shard in shards],
                        num_bytes=sum(shard.size for shard in shards),
                        filename_template=self._template,
                    )
                    for split, shards in self._written.items()
                ]
            )
        )
        info.write_to_directory(self._folder)
