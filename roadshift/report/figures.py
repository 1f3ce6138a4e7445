"""Figures of a report in HTML: grids of captioned images, charts, and the legend of the classes."""

from collections.abc import Sequence
from html import escape

from matplotlib.figure import Figure

from roadshift.pictures.palette import css_colour
from roadshift.pictures.sheet import Panel
from roadshift.report.charts import png
from roadshift.report.data_uris import drawing_uri, file_uri
from roadshift.taxonomy import Taxonomy

TEXT_WIDTH = 980
"""Width of the report's text in pixels."""
_GAP = 8
_DENSITY = 1.5
"""Pixels of an image for each pixel of a screen: some screens are finer, but files grow by its
square."""


def panel_grid(panels: Sequence[Panel], columns: int) -> str:
    """Arranges images with their captions in a grid.

    Each is a file of its own, no larger than it is shown, and its caption is text, which wraps
    where a drawn one would be cut off.

    Args:
        panels: the images, row by row.
        columns: number of columns.
    """
    width = (TEXT_WIDTH - (columns - 1) * _GAP) // columns
    figures = []
    for panel in panels:
        height, own = panel.image.shape[:2]
        figures.append(
            f'<figure style="margin:0"><img src="{drawing_uri(panel.image, int(_DENSITY * width))}"'
            f' alt="{escape(panel.caption)}" width="{own}" height="{height}"'
            ' style="width:100%;height:auto">'
            f"<figcaption>{escape(panel.caption)}</figcaption></figure>"
        )
    style = f"display:grid;grid-template-columns:repeat({columns},minmax(0,1fr));gap:{_GAP}px"
    return f'<div class="panels" style="{style}">\n' + "\n".join(figures) + "\n</div>"


def chart(figure: Figure, alt: str) -> str:
    """Returns a chart as an image, as wide as it was drawn for.

    Args:
        figure: the chart.
        alt: what it shows, for people who cannot see it.
    """
    width, height = (round(side * 100) for side in figure.get_size_inches())
    return (
        f'<img src="{file_uri(png(figure), "png")}" alt="{escape(alt)}" width="{width}" '
        f'height="{height}">'
    )


def class_legend(taxonomy: Taxonomy) -> str:
    """Returns the colours of the classes with their names."""
    entries = [
        f'<span style="white-space:nowrap"><span style="display:inline-block;width:1em;height:.8em;'
        f'background:{css_colour(entry.colour)};border:1px solid #888"></span> '
        f"{escape(name.replace('_', ' '))}</span>"
        for name, entry in taxonomy.classes.items()
    ]
    return f'<p class="legend">{" &ensp; ".join(entries)}</p>'
