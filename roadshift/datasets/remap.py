"""Remapping: a publisher's labels to the ids of a taxonomy, and an account of every pixel."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from roadshift.datasets.card import UNKNOWN, Card, Encoding
from roadshift.datasets.images import picture_size, read_label
from roadshift.datasets.samples import Sample, find_samples, write_manifest
from roadshift.datasets.splits import Parting
from roadshift.errors import RoadshiftError
from roadshift.progress import progress_bar
from roadshift.taxonomy import IGNORE_ID, Taxonomy
from roadshift.workers import results_of


@dataclass(frozen=True)
class Remapper:
    """The two tables, a set's encoding and a taxonomy, joined into lookups by array index."""

    kind: str
    native_index: np.ndarray
    """uint8 by id, (256,) or (65536,), or by packed colour, (2 ** 24,); `UNKNOWN` where no row
    is."""
    class_id: np.ndarray
    """uint8 (256,): a taxonomy's id by native index."""
    names: tuple[str, ...]
    """Universal names by native index."""

    @classmethod
    def of(cls, encoding: Encoding, taxonomy: Taxonomy) -> "Remapper":
        """Joins an encoding and a taxonomy.

        Raises:
            RoadshiftError: a universal name of the encoding has no place in the taxonomy, or
                straddles several of its classes.
        """
        taxonomy.check_carries(encoding.names)
        bits = {"grey": 8, "grey16": 16, "red16": 16, "colour": 24}[encoding.kind]
        native_index = np.full(1 << bits, UNKNOWN, np.uint8)
        native_index[encoding.keys] = np.arange(len(encoding.names))
        class_id = np.full(256, IGNORE_ID, np.uint8)
        class_id[: len(encoding.names)] = [taxonomy.id_of(name) for name in encoding.names]
        return cls(encoding.kind, native_index, class_id, encoding.names)

    def native(self, values: np.ndarray, where: str) -> np.ndarray:
        """Native indices, uint8 of the shape of `values`, of a label as `read_label` gave it.

        Raises:
            RoadshiftError: a value is in no row of the encoding.
        """
        index = self.native_index[values]
        unknown = index == UNKNOWN
        if unknown.any():
            found, counts = np.unique(values[unknown], return_counts=True)
            most = sorted(zip(counts.tolist(), found.tolist(), strict=True), reverse=True)
            listed = ", ".join(f"{self._shown(v)} ({n} pixels)" for n, v in most[:3])
            more = f" and {len(most) - 3} more" if len(most) > 3 else ""
            raise RoadshiftError(
                f"{where}: {'colours' if self.kind == 'colour' else 'ids'} unknown to the card's "
                f"encoding: {listed}{more}; correct the label or add them to the encoding"
            )
        return index

    def _shown(self, value: int) -> str:
        if self.kind != "colour":
            return str(value)
        return f"({value >> 16}, {value >> 8 & 255}, {value & 255})"


def remap_set(
    card: Card,
    raw: Path,
    taxonomy: Taxonomy,
    parting: Parting,
    folder: Path,
    audit_file: Path,
    processes: int,
) -> None:
    """Writes label pictures of taxonomy ids, the manifest, and the audit of a set.

    Args:
        card: the set's card.
        raw: where the publisher's files lie.
        taxonomy: what to map to.
        parting: how to part the set.
        folder: an existing folder; gets `labels/<id>.png` (uint8, 255 = ignore) and
            `manifest.csv`.
        audit_file: gets, as CSV, the pixels a split and universal name, and where they went.
        processes: how many pictures are worked on at once.

    Raises:
        RoadshiftError: the labels are too coarse for the taxonomy; or pictures and labels do not
            pair up, are of different sizes, cannot be read, or hold values that the encoding
            does not know; or every pixel of a split is ignored.
    """
    encoding = card.table_in(raw)
    try:
        # stages.check has seen this before, but for a table that lies among the set's files.
        remapper = Remapper.of(encoding, taxonomy)
    except RoadshiftError as error:
        raise RoadshiftError(f"{card.name}: {error}") from None
    samples = find_samples(card, raw, parting)
    work = partial(remap_sample, remapper, raw, folder)
    done = []
    with (
        results_of(work, samples, processes) as results,
        progress_bar(f"remap {card.name}", "label", len(samples)) as progress,
    ):
        for result in results:
            done.append(result)
            progress.update()
    totals: dict[str, np.ndarray] = {}
    for sample, pixels in done:
        totals[sample.split] = totals.get(sample.split, 0) + pixels
    _check_counted(card, totals, remapper, taxonomy)
    write_manifest([sample for sample, _ in done], folder / "manifest.csv")
    _write_audit(totals, remapper, taxonomy, audit_file)


def remap_sample(
    remapper: Remapper, raw: Path, folder: Path, sample: Sample
) -> tuple[Sample, np.ndarray]:
    """Writes the label picture of one sample, `labels/<id>.png` in the folder.

    Returns:
        The sample with its size and new label, and int64 (256,), its pixels by native index.

    Raises:
        RoadshiftError: as `remap_set`, of this sample.
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
    """Native indices, uint8 (height, width), of a sample's label.

    Raises:
        RoadshiftError: it cannot be read, is not of its picture's size, or holds a value that is
            in no row of the encoding.
    """
    values = read_label(raw / sample.label, remapper.kind)
    height, width = values.shape
    if picture_size(raw / sample.image) != (width, height):
        seen = "×".join(map(str, picture_size(raw / sample.image)))
        raise RoadshiftError(
            f"{sample.image} is {seen}, its label {sample.label} is {width}×{height}: expected "
            "the same size"
        )
    return remapper.native(values, sample.label)


def _check_counted(
    card: Card, totals: Mapping[str, np.ndarray], remapper: Remapper, taxonomy: Taxonomy
) -> None:
    """Stops at labels that are all void, as publishers put in place of those they keep back."""
    counts = remapper.class_id != IGNORE_ID
    for split, pixels in sorted(totals.items()):
        if not pixels[counts].any():
            raise RoadshiftError(
                f"{card.name}: every pixel of split '{split}' is ignored in the taxonomy "
                f"'{taxonomy.name}'; correct the labels, or choose another data.split.by"
            )


def _write_audit(
    totals: Mapping[str, np.ndarray], remapper: Remapper, taxonomy: Taxonomy, file: Path
) -> None:
    # Of the whole set, so that a class's rows add up to its share, whatever the split.
    of_all = int(sum(pixels.sum() for pixels in totals.values()))
    with file.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["split", "class", "universal", "pixels", "share", "ignored_because"])
        for split, pixels in sorted(totals.items()):
            rows: dict[tuple[int, str], tuple[str, str, int]] = {}
            for index, name in enumerate(remapper.names):
                class_id = int(remapper.class_id[index])
                ignored = class_id == IGNORE_ID
                # By name, so that a chart of the classes tells which ones the pixels are.
                shown = f"ignored: {name}" if ignored else taxonomy.class_names[class_id]
                count = rows.get((class_id, name), ("", "", 0))[-1] + int(pixels[index])
                rows[class_id, name] = (shown, taxonomy.ignored.get(name, ""), count)
            for (_, name), (shown, reason, count) in sorted(rows.items()):
                share = round(count / of_all, 6)
                writer.writerow([split, shown, name, count, share, reason])
