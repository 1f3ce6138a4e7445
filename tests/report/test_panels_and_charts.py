import base64
import html
import io
import re
from itertools import product

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from roadshift.augment.registry import operations_of
from roadshift.augment.settings import AugmentSettings
from roadshift.pictures.palette import css_colour
from roadshift.pictures.sheet import Panel
from roadshift.records.reader import Example
from roadshift.report import charts, example_panels, figures
from roadshift.scoring.estimate import Difference
from roadshift.settings import parameter_doc
from roadshift.taxonomy import PartialLabel, load_taxonomy
from tests.drawn_text import crowded, cut_off
from tests.results import domain_scores

TAXONOMY = load_taxonomy("driving11")


@pytest.fixture
def two_examples(draw_blocks):
    return [Example(f"p{k}", "", *draw_blocks(k, 48, 64)) for k in range(2)]


def test_every_operation_of_the_registry_is_shown_and_does_something(two_examples):
    one, other = two_examples
    panels = example_panels.augmentation_panels(
        one, other, settings=AugmentSettings(), crop=(32, 48), taxonomy=TAXONOMY, seed=0
    )
    names = [each.name for each in operations_of()]
    assert len(panels) == 2 * len(names)
    for place, name in enumerate(names):
        shown = panels[2 * place : 2 * place + 2]
        assert all(panel.caption.startswith(name.replace("_", " ")) for panel in shown)
        assert {panel.image.shape for panel in shown} == {(32, 48, 3)}
        # The Fourier exchange draws nothing.
        if name != "fda_beta":
            assert not np.array_equal(shown[0].image, shown[1].image), name


def test_the_strength_shown_is_the_runs_or_one_to_begin_with():
    run = AugmentSettings(gamma=0.25, flip=0.5)
    assert example_panels.shown_strength("gamma", run) == 0.25
    assert example_panels.shown_strength("fog", run) == 1.5
    assert example_panels.shown_strength("flip", run) == 1.0
    assert example_panels.shown_strength("random_erasing", run) == 1.0


def test_every_operation_has_a_value_to_begin_with():
    for each in operations_of():
        assert parameter_doc(AugmentSettings.model_fields[each.name]).start, each.name


def test_errors_are_orange_and_ignored_pixels_white():
    image = np.full((1, 3, 3), 100, np.uint8)
    label, prediction = np.array([[1, 1, 255]], np.uint8), np.array([[1, 2, 0]], np.uint8)
    right, wrong, ignored = example_panels.error_map(image, label, prediction)[0]
    assert right.tolist() == [201, 201, 201]  # 255 - 0.35 · 155, rounded
    assert tuple(wrong) == example_panels.WRONG
    assert tuple(ignored) == example_panels.IGNORED


def test_a_chart_has_the_same_bytes_every_time_and_a_palette():
    def drawn():
        return charts.png(charts.share_bars({"a": {"road": 0.9, "sky": 0.1}}))

    assert drawn() == drawn()
    assert b"Software" not in drawn()
    with Image.open(io.BytesIO(drawn())) as image:
        assert image.mode == "P"
        assert image.width == 1.5 * figures.TEXT_WIDTH


def test_charts_take_classes_that_are_absent():
    matrices = {"on a": np.array([[3, 1], [0, 0]])}
    assert charts.png(charts.confusion_figure(matrices, ["road", "sky"], "two classes"))
    scores = domain_scores(0.5, iou={"road": 0.5, "sky": None})
    assert charts.png(charts.class_bars({"a": scores}, "on a"))
    drops = {"a": Difference(0.1, None, None), "b": Difference(-0.1, -0.2, 0.0)}
    assert charts.png(charts.drop_chart(drops, "drop"))


def test_a_drop_is_drawn_in_points_with_the_interval_that_it_has():
    drops = {"a": Difference(0.1, None, None), "b": Difference(-0.1, -0.2, 0.0, 0.04)}
    (axes,) = charts.drop_chart(drops, "drop").axes
    bars = [bar for bar in axes.patches if isinstance(bar, Rectangle)]
    assert [bar.get_width() for bar in bars] == [10, -10]
    (interval,) = (line for line in axes.lines if line.get_linewidth() == 1.5)
    assert np.asarray(interval.get_xdata()).tolist() == [-20, 0]
    assert np.asarray(interval.get_ydata()).tolist() == [1, 1]


LONG = [f"vegetation_and_terrain_{k}" for k in range(3)]
NETWORKS = [
    *("a", "b and c", "a and b and c and d", "a and b and c and d and e"),
    *("a, b and d", "a, c, d and e", "b, c, d and e"),
]


