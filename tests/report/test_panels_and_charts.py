import numpy as np
import pytest

from roadshift.augment.registry import operations_of
from roadshift.augment.settings import AugmentSettings
from roadshift.records.reader import Example
from roadshift.report import charts, example_panels
from roadshift.scoring.bootstrap import Difference
from roadshift.settings import parameter_doc
from roadshift.taxonomy import load_taxonomy
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
    assert len(panels) == 3 * len(names)
    for place, name in enumerate(names):
        shown = panels[3 * place : 3 * place + 3]
        assert all(panel.caption.startswith(name) for panel in shown)
        assert {panel.image.shape for panel in shown} == {(32, 48, 3)}
        # The Fourier exchange draws nothing; mirroring and mixing may draw the same twice.
        if name not in ("fda_beta", "flip"):
            assert not np.array_equal(shown[0].image, shown[2].image), name


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


def test_a_chart_has_the_same_bytes_every_time():
    def drawn():
        return charts.png(charts.share_bars({"a": {"road": 0.9, "sky": 0.1}}))

    assert drawn() == drawn()
    assert b"Software" not in drawn()


def test_charts_take_classes_that_are_absent():
    matrices = {"on a": np.array([[3, 1], [0, 0]])}
    assert charts.png(charts.confusion_figure(matrices, ["road", "sky"], "two classes"))
    scores = domain_scores(0.5, iou={"road": 0.5, "sky": None})
    assert charts.png(charts.class_bars({"a": scores}, "on a"))
    drops = {"a": Difference(0.1, None, None), "b": Difference(-0.1, -0.2, 0.0)}
    assert charts.png(charts.drop_chart(drops, "drop"))
