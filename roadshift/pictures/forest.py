"""Forest plots: differences with their intervals, one line each."""

from collections.abc import Sequence
from textwrap import fill
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from roadshift.pictures.palette import UNDECIDED, VERDICTS
from roadshift.scoring.comparison import VariantScore
from roadshift.scoring.estimate import Difference
from roadshift.scoring.numbers import points
from roadshift.scoring.verdicts import Verdict

_TITLE_WIDTH, _NAME_WIDTH = 80, 40
"""Letters of a line of the title and of a name; longer ones are wrapped, so that none is cut."""


class ForestLine(NamedTuple):
    """A variant in a forest plot.

    Attributes:
        name: its name.
        difference: its difference to the baseline; None for the baseline itself.
        verdict: what the difference shows.
        seeds: number of its seeds.
    """

    name: str
    difference: Difference | None
    verdict: Verdict
    seeds: int

    @classmethod
    def of(cls, name: str, score: VariantScore) -> "ForestLine":
        """Returns the line of a score."""
        return cls(name, score.difference, score.verdict, len(score.by_seed))


def seeds_words(number: int) -> str:
    """Returns a number of seeds in words, '1 seed' or '2 seeds'."""
    return f"{number} seed{'' if number == 1 else 's'}"


def forest_plot(lines: Sequence[ForestLine], *, title: str, x_label: str) -> Figure:
    """Draws the difference of each variant to the baseline, the best at the top.

    Args:
        lines: the variants; those without a difference (the baseline) are left
            out.
        title: text above the plot.
        x_label: text below the plot; the axis is in points (percent of mIoU).

    Returns:
        The figure; a dot marks a difference, a bar its interval, and a colour the verdict.
    """
    drawn = [
        (line, line.difference, line.difference.difference)
        for line in lines
        if line.difference is not None and line.difference.difference is not None
    ]
    drawn.sort(key=lambda each: each[2])
    names = [fill(line.name, _NAME_WIDTH) for line, _, _ in drawn]
    row_height = 0.06 + 0.17 * max((name.count("\n") + 1 for name in names), default=0)
    figure = Figure(figsize=(8, 2.1 + row_height * len(drawn)), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    for row, (line, difference, middle) in enumerate(drawn):
        colour = VERDICTS.get(line.verdict, UNDECIDED)
        if difference.low is not None:
            ends = [100 * difference.low, 100 * (difference.high or 0.0)]
            axes.plot(ends, [row, row], color=colour)
        axes.plot(100 * middle, row, "o", color=colour, markersize=5)
        axes.annotate(
            _said(line, middle),
            (1.01, row),
            xycoords=("axes fraction", "data"),
            color=colour,
            va="center",
            fontsize=9,
        )
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(drawn)), names, fontsize=9)
    axes.set_ylim(-0.6, len(drawn) - 0.4)
    # A title of the axes is centred on them and may leave the figure; that of the figure is not.
    figure.suptitle("\n".join(fill(line, _TITLE_WIDTH) for line in title.splitlines()))
    axes.set_xlabel(x_label)
    axes.grid(axis="x", alpha=0.3)
    marks = [
        Line2D([], [], color=colour, marker="o", label=verdict)
        for verdict, colour in (*VERDICTS.items(), ("neither", UNDECIDED))
    ]
    figure.legend(
        handles=marks, loc="outside lower center", ncols=len(marks), frameon=False, fontsize=9
    )
    return figure


def _said(line: ForestLine, difference: float) -> str:
    verdict = f" {line.verdict}" if line.verdict in VERDICTS else ""
    return f"{points(difference)}{verdict}, {seeds_words(line.seeds)}"
