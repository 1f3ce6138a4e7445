"""Remapping of a publisher's labels to the ids of a taxonomy, with an audit of every pixel."""

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from roadshift.datasets.card import Card
from roadshift.datasets.encoding import NAMED_KINDS, Encoding, shown_value
from roadshift.datasets.images import image_size
from roadshift.datasets.label_readers import label_reader
from roadshift.datasets.native_label import (
    KEPT_VALUES,
    LabelReader,
    NativeLabel,
    NoLabelReader,
    UnknownPixels,
)
from roadshift.datasets.samples import Sample, find_samples, write_manifest
from roadshift.datasets.splits import SplitConfig
from roadshift.errors import LINES, RoadshiftError, listed
from roadshift.progress import progress_bar
from roadshift.taxonomy import ACCEPT, IGNORE_ID, Taxonomy
from roadshift.workers import worker_processes


class UnknownValuesError(RoadshiftError):
    """A label has values that are in no row of the encoding.

    Attributes:
        pixels: number of pixels by value, of the `KEPT_VALUES` most frequent ones.
    """

    def __init__(self, message: str, pixels: UnknownPixels) -> None:
        super().__init__(message)
        self.pixels = pixels


@dataclass(frozen=True)
class Remapper:
    """The reader of a set's labels, and the way from its native indices to a taxonomy.

    Attributes:
        reader: reader of the labels.
        class_id: uint8 (256,), the taxonomy's label id by native index.
        names: universal names by native index.
    """

    reader: LabelReader
    class_id: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def of(
        cls,
        encoding: Encoding,
        taxonomy: Taxonomy,
        *,
        reader: LabelReader,
        partial_labels: bool = False,
        accept: str = ACCEPT,
    ) -> "Remapper":
        """Joins an encoding and a taxonomy.

        Args:
            encoding: the set's encoding.
            taxonomy: the taxonomy.
            reader: reader of the set's labels.
            partial_labels: whether names that straddle classes become partial labels; else, which
                is the default, they are refused.
            accept: how the user accepts partial labels, for the message that refuses them.

        Raises:
            RoadshiftError: a universal name of the encoding has no place in the taxonomy, or
                straddles several of its classes.
        """
        if not partial_labels:
            taxonomy.check_carries(encoding.names, accept=accept)
        class_id = np.full(256, IGNORE_ID, np.uint8)
        # Without labels nothing counts, though a taxonomy may have a class of unlabelled pixels.
        if not isinstance(reader, NoLabelReader):
            class_id[: len(encoding.names)] = [taxonomy.label_id_of(n) for n in encoding.names]
        return cls(reader, class_id, encoding.names)

    def checked(self, label: NativeLabel, where: str) -> np.ndarray:
        """Returns the native indices of a label, uint8 (height, width).

        Args:
            label: the label, as the reader returns it.
            where: name of the label in the error message.

        Raises:
            UnknownValuesError: a value is in no row of the encoding.
        """
        if label.unknown:
            values = [
                f"{shown_value(self.reader.kind, value)} ({count} pixels)"
                for value, count in label.unknown.items()
            ]
            more = f" and {len(values) - 3} more" if len(values) > 3 else ""
            raise UnknownValuesError(
                f"{where}: {self.what} unknown to the card's encoding: {', '.join(values[:3])}"
                f"{more}; correct the label or add them to the encoding",
                label.unknown,
            )
        return label.native

    @property
    def what(self) -> str:
        """What a label's values are: 'ids', 'colours' or 'labels'."""
        if self.reader.kind in NAMED_KINDS:
            return "labels"
        return "colours" if self.reader.kind == "colour" else "ids"


