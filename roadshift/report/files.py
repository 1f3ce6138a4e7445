"""Reads the JSON files, tables and curves of the stages, for the report."""

import csv
import json
from pathlib import Path
from typing import Any

from roadshift.errors import RoadshiftError

_AGAIN = "run dvc repro"


def read_json(file: Path) -> Any:
    """Reads a JSON file.

    Raises:
        RoadshiftError: the file is missing or damaged.
    """
    try:
        return json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing; {_AGAIN}") from None
    except ValueError as error:
        raise RoadshiftError(f"{file}: not JSON ({error}); {_AGAIN}") from None


def read_table(file: Path) -> list[dict[str, str]]:
    """Reads the rows of a table, which commas separate, or tabs in a `.tsv` file.

    Raises:
        RoadshiftError: the file is missing, or a row is longer or shorter than the head.
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
            raise RoadshiftError(
                f"{file}, line {number}: not as many columns as the head has; {_AGAIN}"
            )
    return rows


def read_curves(folder: Path) -> dict[str, list[float]]:
    """Reads the training curves that DVCLive wrote.

    Args:
        folder: the folder of DVCLive.

    Returns:
        By metric, a value for each epoch.

    Raises:
        RoadshiftError: the folder has no curves, or one is damaged.
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
