"""Learning curves of all networks as two tables, for DVC's plots.

DVC draws the curves of several files in one chart only if dvc.yaml lists the files.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

VALIDATION = "val_miou/"
"""Prefix of the metrics on a source's validation images."""


def write_curve_tables(curves: Mapping[str, Mapping[str, Sequence[float]]], folder: Path) -> None:
    """Writes loss.csv and validation.csv: a row for each curve and epoch.

    Args:
        curves: by mix and metric, a value for each epoch, from `read_curves`.
        folder: folder of the tables.
    """
    losses = {mix: metrics["loss"] for mix, metrics in curves.items()}
    validation = {
        f"{mix} on {metric.removeprefix(VALIDATION)}": values
        for mix, metrics in curves.items()
        for metric, values in metrics.items()
        if metric.startswith(VALIDATION)
    }
    for name, lines in {"loss": losses, "validation": validation}.items():
        column = "miou" if name == "validation" else name
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as sink:
            rows = csv.writer(sink, lineterminator="\n")
            rows.writerow(["curve", "epoch", column])
            rows.writerows(_rows(lines))


def _rows(lines: Mapping[str, Sequence[float]]) -> Iterator[tuple[str, int, float]]:
    for name, values in lines.items():
        for epoch, value in enumerate(values, 1):
            yield name, epoch, value
