import numpy as np
import pytest

from roadshift.scoring.calibration import CalibrationSums, calibration_sums, no_pixels


def test_error_by_hand():
    # Two bins, (0, 0.5] and (0.5, 1]. Low: one pixel, right, at 0.25. High: 0.75 right, 1.0 wrong.
    sums = calibration_sums(
        label=np.array([[0, 0, 1, 255]], np.uint8),
        prediction=np.array([[0, 0, 0, 0]], np.uint8),
        confidence=np.array([[0.25, 0.75, 1.0, 0.9]]),
        bins=2,
    )
    assert sums.pixels.tolist() == [1, 2]
    assert sums.correct.tolist() == [1, 1]
    assert sums.expected_calibration_error() == pytest.approx(
        1 / 3 * abs(1 - 0.25) + 2 / 3 * abs(1 / 2 - 1.75 / 2)
    )


def test_upper_edge_belongs_to_a_bin_and_zero_to_the_first():
    confidence = np.array([[0.0, 0.25, 0.5, 0.75, 1.0]])
    label = np.zeros((1, 5), np.uint8)
    assert calibration_sums(label, label, confidence, bins=4).pixels.tolist() == [2, 1, 1, 1]


def test_perfectly_calibrated():
    label = np.array([[0, 0, 0, 1]], np.uint8)
    sums = calibration_sums(label, np.zeros((1, 4), np.uint8), np.full((1, 4), 0.75))
    assert sums.expected_calibration_error() == 0


def test_certain_and_wrong():
    ones, zeros = np.ones((2, 2), np.uint8), np.zeros((2, 2), np.uint8)
    sums = calibration_sums(ones, zeros, np.ones((2, 2), np.float32))
    assert sums.expected_calibration_error() == 1


def test_order_of_images_changes_no_bit():
    generator = np.random.default_rng(0)
    parts = []
    for _ in range(20):
        label = generator.integers(0, 3, (9, 11), dtype=np.uint8)
        prediction = generator.integers(0, 3, (9, 11), dtype=np.uint8)
        confidence = generator.random((9, 11), dtype=np.float32)
        parts.append((label, prediction, confidence))

    def error(images):
        sums = sum((calibration_sums(*image) for image in images), no_pixels())
        return sums.expected_calibration_error()

    forward = error(parts)
    assert error(parts[::-1]) == forward
    label, prediction, confidence = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    whole = calibration_sums(label, prediction, confidence)
    assert whole.expected_calibration_error() == forward

    # The definition of Guo et al., from the pixels themselves.
    expected = 0.0
    for index in range(15):
        inside = (confidence > index / 15) & (confidence <= (index + 1) / 15)
        accuracy = np.mean(label[inside] == prediction[inside])
        expected += inside.mean() * abs(accuracy - confidence[inside].mean(dtype=np.float64))
    assert forward == pytest.approx(expected, abs=1e-6)


def test_no_pixel_gives_no_error():
    assert no_pixels().expected_calibration_error() is None
    ignored = np.full((2, 2), 255, np.uint8)
    sums = calibration_sums(ignored, ignored, np.full((2, 2), np.nan))
    assert isinstance(sums, CalibrationSums)
    assert sums.expected_calibration_error() is None


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
def test_what_is_no_probability_is_refused(value):
    label = np.zeros((1, 1), np.uint8)
    with pytest.raises(ValueError, match="probabilities"):
        calibration_sums(label, label, np.full((1, 1), value))


def test_rounding_of_a_softmax_is_forgiven():
    label = np.zeros((1, 1), np.uint8)
    sums = calibration_sums(label, label, np.full((1, 1), 1.0000001, np.float32))
    assert sums.expected_calibration_error() == 0


def test_shape_mismatch_is_refused():
    label = np.zeros((2, 2), np.uint8)
    with pytest.raises(ValueError, match="confidence"):
        calibration_sums(label, label, np.ones((2, 3)))
