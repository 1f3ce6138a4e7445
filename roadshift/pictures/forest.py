"""Differences with their intervals as a picture, one line each (a forest plot)."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from roadshift.scoring.comparison import Cell

# Blue and orange can be told apart by those who cannot tell green from red.
COLOURS = {"better": "#0072b2", "worse": "#d55e00", "": "#888888"}


def forest_plot(lines: Sequence[tuple[str, Cell]], title: str, x_label: str) -> Figure:
    """Draws each variant's difference to the base, best at the top.

    Args:
        lines: name and cell of each variant; without a difference (the base) it is left out.
        title: above the plot.
        x_label: below it; the axis is in points (percent of mIoU).

    Returns:
        The figure, with a mark for the difference and a bar for its interval.
    """
    drawn = [
        (name, cell, 100 * cell.difference.difference)
        for name, cell in lines
        if cell.difference is not None and cell.difference.difference is not None
    ]
    drawn.sort(key=lambda line: line[2])
    figure = Figure(figsize=(8, 1.6 + 0.32 * len(drawn)), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    for place, (_, cell, middle) in enumerate(drawn):
        colour = COLOURS[cell.verdict]
        if cell.difference and cell.difference.low is not None:
            ends = [100 * cell.difference.low, 100 * (cell.difference.high or 0.0)]
            axes.plot(ends, [place, place], color=colour)
        axes.plot(middle, place, "o", color=colour)
        axes.annotate(
            f"{middle:+.1f} {cell.verdict}",
            (1.01, place),
            xycoords=("axes fraction", "data"),
            color=colour,
            va="center",
        )
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(drawn)), [name for name, _, _ in drawn])
    axes.set_ylim(-0.6, len(drawn) - 0.4)
    axes.set_title(title)
    axes.set_xlabel(x_label)
    axes.grid(axis="x", alpha=0.3)
    return figure
