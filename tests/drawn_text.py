"""Where the text of a chart lies, for tests that no label is cut off."""

from itertools import combinations, pairwise

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

SLACK = 1
"""Pixels."""


def _texts(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    hidden = {id(text) for axes in figure.axes for text in _out_of_view(axes)}
    found = (
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden
    )
    return [(text, text.get_window_extent(renderer)) for text in found]


def _out_of_view(axes):
    """Labels of ticks that lie outside of the axes, which are not drawn."""
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low <= tick.get_loc() <= high:
                yield from (tick.label1, tick.label2)


def cut_off(figure):
    """The texts of a chart that leave it."""
    width, height = figure.canvas.get_width_height()
    return [
        text.get_text()
        for text, box in _texts(figure)
        if box.x0 < -SLACK or box.y0 < -SLACK or box.x1 > width + SLACK or box.y1 > height + SLACK
    ]


def crowded(figure):
    """Pairs of neighbouring labels of an axis that overlap, and of titles that do."""
    boxes = {id(text): box for text, box in _texts(figure)}
    pairs: list[tuple[Text, Text]] = []
    for axes in figure.axes:
        for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
            pairs += pairwise(text for text in labels if id(text) in boxes)
    titles = [axes.title for axes in figure.axes if id(axes.title) in boxes]
    pairs += combinations(titles, 2)
    return [
        (one.get_text(), other.get_text())
        for one, other in pairs
        if _overlap(boxes[id(one)], boxes[id(other)])
    ]


def _overlap(one, other):
    across = min(one.x1, other.x1) - max(one.x0, other.x0)
    down = min(one.y1, other.y1) - max(one.y0, other.y0)
    return across > SLACK and down > SLACK
