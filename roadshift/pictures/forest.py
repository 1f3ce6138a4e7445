"""Forest plots: differences with their intervals, one line each."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from roadshift.pictures.palette import VERDICTS
from roadshift.scoring.comparison import VariantScore


def forest_plot(lines: Sequence[tuple[str, VariantScore]], *, title: str, x_label: str) -> Figure:
    """Draws the difference of each variant to the baseline, the best at the top.

    Args:
        lines: name and score of each variant; those without a difference (the baseline) are left
            out.
        title: text above the plot.
        x_label: text below the plot; the axis is in points (percent of mIoU).

    Returns:
        The figure; a dot marks a difference, a bar its interval.
    """
    drawn = [
        (name, score, 100 * score.difference.difference)
        for name, score in lines
        if score.difference is not None and score.difference.difference is not None
    ]
    drawn.sort(key=lambda line: line[2])
    figure = Figure(figsize=(8, 1.6 + 0.32 * len(drawn)), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    for row, (_, score, middle) in enumerate(drawn):
        colour = VERDICTS[score.verdict]
        if score.difference and score.difference.low is not None:
            ends = [100 * score.difference.low, 100 * (score.difference.high or 0.0)]
            axes.plot(ends, [row, row], color=colour)
        axes.plot(middle, row, "o", color=colour)
        axes.annotate(
            f"{middle:+.1f} {score.verdict}",
            (1.01, row),
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