def remap_set(
    card: Card,
    *,
    raw: Path,
    taxonomy: Taxonomy,
    split_config: SplitConfig,
    folder: Path,
    audit_file: Path,
    processes: int,
    partial_labels: bool = False,
) -> None:
    """Writes label images of taxonomy ids, the manifest, and the audit of a set.

    Args:
        card: the set's card.
        raw: folder with the publisher's files.
        taxonomy: taxonomy to map to.
        split_config: how the set is split.
        folder: an existing folder; gets `labels/<id>.png` (uint8, 255 = ignore) and
            `manifest.csv`.
        audit_file: CSV file to write: for each split and universal name, the number of pixels and
            the class that they were mapped to.
        processes: number of images that are remapped in parallel.
        partial_labels: whether names that straddle classes become partial labels; else, which is
            the default, they are refused.

    Raises:
        RoadshiftError: the labels are too coarse for the taxonomy; or images and labels do not
            pair up, differ in size, cannot be read, or hold values that the encoding does not
            list, of which the message lists all; or every pixel of a split is ignored.
    """
    encoding = card.table_in(raw)
    try:
        reader = label_reader(card, encoding, raw)
        # stages.validate_params has checked this, but not for a table among the set's files.
        remapper = Remapper.of(encoding, taxonomy, reader=reader, partial_labels=partial_labels)
    except RoadshiftError as error:
        raise RoadshiftError(f"{card.name}: {error}") from None
    remap_one = partial(_try_sample, remapper=remapper, raw=raw, folder=folder)
    faults = []
    totals: dict[str, np.ndarray] = {}
    # Workers share what this process has read of files with the labels of many images. Other sets
    # are listed after the workers have started, so that the list takes no memory of theirs.
    listed = find_samples(card, raw, split_config) if card.layout.is_shared else None
    with worker_processes(remap_one, processes) as results_of:
        samples = find_samples(card, raw, split_config) if listed is None else listed
        with progress_bar(f"remap {card.name}", "label", len(samples)) as progress:
            for place, result in enumerate(results_of(samples)):
                if isinstance(result, Fault):
                    faults.append(result)
                else:
                    sample, pixels = result
                    samples[place] = sample  # in place: a second list would double the memory
                    totals[sample.split] = totals.get(sample.split, 0) + pixels
                progress.update()
    if faults:
        raise _all_faults(card, faults, of=len(samples), remapper=remapper)
    if card.layout.has_labels:
        _check_counted(card, totals, remapper=remapper, taxonomy=taxonomy)
    write_manifest(samples, folder / "manifest.csv")
    _write_audit(audit_file, totals, remapper=remapper, taxonomy=taxonomy)


@dataclass(frozen=True)
class Fault:
    """Why a sample cannot be remapped.

    Attributes:
        sample: the sample.
        message: the error's message.
        pixels: number of pixels by unknown value; empty if the fault is another one.
    """

    sample: Sample
    message: str
    pixels: UnknownPixels

    @property
    def kind(self) -> str:
        """The message without names and numbers, the same for faults of one kind."""
        kind = self.message
        for name in (self.sample.label, self.sample.image):
            kind = kind.replace(name, "")
        return re.sub("[0-9]+", "", kind)


def _try_sample(
    sample: Sample, *, remapper: Remapper, raw: Path, folder: Path
) -> tuple[Sample, np.ndarray] | Fault:
    """Returns what `remap_sample` does, or why it cannot."""
    try:
        return remap_sample(sample, remapper=remapper, raw=raw, folder=folder)
    except UnknownValuesError as error:
        return Fault(sample, str(error), error.pixels)
    except RoadshiftError as error:
        return Fault(sample, str(error), {})


