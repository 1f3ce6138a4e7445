import re

import numpy as np
import pytest
from matplotlib.colors import to_hex

from roadshift.report.ablations import HELD_OUT, KeptAblation
from roadshift.report.budgets import BudgetPoint, budget_curves, kept_variants
from roadshift.report.charts import budget_chart, write_svg
from tests.drawn_text import cut_off

EPOCHS = "train.epochs"


def row(name, minutes, *mious, column=HELD_OUT):
    return {
        "variant": name,
        "domain": column,
        "difference": "",
        "miou": f"{sum(mious) / len(mious):.6f}",
        "miou_by_seed": " ".join(f"{miou:.6f}" for miou in mious),
        "processor_minutes": minutes,
    }


def kept(rows, params):
    return KeptAblation(
        name="budget", kind="transfer", baseline="short", rows=rows, question="?", questions={},
        params=params, titles={},
    )  # fmt: skip


def points(line):
    """The points of a line, x and y in turns."""
    return np.asarray(line.get_xydata()).ravel().tolist()


def curves(table, column=HELD_OUT):
    return budget_curves(kept_variants(table, column))


@pytest.fixture
def four():
    """Two recipes, one with three trainings and one with a single one."""
    rows = [
        row("short_long", "8.5", 0.5, 0.52),
        row("short", "4.25", 0.4, 0.42),
        row("short", "4.25", 0.7, 0.72, column="val"),
        row("unmeasured", "", 0.6),
        row("large", "6.0", 0.45),
    ]
    params = {
        "short": {EPOCHS: 5, "seed": 0, "model.encoder": "lite0"},
        "short_long": {EPOCHS: 10, "seed": 3, "model.encoder": "lite0"},
        "unmeasured": {EPOCHS: 20, "seed": 0, "model.encoder": "lite0"},
        "large": {EPOCHS: 5, "seed": 0, "model.encoder": "lite2"},
    }
    return kept(rows, params)


def test_variants_that_differ_in_epochs_and_seed_alone_are_a_curve(four):
    assert curves(four) == {
        "short": [
            BudgetPoint(5, 4.25, 0.41, [0.4, 0.42]),
            BudgetPoint(10, 8.5, 0.51, [0.5, 0.52]),
        ],
        "large": [BudgetPoint(5, 6.0, 0.45, [0.45])],
    }
    assert curves(four, "val") == {}


def test_a_curve_is_named_by_what_its_names_begin_with(four):
    named = {"short": "lite_5", "short_long": "lite_10"}
    rows = [{**each, "variant": named.get(each["variant"], each["variant"])} for each in four.rows]
    params = {named.get(name, name): values for name, values in four.params.items()}
    assert [*curves(kept(rows, params))] == ["lite", "large"]
    unlike = {"short": "first", "short_long": "fifth"}
    rows = [{**each, "variant": unlike.get(each["variant"], each["variant"])} for each in four.rows]
    params = {unlike.get(name, name): values for name, values in four.params.items()}
    assert [*curves(kept(rows, params))] == ["first", "large"]


def test_no_curve_takes_the_name_of_another(four):
    named = {"short": "lite_5", "short_long": "lite_10", "large": "lite"}
    rows = [{**each, "variant": named.get(each["variant"], each["variant"])} for each in four.rows]
    params = {named.get(name, name): values for name, values in four.params.items()}
    found = curves(kept(rows, params))
    assert {name: len(points) for name, points in found.items()} == {"lite_5": 2, "lite": 1}


def test_variants_of_equal_epochs_are_no_curve(four):
    alike = {**four.params, "short_long": {**four.params["short_long"], EPOCHS: 5}}
    assert curves(kept(four.rows, alike)) == {}


def test_a_seed_without_a_score_is_left_out(four):
    rows = [{**each, "miou_by_seed": each["miou_by_seed"] + " nan"} for each in four.rows]
    assert curves(kept(rows, four.params)) == curves(four)


def test_tables_from_before_processor_time_was_measured_have_no_curve(four):
    old = [
        {key: value for key, value in each.items() if key != "processor_minutes"}
        for each in four.rows
    ]
    assert curves(kept(old, four.params)) == {}


def test_the_chart_has_a_line_for_each_recipe_and_a_small_mark_for_each_seed(four):
    figure = budget_chart(curves(four), "budget: held out")
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    assert points(lines["short"]) == pytest.approx([4.25, 41, 8.5, 51])
    small = [
        points(line)
        for line in axes.lines
        if line.get_linestyle() == "None"
        and to_hex(line.get_color()) == to_hex(lines["short"].get_color())
    ]
    assert small == [
        pytest.approx([4.25, 40, 4.25, 42]),
        pytest.approx([8.5, 50, 8.5, 52]),
    ]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["short", "large"]
    assert not cut_off(figure)


def test_the_same_chart_has_the_same_bytes_and_no_date(four, tmp_path):
    files = [tmp_path / name for name in ("one.svg", "two.svg")]
    for file in files:
        write_svg(budget_chart(curves(four), "budget"), file)
    one, two = (file.read_text("utf-8") for file in files)
    assert one == two
    assert not re.search(r"\b20\d\d-\d\d-\d\d|Matplotlib", one)