def test_joined_classes_have_a_bar_in_place_of_their_members():
    scores = domain_scores(0.5, iou={"road": 0.9, "person": None, "two_wheeler": None})
    joined = scores.model_copy(update={"joined": {"person + two_wheeler": 0.4}})
    axes = charts.class_bars({"a": joined}, "on a").axes[0]
    assert [label.get_text().replace("\n", " ") for label in axes.get_xticklabels()] == [
        "road", "person + two wheeler",
    ]  # fmt: skip
    tops = [bar.get_extents().y1 for bar in axes.patches]
    bottom, top = axes.transData.transform([(0, 0), (0, 100)])[:, 1]
    assert [(y - bottom) / (top - bottom) for y in tops] == pytest.approx([0.9, 0.4])


def long_charts(classes, networks):
    """Every chart with many long names."""
    names = [f"{LONG[k % 3]}{k}" for k in range(classes)]
    values = dict.fromkeys(names, 0.5)
    ious = {network: domain_scores(0.5, iou=values) for network in networks}
    matrix = np.ones((classes, classes), np.int64)
    title = "Trained on a and b and c and d"
    yield "shares", charts.share_bars(dict.fromkeys(networks, values))
    yield "classes", charts.class_bars(ious, "IoU of each class on target (a_long_name_of_a_set)")
    yield "confusion", charts.confusion_figure(dict.fromkeys(networks[:5], matrix), names, title)
    drops = {f"trained on {network}": Difference(0.1, 0.05, 0.2) for network in networks}
    yield "drops", charts.drop_chart(drops, "Drop to the target")
    yield "shifts", charts.shift_chart({network: [0.1, 0.5] for network in networks}, title)
    curves = {name: [0.2, 0.1] for name in ("loss", "val_miou/a", "val_miou/b")}
    yield "curves", charts.learning_curves(dict.fromkeys(networks, curves))


@pytest.mark.parametrize(("classes", "networks"), [(3, 1), (11, 3), (19, 4), (34, 4), (11, 7)])
def test_no_label_of_a_chart_is_cut_off_or_lies_over_another(classes, networks):
    for name, figure in long_charts(classes, NETWORKS[:networks]):
        assert cut_off(figure) == [], name
        assert crowded(figure) == [], name


def test_the_legend_of_many_networks_lies_beside_what_is_drawn():
    for name, figure in long_charts(11, NETWORKS):
        figure.draw_without_rendering()
        assert len(figure.legends) == (name in ("shares", "classes", "curves")), name
        for legend, axes in product(figure.legends, figure.axes):
            assert not axes.get_window_extent().overlaps(legend.get_window_extent()), name


def test_many_networks_look_different_from_each_other():
    values = dict.fromkeys(["road", "sky"], 0.5)
    figure = charts.class_bars({n: domain_scores(0.5, iou=values) for n in NETWORKS}, "on a")
    bars = figure.axes[0].patches
    assert len({(bar.get_facecolor(), bar.get_hatch()) for bar in bars}) == len(NETWORKS)
    curves = {name: [0.2, 0.1] for name in ("loss", "val_miou/a")}
    for axes in charts.learning_curves(dict.fromkeys(NETWORKS, curves)).axes:
        looks = {(line.get_color(), line.get_linestyle(), line.get_markerfacecolor())
                 for line in axes.lines}  # fmt: skip
        assert len(looks) == len(NETWORKS)


def test_captions_of_images_are_whole_and_images_no_larger_than_they_are_shown():
    generator = np.random.default_rng(0)
    photograph = generator.integers(0, 256, (160, 2000, 3)).astype(np.uint8)
    name = "a <name> that is much longer than a panel is wide: frankfurt_000001_064130_leftImg8bit"
    grid = figures.panel_grid([Panel(name, photograph)] * 3, 8)
    assert grid.count(f"<figcaption>{html.escape(name)}</figcaption>") == 3
    sizes = []
    for data in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', grid):
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            sizes.append(image.width)
    assert sizes == [int(1.5 * ((figures.TEXT_WIDTH - 7 * 8) // 8))] * 3


def test_the_legend_has_every_class_with_its_colour():
    legend = figures.class_legend(TAXONOMY)
    for name, entry in TAXONOMY.classes.items():
        assert name.replace("_", " ") in legend
        assert css_colour(entry.colour) in legend


def test_a_partial_label_is_no_error_where_one_of_its_classes_is_predicted():
    partial = [PartialLabel(11, (1, 3), "sidewalk or fence")]
    image, label = np.full((1, 3, 3), 100, np.uint8), np.full((1, 3), 11, np.uint8)
    prediction = np.array([[1, 2, 3]], np.uint8)
    first, wrong, second = example_panels.error_map(image, label, prediction, partial)[0].tolist()
    assert first == second
    assert tuple(wrong) == example_panels.WRONG