def _all_faults(
    card: Card, faults: Sequence[Fault], *, of: int, remapper: Remapper
) -> RoadshiftError:
    """Returns one error about all faults: each unknown value once, then the other faults."""
    if len(faults) == 1:
        return RoadshiftError(faults[0].message)
    faults = sorted(faults, key=lambda fault: (fault.sample.label, fault.sample.image))
    pixels: Counter[int | str] = Counter()
    labels: Counter[int | str] = Counter()
    first: dict[int | str, str] = {}
    seen: Counter[str] = Counter()
    others: list[tuple[int, str]] = []
    for fault in faults:
        for value, count in fault.pixels.items():
            pixels[value] += count
            labels[value] += 1
            name = fault.sample.image if remapper.reader.is_shared else fault.sample.label
            first.setdefault(value, name)
        if not fault.pixels:
            others.append((seen[fault.kind], fault.message))
            seen[fault.kind] += 1
    kind = remapper.reader.kind
    values = [
        f"{remapper.what} unknown to the card's encoding: {shown_value(kind, value)} "
        f"({count} pixels in {labels[value]} label{'s' * (labels[value] > 1)}, first in "
        f"{first[value]})"
        for value, count in sorted(pixels.items(), key=lambda item: (-item[1], item[0]))
    ]
    # The first fault of each kind comes before the second of any, which may be cut off.
    further = [message for _, message in sorted(others, key=lambda each: each[0])]
    room = max(LINES // 2, LINES - len(further)) if further else LINES
    if (rest := len(values) - room) > 0:
        least = "at least " if any(len(f.pixels) == KEPT_VALUES for f in faults) else ""
        values[room:] = [f"and {least}{rest} more unknown {remapper.what}"]
    head = (
        f"{card.name}: {len(faults)} of {of} samples cannot be remapped; correct their files, or "
        "add to the encoding what it lacks"
    )
    return RoadshiftError(
        listed("\n".join([head, *values]), further, LINES - min(len(values), room))
    )


def remap_sample(
    sample: Sample, *, remapper: Remapper, raw: Path, folder: Path
) -> tuple[Sample, np.ndarray]:
    """Writes the label image of one sample, `labels/<id>.png`.

    Args:
        sample: the sample, with the path of the publisher's label.
        remapper: the lookup arrays.
        raw: folder with the publisher's files.
        folder: folder to write to.

    Returns:
        The sample with its size and new label, and its number of pixels by native index, int64
        (256,).

    Raises:
        RoadshiftError: as for `read_native`.
    """
    native = read_native(remapper, raw, sample)
    height, width = native.shape
    target = folder / "labels" / f"{sample.id}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(remapper.class_id[native]).save(target, compress_level=3)
    pixels = np.bincount(native.ravel(), minlength=256)
    label = target.relative_to(folder).as_posix()
    return replace(sample, label=label, width=width, height=height), pixels


def read_native(remapper: Remapper, raw: Path, sample: Sample) -> np.ndarray:
    """Returns the native indices of a sample's label, uint8 (height, width).

    Raises:
        UnknownValuesError: the label holds a value that is in no row of the encoding.
        RoadshiftError: the label cannot be read, or differs from its image in size.
    """
    label = remapper.reader.read(raw, sample.image, sample.label)
    height, width = label.native.shape
    if image_size(raw / sample.image) != (width, height):
        found = "×".join(map(str, image_size(raw / sample.image)))
        raise RoadshiftError(
            f"{sample.image} is {found}, its label {sample.label} is {width}×{height}: expected "
            "the same size; replace one of them"
        )
    shared = remapper.reader.is_shared
    return remapper.checked(label, f"{sample.label}, {sample.image}" if shared else sample.label)


def _check_counted(
    card: Card, totals: Mapping[str, np.ndarray], *, remapper: Remapper, taxonomy: Taxonomy
) -> None:
    """Refuses a split whose labels are all void, as where a publisher keeps labels back."""
    counted = remapper.class_id != IGNORE_ID
    for split, pixels in sorted(totals.items()):
        if not pixels[counted].any():
            raise RoadshiftError(
                f"{card.name}: every pixel of split '{split}' is ignored in the taxonomy "
                f"'{taxonomy.name}'; correct the labels, or choose another data.split.by"
            )


def _write_audit(
    file: Path, totals: Mapping[str, np.ndarray], *, remapper: Remapper, taxonomy: Taxonomy
) -> None:
    # Shares are of the whole set, so that a class's rows add up to its share over all splits.
    total = int(sum(pixels.sum() for pixels in totals.values()))
    label_names = taxonomy.label_names
    with file.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["split", "class", "universal", "pixels", "share", "ignored_because"])
        for split, pixels in sorted(totals.items()):
            rows: dict[tuple[int, str], tuple[str, str, int]] = {}
            for index, name in enumerate(remapper.names):
                class_id = int(remapper.class_id[index])
                ignored = class_id == IGNORE_ID
                # The name tells ignored pixels apart in a chart of the classes.
                shown = f"ignored: {name}" if ignored else label_names[class_id]
                count = rows.get((class_id, name), ("", "", 0))[-1] + int(pixels[index])
                rows[class_id, name] = (shown, taxonomy.ignored.get(name, ""), count)
            for (_, name), (shown, reason, count) in sorted(rows.items()):
                share = round(count / total, 6)
                writer.writerow([split, shown, name, count, share, reason])
