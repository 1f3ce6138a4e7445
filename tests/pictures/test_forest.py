import io

import numpy as np
import pytest
from PIL import Image

from roadshift.pictures.forest import forest_plot
from roadshift.scoring.bootstrap import Difference
from roadshift.scoring.comparison import Cell

LINES = [
    ("base", Cell((0.4,), None)),
    ("loss", Cell((0.35,), Difference(-0.05, -0.07, -0.03))),
    ("gain", Cell((0.43,), Difference(0.03, 0.01, 0.05))),
    ("none", Cell((0.4,), Difference(0.0, -0.01, 0.01))),
    ("one picture", Cell((0.41,), Difference(0.01, None, None))),
    ("no pixel", Cell((None,), Difference(None, None, None))),
]


def test_a_line_a_difference_the_best_at_the_top_and_in_words():
    axes = forest_plot(LINES, "what helps?", "points").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "loss", "none", "one picture", "gain",
    ]  # fmt: skip
    assert [text.get_text() for text in axes.texts] == [
        "-5.0 worse", "+0.0 ", "+1.0 ", "+3.0 better",
    ]  # fmt: skip
    bars = [line.get_xdata() for line in axes.lines if len(np.unique(line.get_xdata())) == 2]
    assert bars[0] == pytest.approx([-7, -3])
    assert bars[-1] == pytest.approx([1, 5])


def test_it_is_a_picture_even_without_a_line():
    for lines in (LINES, LINES[:1]):
        sink = io.BytesIO()
        forest_plot(lines, "what helps?", "points").savefig(sink, format="png")
        with Image.open(sink) as picture:
            assert picture.width == 800
