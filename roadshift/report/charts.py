"""Charts of a report. The same arguments give the same bytes of `png` and of `write_svg`."""

import io
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from PIL import Image

from roadshift.pictures.palette import INK, SERIES
from roadshift.report.budgets import BudgetPoint
from roadshift.scoring.estimate import Difference
from roadshift.scoring.results import DomainScores
from roadshift.taxonomy import IGNORE_ID

MARKERS = "osDv^P"
_MANY_CLASSES = 19
"""With more classes a chart has no room for numbers in cells."""
_MIN_PERCENT_SHOWN = 9.5
"""Cells of a confusion chart below this percentage have no number."""
_WIDTH = 9.8
"""Width of a chart in inches; at 100 dots an inch it is the width of the report's text."""
_LETTER = 0.06
"""Width of a letter of a small label in inches, a little more than it takes."""
_VALIDATION = "val_miou/"
"""Prefix of the metrics on a source's validation images."""
_SMALL: dict[str, Any] = {"frameon": False, "fontsize": 8}
"""Options of a legend with many lines."""
_LEGEND_LINE = 0.21
"""Height of a line of a legend in inches."""
_LINES_INSIDE = 6
"""A legend of more lines stands below the curves, and tells networks and sources apart."""
_IN_A_ROW = 3
"""Number of confusion matrices beside each other, and of entries in a line of a legend."""
_DENSITY = 1.5
_COLOURS = 128


def png(figure: Figure) -> bytes:
    """Returns a chart as PNG with a palette, at `_DENSITY` times the resolution it is shown at."""
    drawn, content = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DENSITY * figure.dpi)
    with Image.open(drawn) as image:
        # A chart has few colours beside the shades of its edges: a third of the size, no difference
        # to see. Saved again, it does not name the version of Matplotlib, either.
        flat = image.convert("RGB").quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, 2)
        flat.save(content, "PNG", optimize=True)
    return content.getvalue()


def write_svg(figure: Figure, file: Path) -> None:
    """Writes a chart as SVG, for pages that show files. The same chart gives the same bytes."""
    with rc_context({"svg.hashsalt": "roadshift"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})


def _figure(height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)
    return figure, list(axes[0])


def _colour(place: int) -> str:
    return SERIES[place % len(SERIES)]


def _again(place: int) -> bool:
    """Returns whether another series has had this one's colour already."""
    return place // len(SERIES) % 2 == 1


