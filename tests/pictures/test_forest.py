import io

import numpy as np
import pytest
from PIL import Image

from roadshift.pictures.forest import forest_plot
from roadshift.scoring.bootstrap import Difference
from roadshift.scoring.comparison import VariantScore

LINES = [
    ("base", VariantScore((0.4,), None)),
    ("loss", VariantScore((0.35,), Difference(-0.05, -0.07, -0.03))),
    ("gain", VariantScore((0.43,), Difference(0.03, 0.01, 0.05))),
    ("none", VariantScore((0.4,), Difference(0.0, -0.01, 0.01))),
    ("one image", VariantScore((0.41,), Difference(0.01, None, None))),
    ("no pixel", VariantScore((None,), Difference(None, None, None))),
]


def test_each_difference_has_a_line_and_a_verdict_and_the_best_is_at_the_top():
    axes = forest_plot(LINES, title="what helps?", x_label="points").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "loss", "none", "one image", "gain",
    ]  # fmt: skip
    assert [text.get_text() for text in axes.texts] == [
        "-5.0 worse", "+0.0 ", "+1.0 ", "+3.0 better",
    ]  # fmt: skip
    bars = [line.get_xdata() for line in axes.lines if len(np.unique(line.get_xdata())) == 2]
    assert bars[0] == pytest.approx([-7, -3])
    assert bars[-1] == pytest.approx([1, 5])


def test_it_is_an_image_even_without_a_line():
    for lines in (LINES, LINES[:1]):
        sink = io.BytesIO()
        forest_plot(lines, title="what helps?", x_label="points").savefig(sink, format="png")
        with Image.open(sink) as image:
            assert image.width == 800
