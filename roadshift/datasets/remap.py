"""Remapping of a publisher's labels to the ids of a taxonomy, with an audit of every pixel."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from roadshift.datasets.card import UNKNOWN, Card, Encoding
from roadshift.datasets.images import image_size, read_label
from roadshift.datasets.samples import Sample, find_samples, write_manifest
from roadshift.datasets.splits import SplitConfig
from roadshift.errors import RoadshiftError
from roadshift.progress import progress_bar
from roadshift.taxonomy import IGNORE_ID, Taxonomy
from roadshift.workers import parallel_map


@dataclass(frozen=True)
class Remapper:
    """A set's encoding and a taxonomy, joined into lookup arrays.

    Attributes:
        kind: kind of the encoding, as in `Encoding`.
        native_index: uint8, indexed by id, (256,) or (65536,), or by packed colour, (2 ** 24,);
            `UNKNOWN` for values without a row.
        class_id: uint8 (256,), the taxonomy's id by native index.
        names: universal names by native index.
    """

    kind: str
    native_index: np.ndarray
    class_id: np.ndarray
    names: tuple[str, ...]

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
        """Returns the native indices of a label, uint8 of the shape of `values`.

        Args:
            values: the label's ids or packed colours, as `read_label` returns them.
            where: name of the label in the error message.

        Raises:
            RoadshiftError: a value is in no row of the encoding.
        """
        index = self.native_index[values]
        unknown = index == UNKNOWN
        if unknown.any():
            found, counts = np.unique(values[unknown], return_counts=True)
            frequent = sorted(zip(counts.tolist(), found.tolist(), strict=True), reverse=True)
            listed = ", ".join(f"{self._shown(v)} ({n} pixels)" for n, v in frequent[:3])
            more = f" and {len(frequent) - 3} more" if len(frequent) > 3 else ""
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
    *,
    raw: Path,
    taxonomy: Taxonomy,
    split_config: SplitConfig,
    folder: Path,
    audit_file: Path,
    processes: int,
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

    Raises:
        RoadshiftError: the labels are too coarse for the taxonomy; or images and labels do not
            pair up, differ in size, cannot be read, or hold values that the encoding does not
            list; or every pixel of a split is ignored.
    """
    encoding = card.table_in(raw)
    try:
        # stages.validate_params has checked this, but not for a table among the set's files.
        remapper = Remapper.of(encoding, taxonomy)
    except RoadshiftError as error:
        raise RoadshiftError(f"{card.name}: {error}") from None
    samples = find_samples(card, raw, split_config)
    remap_one = partial(remap_sample, remapper=remapper, raw=raw, folder=folder)
    remapped = []
    with (
        parallel_map(remap_one, samples, processes) as results,
        progress_bar(f"remap {card.name}", "label", len(samples)) as progress,
    ):
        for result in results:
            remapped.append(result)
            progress.update()
    totals: dict[str, np.ndarray] = {}
    for sample, pixels in remapped:
        totals[sample.split] = totals.get(sample.split, 0) + pixels
    _check_counted(card, totals, remapper=remapper, taxonomy=taxonomy)
    write_manifest([sample for sample, _ in remapped], folder / "manifest.csv")
    _write_audit(audit_file, totals, remapper=remapper, taxonomy=taxonomy)


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
        RoadshiftError: the label cannot be read, differs from its image in size, or holds a value
            that is in no row of the encoding.
    """
    values = read_label(raw / sample.label, remapper.kind)
    height, width = values.shape
    if image_size(raw / sample.image) != (width, height):
        found = "×".join(map(str, image_size(raw / sample.image)))
        raise RoadshiftError(
            f"{sample.image} is {found}, its label {sample.label} is {width}×{height}: expected "
            "the same size; replace one of them"
        )
    return remapper.native(values, sample.label)


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
    with file.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["split", "class", "universal", "pixels", "share", "ignored_because"])
        for split, pixels in sorted(totals.items()):
            rows: dict[tuple[int, str], tuple[str, str, int]] = {}
            for index, name in enumerate(remapper.names):
                class_id = int(remapper.class_id[index])
                ignored = class_id == IGNORE_ID
                # The name tells ignored pixels apart in a chart of the classes.
                shown = f"ignored: {name}" if ignored else taxonomy.class_names[class_id]
                count = rows.get((class_id, name), ("", "", 0))[-1] + int(pixels[index])
                rows[class_id, name] = (shown, taxonomy.ignored.get(name, ""), count)
            for (_, name), (shown, reason, count) in sorted(rows.items()):
                share = round(count / total, 6)
                writer.writerow([split, shown, name, count, share, reason])
