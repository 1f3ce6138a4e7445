import numpy as np
import pytest

from roadshift.augment.registry import KINDS
from roadshift.augment.settings import AugmentSettings
from roadshift.records.reader import Example
from roadshift.report import charts, pictures
from roadshift.report.network import feature_shifts, network_facts
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")


@pytest.fixture
def two_examples(draw_blocks):
    return [Example(f"p{k}", "", *draw_blocks(k, 48, 64)) for k in range(2)]


def test_every_operation_of_the_registry_is_shown_and_does_something(two_examples):
    one, other = two_examples
    panels = pictures.augmentation_panels(one, other, AugmentSettings(), (32, 48), TAXONOMY, 0)
    names = [name for kind in KINDS for name in kind]
    assert len(panels) == 3 * len(names)
    for place, name in enumerate(names):
        shown = panels[3 * place : 3 * place + 3]
        assert all(panel.caption.startswith(name) for panel in shown)
        assert {panel.image.shape for panel in shown} == {(32, 48, 3)}
        # The Fourier exchange draws nothing; mirroring and mixing may draw the same twice.
        if name not in ("fourier", "flip"):
            assert not np.array_equal(shown[0].image, shown[2].image), name


def test_the_strength_shown_is_the_runs_or_one_to_begin_with():
    run = AugmentSettings(gamma=0.25, flip=0.5)
    assert pictures.shown_strength("gamma", run) == 0.25
    assert pictures.shown_strength("fog", run) == 1.5
    assert pictures.shown_strength("flip", run) == 1.0
    assert pictures.shown_strength("erasing", run) == 1.0


def test_errors_are_orange_and_ignored_pixels_white():
    image = np.full((1, 3, 3), 100, np.uint8)
    label, prediction = np.array([[1, 1, 255]], np.uint8), np.array([[1, 2, 0]], np.uint8)
    right, wrong, ignored = pictures.error_map(image, label, prediction)[0]
    assert right.tolist() == [201, 201, 201]  # 255 - 0.35 · 155, rounded
    assert tuple(wrong) == pictures.WRONG
    assert tuple(ignored) == pictures.IGNORED


def test_a_chart_has_the_same_bytes_every_time():
    def drawn():
        return charts.png(charts.share_bars({"a": {"road": 0.9, "sky": 0.1}}))

    assert drawn() == drawn()
    assert b"Software" not in drawn()


def test_charts_take_classes_that_are_absent():
    matrices = {"on a": np.array([[3, 1], [0, 0]])}
    assert charts.png(charts.confusion_figure(matrices, ["road", "sky"], "two classes"))
    assert charts.png(charts.class_bars({"a": {"iou": {"road": 0.5, "sky": None}}}, "on a"))
    assert charts.png(charts.drop_chart({"a": (0.1, None, None), "b": (-0.1, -0.2, 0.0)}, "drop"))


@pytest.fixture(scope="module")
def network():
    from roadshift.networks.network import build_network
    from roadshift.networks.settings import ModelSettings

    settings = ModelSettings(encoder="unet", weights="none", base_filters=4)
    return build_network(settings, TAXONOMY.class_names)


def test_a_networks_parameters_are_counted(network):
    facts = network_facts(network)
    assert facts.encoder == "unet"
    assert facts.classes == 11
    assert facts.stride == 16
    assert facts.parameters == facts.trainable + facts.frozen
    assert facts.trainable == sum(int(np.prod(w.shape)) for w in network.trainable_weights)
    # Two moving statistics of each channel of 18 normalizations: 2 · 2 · (2 · 60 + 64).
    assert facts.frozen == 4 * (2 * (4 + 8 + 16 + 32) + 64)
    assert 0 < facts.encoder_parameters < facts.parameters


def test_features_of_other_pictures_lie_farther_away(network, two_examples):
    near = two_examples[0].image
    found = {"a": [near], "same": [near], "dark": [near // 8]}
    shifts = feature_shifts(network, found, ["a"], 0)
    assert len(shifts["a"]) == 18
    assert max(shifts["a"]) < 1e-6
    assert shifts["same"] == shifts["a"]
    assert np.mean(shifts["dark"]) > 0.1
