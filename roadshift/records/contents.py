"""The table beside the shards: pixels of each label of every image, in record order."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from roadshift.errors import RoadshiftError

FILE = "images.csv"


@dataclass(frozen=True)
class Contents:
    """The images of a split, in the order of their records.

    Attributes:
        ids: id of each image.
        pixels: int64 (images, labels), number of pixels of each class, then of each partial label,
            without ignored ones.
    """

    ids: tuple[str, ...]
    pixels: np.ndarray


def write_contents(
    rows: Iterable[tuple[str, str, Sequence[int]]], label_names: Sequence[str], folder: Path
) -> None:
    """Writes the table.

    Args:
        rows: split, id and number of pixels of each label, one row for each image.
        label_names: names of the classes and partial labels, in the order of their ids.
        folder: folder of the shards.
    """
    with (folder / FILE).open("w", encoding="utf-8", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["split", "id", *label_names])
        writer.writerows([split, name, *pixels] for split, name, pixels in rows)


def read_contents(folder: Path, split: str, label_names: Sequence[str]) -> Contents:
    """Reads the rows of a split.

    Args:
        folder: folder of the shards.
        split: name of the split.
        label_names: names of the classes and partial labels, in the order of their ids.

    Raises:
        RoadshiftError: the table is missing or damaged.
    """
    file = folder / FILE
    again = "run the shard stage again"
    ids, pixels = [], []
    try:
        with file.open(encoding="utf-8", newline="") as source:
            reader = csv.reader(source, strict=True)
            header = next(reader, [])
            if header != ["split", "id", *label_names]:
                raise RoadshiftError(
                    f"{file}: columns {', '.join(header) or 'none'}, expected split, id, "
                    f"{', '.join(label_names)}; {again}"
                )
            for row in reader:
                counts = [int(value) for value in row[2:]]
                if len(counts) != len(label_names) or min(counts) < 0:
                    raise ValueError("not a count of pixels for each label")
                if row[0] == split:
                    ids.append(row[1])
                    pixels.append(counts)
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing; {again}") from None
    except (ValueError, csv.Error) as error:
        raise RoadshiftError(
            f"{file}: damaged in line {reader.line_num} ({error}); {again}"
        ) from None
    return Contents(tuple(ids), np.array(pixels, np.int64).reshape(-1, len(label_names)))
