import io

import numpy as np
import pytest
from PIL import Image

from roadshift.pictures.forest import ForestLine, forest_plot
from roadshift.pictures.palette import UNDECIDED, VERDICTS
from roadshift.scoring.comparison import VariantScore
from roadshift.scoring.estimate import Difference
from tests.drawn_text import crowded, cut_off

SCORES = [
    ("base", VariantScore((0.4,), None)),
    ("loss", VariantScore((0.35,), Difference(-0.05, -0.07, -0.03))),
    ("gain", VariantScore((0.43, 0.42, 0.44), Difference(0.03, 0.01, 0.05), "better")),
    ("none", VariantScore((0.4,) * 3, Difference(0.0, -0.01, 0.01), "not told apart")),
    ("one image", VariantScore((0.41,), Difference(0.01, None, None))),
    ("no pixel", VariantScore((None,), Difference(None, None, None))),
]
LINES = [ForestLine.of(name, score) for name, score in SCORES]


def test_each_difference_has_a_line_and_a_verdict_and_the_best_is_at_the_top():
    axes = forest_plot(LINES, title="what helps?", x_label="points").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "loss", "none", "one image", "gain",
    ]  # fmt: skip
    assert [text.get_text() for text in axes.texts] == [
        "−5.0, 1 seed", "+0.0, 3 seeds", "+1.0, 1 seed", "+3.0 better, 3 seeds",
    ]  # fmt: skip
    bars = [line.get_xdata() for line in axes.lines if len(np.unique(line.get_xdata())) == 2]
    assert bars[0] == pytest.approx([-7, -3])
    assert bars[-1] == pytest.approx([1, 5])


def test_colours_are_the_verdicts():
    figure = forest_plot(LINES, title="what helps?", x_label="points")
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "better", "worse", "neither",
    ]  # fmt: skip
    assert [line.get_color() for line in legend.get_lines()] == [*VERDICTS.values(), UNDECIDED]
    drawn = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert drawn["−5.0, 1 seed"] == UNDECIDED
    assert drawn["+3.0 better, 3 seeds"] == VERDICTS["better"]


@pytest.mark.parametrize("number", [1, 5, 41])
def test_no_label_is_cut_off_however_long(number):
    difference = Difference(0.03, 0.01, 0.05)
    names = [
        f"without_the_second_stage_of_the_encoder_and_with_{k}_more_{'x' * k}"
        for k in range(number)
    ]
    lines = [ForestLine(name, difference, "", 1) for name in names]
    title = " ".join(["what helps on a camera and a city that training never saw,"] * 3)
    figure = forest_plot(lines, title=f"{title}\ntarget = ika (8 images)", x_label="points")
    assert cut_off(figure) == []
    assert crowded(figure) == []


def test_it_is_an_image_even_without_a_line():
    for lines in (LINES, LINES[:1]):
        sink = io.BytesIO()
        forest_plot(lines, title="what helps?", x_label="points").savefig(sink, format="png")
        with Image.open(sink) as image:
            assert image.width == 800
