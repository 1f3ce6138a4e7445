"""Reading what the stages wrote, for a report on it."""

import csv
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from roadshift.errors import RoadshiftError
from roadshift.scoring.comparison import PictureScores

_AGAIN = "run dvc repro"


def read_json(file: Path) -> Any:
    """Reads a file of metrics.

    Raises:
        RoadshiftError: it is missing or damaged.
    """
    try:
        return json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing; {_AGAIN}") from None
    except ValueError as error:
        raise RoadshiftError(f"{file}: not JSON ({error}); {_AGAIN}") from None


def read_table(file: Path) -> list[dict[str, str]]:
    """Reads the rows of a table, parted by commas, or by tabs in a `.tsv`.

    Raises:
        RoadshiftError: it is missing, or a row is longer or shorter than the head.
    """
    delimiter = "\t" if file.suffix == ".tsv" else ","
    try:
        with file.open(encoding="utf-8", newline="") as source:
            rows = list(csv.DictReader(source, delimiter=delimiter))
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing; {_AGAIN}") from None
    except (ValueError, csv.Error) as error:
        raise RoadshiftError(f"{file}: not a table ({error}); {_AGAIN}") from None
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise RoadshiftError(f"{file}, line {number}: not as many columns as the head has")
    return rows


def read_curves(folder: Path) -> dict[str, list[float]]:
    """Reads the curves that DVCLive drew in a folder: by metric, a value an epoch.

    Raises:
        RoadshiftError: there are none, or one is damaged.
    """
    root = folder / "plots/metrics"
    files = sorted(root.rglob("*.tsv"))
    if not files:
        raise RoadshiftError(f"{root}: no curves; {_AGAIN}")
    curves = {}
    for file in files:
        name = file.relative_to(root).with_suffix("")
        try:
            curves[name.as_posix()] = [float(row[file.stem]) for row in read_table(file)]
        except (KeyError, ValueError):
            raise RoadshiftError(f"{file}: not a curve of '{file.stem}'; {_AGAIN}") from None
    return curves


def read_pictures(file: Path) -> dict[str, PictureScores]:
    """Reads the confusion matrices of every picture that a network was scored on.

    Returns:
        By domain, as 'target', and by domain and method of adaptation, as 'target/adabn', the
        pictures in the order of their ids.

    Raises:
        RoadshiftError: it is missing or damaged.
    """
    try:
        with np.load(file, allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
        return {
            name.removesuffix("/matrices"): PictureScores.sorted(
                content[f"{name.partition('/')[0]}/ids"], matrices
            )
            for name, matrices in content.items()
            if name.endswith("/matrices")
        }
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing; {_AGAIN}") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise RoadshiftError(f"{file}: not the scores of pictures ({reason}); {_AGAIN}") from None