def _grid(axes: Axes, axis: str) -> None:
    axes.grid(axis=axis, alpha=0.3)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def learning_curves(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Draws the training loss, and the mIoU on the sources' validation images, by epoch.

    Args:
        curves: by network and metric, a value for each epoch. The metrics are `loss` and, for each
            source, `val_miou/<source>`.
    """
    every = [key for metrics in curves.values() for key in metrics if key.startswith(_VALIDATION)]
    many = len(every) > _LINES_INSIDE
    rows = ceil(len(curves) / _IN_A_ROW) if many else 0
    figure, (left, right) = _figure(3.8 + _LEGEND_LINE * rows, 2)
    for place, (name, metrics) in enumerate(curves.items()):
        colour = _colour(place)
        epochs = range(1, len(metrics["loss"]) + 1)
        dashes = "--" if _again(place) else "-"
        left.plot(epochs, metrics["loss"], dashes, color=colour, label=f"trained on {name}")
        sources = [key for key in metrics if key.startswith(_VALIDATION)]
        for style, key in enumerate(sources):
            source = key.removeprefix(_VALIDATION)
            marker = [*dict.fromkeys(every)].index(key) if many else style
            right.plot(
                epochs,
                [100 * value for value in metrics[key]],
                color=colour,
                marker=MARKERS[marker % len(MARKERS)],
                markersize=4,
                markerfacecolor="white" if _again(place) else colour,
                linestyle=("-", "--", ":")[style % 3],
                label=f"trained on {name}, on {source}",
            )
    left.set(title="Training loss", xlabel="epoch", ylabel="loss", ylim=(0, None))
    right.set(title="Validation images of the sources", xlabel="epoch", ylabel="mIoU, %")
    if many:
        # A line of text for each pair would take more room than the curves.
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", **_SMALL, ncols=_IN_A_ROW)
        points = [
            Line2D([], [], color=INK, marker=MARKERS[place % len(MARKERS)], markersize=4, ls="",
                   label=f"on {key.removeprefix(_VALIDATION)}")
            for place, key in enumerate(dict.fromkeys(every))
        ]  # fmt: skip
        right.legend(handles=points, **_SMALL)
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if not many:
            axes.legend(**_SMALL)
        _grid(axes, "both")
    return figure


def share_bars(shares: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draws each class's share of the pixels, on a logarithmic axis.

    Args:
        shares: by domain and class, the share, 0..1.
    """
    return _bars(
        {domain: dict(classes) for domain, classes in shares.items()},
        "Share of the pixels by class",
        "% of pixels (logarithmic)",
        logarithmic=True,
    )


def class_bars(scores: Mapping[str, DomainScores], title: str) -> Figure:
    """Draws the IoU of each class on one domain, a bar for each network; absent classes have none.

    Where the domain's labels join classes, the joined ones stand in place of their members.

    Args:
        scores: by network, its scores on the domain.
        title: title of the chart.
    """
    by_network = {
        f"trained on {name}": {
            c: np.nan if v is None else v
            for c, v in {**score.iou, **score.joined}.items()
            if c not in score.joined_parts
        }
        for name, score in scores.items()
    }
    figure = _bars(by_network, title, "IoU, %")
    # All domains have one scale, so that charts can be compared.
    figure.axes[0].set_ylim(0, 115)
    figure.axes[0].set_yticks(range(0, 101, 20))
    return figure


def _bars(
    series: Mapping[str, Mapping[str, float]], title: str, label: str, *, logarithmic: bool = False
) -> Figure:
    names = list(next(iter(series.values())))
    lines = [n.replace("_", "\n") for n in names]
    letters = max(len(line) for name in lines for line in name.split("\n"))
    fits = letters * 1.3 * _LETTER * len(names) < 0.9 * _WIDTH
    lines_below = ceil(len(series) / _IN_A_ROW) if len(series) > _IN_A_ROW else 0
    room = 0 if fits else _LETTER * max(map(len, names))
    figure, (axes,) = _figure(3.2 + room + _LEGEND_LINE * lines_below)
    width = 0.8 / len(series)
    for place, (name, values) in enumerate(series.items()):
        left = np.arange(len(names)) + (place - (len(series) - 1) / 2) * width
        heights = 100 * np.array([values[n] for n in names], np.float64)
        axes.bar(
            left, heights, width, color=_colour(place), label=name,
            hatch="////" if _again(place) else None, edgecolor="white", linewidth=0,
        )  # fmt: skip
    axes.set_xticks(
        range(len(names)),
        lines if fits else [n.replace("_", " ") for n in names],
        fontsize=9,
        rotation=0 if fits else 90,
    )
    if logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set(title=title, ylabel=label)
    if lines_below:
        figure.legend(frameon=False, fontsize=9, ncols=_IN_A_ROW, loc="outside lower center")
    else:
        axes.legend(frameon=False, fontsize=9, ncols=len(series))
    axes.margins(x=0.01, y=0.15)
    _grid(axes, "y")
    return figure


def confusion_figure(
    matrices: Mapping[str, np.ndarray], class_names: Sequence[str], title: str
) -> Figure:
    """Draws confusion matrices, each row in percent of the true class's pixels.

    Args:
        matrices: by its title, each matrix, int64 (classes, classes); rows are the truth.
        class_names: names of the classes in the order of their ids.
        title: title of the chart.
    """
    labels = [n.replace("_", " ") for n in class_names]
    columns = min(len(matrices), _IN_A_ROW)
    lines = ceil(len(matrices) / columns)
    room = _LETTER * max(map(len, labels))
    # The charts are square: names take room at the left once, and below each.
    side = (_WIDTH - room - 1.3) / columns
    size = min(7.0, 0.9 * 72 * side / len(labels))
    figure = Figure(figsize=(_WIDTH, lines * (side + room + 0.7) + 0.4), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False, sharey=True)
    row = list(grid.flat)
    for axes in row[len(matrices) :]:
        axes.remove()
    for axes, (name, matrix) in zip(row, matrices.items(), strict=False):
        truth = matrix.sum(axis=1, keepdims=True)
        shares = np.where(truth > 0, 100 * matrix / np.maximum(truth, 1), np.nan)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        for (actual, predicted), share in np.ndenumerate(shares):
            if share >= _MIN_PERCENT_SHOWN and len(class_names) <= _MANY_CLASSES:
                axes.text(
                    predicted, actual, f"{share:.0f}", ha="center", va="center", fontsize=6,
                    color="white" if share > 60 else INK,
                )  # fmt: skip
        axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=size)
        axes.set_yticks(range(len(labels)), labels, fontsize=size)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("predicted", fontsize=8)
    for axes in grid[:, 0]:
        axes.set_ylabel("truth", fontsize=8)
    figure.colorbar(
        row[0].images[0], ax=row[: len(matrices)], shrink=0.7 / lines,
        label="% of the true class's pixels",
    )  # fmt: skip
    figure.suptitle(title, fontsize=11)
    return figure


