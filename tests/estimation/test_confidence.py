"""Calibration and estimates against cases whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadshift.errors import RoadshiftError
from roadshift.estimation.confidence import fit_calibration, temper
from roadshift.estimation.estimates import (
    ESTIMATORS,
    HEADLINE,
    accuracies,
    calibrated_pixels,
    confidence_sums,
    expected_iou,
    expected_matrix,
    no_sums,
)


def sums_of(probabilities, calibration):
    return confidence_sums(calibrated_pixels(probabilities, calibration), calibration)


def honest(rows, repeats):
    """Pixels whose labels come as often as their probabilities say, in tenths.

    Args:
        rows: probabilities, multiples of 0.1.
        repeats: number of times that each row's ten labels come.
    """
    probabilities, labels = [], []
    for row, times in zip(rows, repeats, strict=True):
        tens = [class_id for class_id, p in enumerate(row) for _ in range(round(10 * p))]
        labels += tens * times
        probabilities += [row] * (10 * times)
    return np.array(probabilities, np.float32), np.array(labels, np.uint8)


ROWS = [[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8], [0.5, 0.3, 0.2]]


def test_perfect_calibration_gives_the_exact_accuracy():
    """Also where the mixture of easy and hard pixels is another one than on val."""
    calibration = fit_calibration(*honest(ROWS, [40, 30, 20, 10]))
    assert calibration.temperature == pytest.approx(1, abs=5e-3)
    assert calibration.accuracy == pytest.approx(0.9 * 0.4 + 0.7 * 0.3 + 0.8 * 0.2 + 0.5 * 0.1)
    probabilities, labels = honest(ROWS, [5, 10, 20, 65])
    true = float((probabilities.argmax(-1) == labels).mean())
    found = accuracies(sums_of(probabilities, calibration), calibration)
    assert true == pytest.approx(0.601, abs=0.03)
    for name in ("average_confidence", "difference_of_confidences"):
        assert found[name] == pytest.approx(true, abs=3e-3), name


@pytest.mark.parametrize("repeats", [[40, 30, 20, 10], [1, 1, 1, 1]])
def test_on_val_itself_all_but_average_confidence_are_exact(repeats):
    probabilities, labels = honest(ROWS, repeats)
    # Twice as sure as it should be.
    probabilities = temper(probabilities, 0.5)
    calibration = fit_calibration(probabilities, labels)
    assert calibration.temperature == pytest.approx(2, abs=0.02)
    found = accuracies(sums_of(probabilities, calibration), calibration)
    true = float((probabilities.argmax(-1) == labels).mean())
    for name in ESTIMATORS:
        assert found[name] == pytest.approx(true, abs=3e-3), name


@pytest.mark.parametrize("row", [[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])
def test_a_constant_network_has_its_own_accuracy_everywhere(row):
    """All its pixels are equally sure, and tell nothing of where it is wrong."""
    labels = np.array([1] * 300 + [0] * 500 + [2] * 200, np.uint8)
    calibration = fit_calibration(np.tile(np.array(row, np.float32), (1000, 1)), labels)
    elsewhere = np.tile(np.array(row, np.float32), (77, 1))
    found = accuracies(sums_of(elsewhere, calibration), calibration)
    assert calibration.accuracy == 0.3
    for name in set(ESTIMATORS) - {"average_confidence"}:
        assert found[name] == pytest.approx(0.3, abs=1e-6), name


def test_thresholds_are_those_by_hand():
    """Of five pixels three are right, so the three surest count."""
    top = np.array([0.9, 0.8, 0.7, 0.6, 0.55], np.float32)
    probabilities = np.stack([top, 1 - top], -1)
    calibration = fit_calibration(probabilities, np.array([0, 1, 0, 0, 1], np.uint8))
    assert calibration.accuracy == 0.6
    confidence = temper(probabilities, calibration.temperature)[:, 0]
    assert calibration.threshold.value == pytest.approx(float(confidence[2]))
    assert calibration.threshold.at_value == 1.0
    assert calibration.threshold.counted(confidence).tolist() == [1, 1, 1, 0, 0]


def test_a_class_of_few_val_pixels_has_the_figures_of_all():
    top = np.linspace(0.6, 0.99, 2000).astype(np.float32)
    probabilities = np.stack([top, (1 - top) * 0.9, (1 - top) * 0.1], -1)
    probabilities[:50] = probabilities[:50, [1, 0, 2]]
    labels = np.array(([0, 0, 1] * 667)[:2000], np.uint8)
    calibration = fit_calibration(probabilities, labels)
    assert calibration.class_thresholds[0] != calibration.threshold
    assert calibration.class_thresholds[1] == calibration.threshold
    assert calibration.class_thresholds[2] == calibration.threshold


def test_a_network_that_is_never_right_is_expected_so():
    probabilities = np.tile(np.array([0.7, 0.2, 0.1], np.float32), (500, 1))
    calibration = fit_calibration(probabilities, np.full(500, 2, np.uint8))
    sums = sums_of(probabilities, calibration)
    assert accuracies(sums, calibration)[HEADLINE] == 0
    assert expected_iou(sums).miou == 0


def test_the_expected_matrix_is_that_by_hand():
    """Class-wise: two of four pixels of class 0 count; the rest goes to 1 and 2 as 3 to 1."""
    labels = np.array([0, 0, 1, 2] * 100, np.uint8)
    top = np.array([0.8, 0.7, 0.6, 0.5], np.float32)
    rows = np.stack([top, (1 - top) * 0.75, (1 - top) * 0.25], -1)
    probabilities = np.tile(rows, (100, 1))
    calibration = fit_calibration(probabilities, labels)
    sums = sums_of(probabilities[:4], calibration)
    matrix = expected_matrix(sums)
    assert matrix.sum() == pytest.approx(4)
    assert matrix[0, 0] == pytest.approx(2)
    assert matrix[:, 1:].sum() == 0
    soft = temper(rows, calibration.temperature).sum(0)
    assert matrix[1, 0] == pytest.approx(2 * soft[1] / (soft[1] + soft[2]), rel=1e-5)
    found = expected_iou(sums)
    assert found.iou.tolist() == [pytest.approx(0.5), 0, 0]
    assert found.miou == pytest.approx(0.5 / 3)


def test_classes_that_are_not_expected_have_no_iou():
    probabilities = np.tile(np.array([0.99999, 0.00001, 0.0], np.float32), (1000, 1))
    labels = np.zeros(1000, np.uint8)
    calibration = fit_calibration(probabilities, labels)
    found = expected_iou(sums_of(probabilities, calibration))
    assert np.isnan(found.iou[1:]).all()
    assert found.miou == pytest.approx(1)


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 200), st.floats(0.3, 4))
def test_sums_add_up_in_any_order(seed, classes, number, sharpness):
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(number, classes)) * sharpness
    probabilities = temper(np.exp(logits) / np.exp(logits).sum(-1, keepdims=True), 1.0)
    labels = generator.integers(0, classes, number).astype(np.uint8)
    calibration = fit_calibration(probabilities.astype(np.float32), labels)
    whole = sums_of(probabilities, calibration)
    parts = no_sums(classes)
    for part in np.array_split(probabilities, 3):
        if len(part):
            parts += sums_of(part, calibration)
    np.testing.assert_allclose(parts.soft, whole.soft, atol=1e-4)
    assert parts.above == pytest.approx(whole.above)
    assert whole.pixels == pytest.approx(number)
    matrix = expected_matrix(whole)
    assert (matrix >= -1e-9).all()
    assert matrix.sum() == pytest.approx(number)
    np.testing.assert_allclose(matrix.sum(0), whole.predicted)
    found = expected_iou(whole)
    assert 0 <= found.miou <= 1
    assert all(0 <= value <= 1 for value in accuracies(whole, calibration).values())


def test_a_network_without_an_error_confuses_nothing():
    """Sums of probabilities are rounded, and what rounding leaves is no confusion."""
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.full(5, 0.3), 4000).astype(np.float32)
    calibration = fit_calibration(probabilities, probabilities.argmax(-1).astype(np.uint8))
    matrix = expected_matrix(sums_of(probabilities, calibration))
    assert (matrix[~np.eye(5, dtype=bool)] == 0).all()


def test_a_network_that_has_diverged_is_named_so():
    probabilities = np.full((200, 3), np.nan, np.float32)
    with pytest.raises(RoadshiftError, match="are not numbers: its training has diverged"):
        fit_calibration(probabilities, np.zeros(200, np.uint8))


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_the_temperature_is_that_of_the_logits(temperature):
    """Also of a network that is so sure that most probabilities are below a millionth."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(20_000, 11)).astype(np.float32) * 6
    true = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    labels = (true.cumsum(-1) > generator.random((len(true), 1))).argmax(-1).astype(np.uint8)
    sure = logits * np.float32(temperature)
    sure = np.exp(sure - sure.max(-1, keepdims=True))
    sure /= sure.sum(-1, keepdims=True)
    calibration = fit_calibration(sure, labels)
    assert calibration.temperature == pytest.approx(temperature, rel=0.02)
    np.testing.assert_allclose(temper(sure, temperature), true, atol=1e-4)


def test_temperature_one_changes_nothing_and_a_large_one_evens_out():
    row = np.array([[0.7, 0.2, 0.1]], np.float32)
    np.testing.assert_allclose(temper(row, 1.0), row, rtol=1e-5)
    np.testing.assert_allclose(temper(row, 1e4), np.full((1, 3), 1 / 3), rtol=1e-3)
    expected = np.sqrt(row) / np.sqrt(row).sum()
    np.testing.assert_allclose(temper(row, 2.0), expected, rtol=1e-5)