def drop_chart(drops: Mapping[str, Difference], title: str) -> Figure:
    """Draws the drops to the target with their intervals, a bar for each network.

    Args:
        drops: by network, the drop with its interval, from `conclusions.drop_to`.
        title: title of the chart.
    """
    figure, (axes,) = _figure(0.9 + 0.45 * len(drops))
    for place, drop in enumerate(drops.values()):
        axes.barh(place, 100 * (drop.difference or 0.0), 0.6, color=_colour(place))
        if drop.low is not None and drop.high is not None:
            axes.plot([100 * drop.low, 100 * drop.high], [place, place], color=INK, linewidth=1.5)
    axes.set_yticks(range(len(drops)), list(drops))
    axes.invert_yaxis()
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set(title=title, xlabel="points of mIoU lost (line: interval)")
    _grid(axes, "x")
    return figure


def shift_chart(shifts: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Draws how far a domain's features lie from those of the network's own domains, by layer.

    Args:
        shifts: by domain, a value for each layer, in standard deviations (see
            `roadshift.inference.network_facts`).
        title: title of the chart.
    """
    figure, (axes,) = _figure(3.2)
    for place, (domain, values) in enumerate(shifts.items()):
        axes.plot(
            range(1, len(values) + 1), values, "--" if _again(place) else "-",
            color=_colour(place), marker=MARKERS[place % len(MARKERS)], markersize=4,
            label=f"on {domain}",
        )  # fmt: skip
    axes.set(title=title, xlabel="normalized layer, in the order of the forward pass")
    axes.set(ylabel="distance of the features' means\n(standard deviations)", ylim=(0, None))
    axes.legend(frameon=False, ncols=ceil(len(shifts) / _LINES_INSIDE))
    _grid(axes, "both")
    return figure


def budget_chart(curves: Mapping[str, Sequence[BudgetPoint]], title: str) -> Figure:
    """Draws mIoU over the processor time of a run, a line for each recipe.

    Args:
        curves: by recipe, its points, from `budgets.budget_curves`. A large mark is the mean over
            the seeds, with the number of epochs beside it; a small one is a seed.
        title: title of the chart.
    """
    figure, (axes,) = _figure(3.8)
    for place, (name, points) in enumerate(curves.items()):
        style: dict[str, Any] = {"color": _colour(place), "marker": MARKERS[place % len(MARKERS)]}
        minutes = [point.minutes for point in points]
        axes.plot(minutes, [100 * point.miou for point in points], label=name, **style)
        for point in points:
            seeds = [100 * miou for miou in point.by_seed]
            axes.plot([point.minutes] * len(seeds), seeds, ls="", markersize=3, alpha=0.6, **style)
            axes.annotate(
                str(point.epochs), (point.minutes, 100 * point.miou), xytext=(6, -3),
                textcoords="offset points", fontsize=8, color=style["color"],
            )  # fmt: skip
    x_label = "processor time of a run, minutes (number at a mark: epochs)"
    axes.set(title=title, xlabel=x_label, ylabel="mIoU, %")
    axes.set_xlim(0, None)
    axes.legend(frameon=False)
    _grid(axes, "both")
    return figure


def matrix_figure(parts: Mapping[str, np.ndarray]) -> Figure:
    """Draws small integer matrices side by side with their numbers, for calculations by hand."""
    figure, row = _figure(2.9, len(parts))
    for axes, (name, values) in zip(row, parts.items(), strict=True):
        axes.imshow(np.where(values == IGNORE_ID, np.nan, values), cmap="Blues", vmin=0, vmax=6)
        for (y, x), value in np.ndenumerate(values):
            ink = "white" if 3 < value < IGNORE_ID else INK
            axes.text(x, y, str(value), ha="center", va="center", color=ink)
        axes.set_title(name, fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
    return figure
