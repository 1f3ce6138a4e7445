import subprocess
import sys

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from roadshift.errors import RoadshiftError
from roadshift.scoring import metrics
from roadshift.scoring.confusion import confusion_matrix, joined_matrices, partial_rows
from roadshift.taxonomy import PartialLabel, scored_ids

# Class 2 is absent from the truth but predicted once; class 3 is absent from both.
LABEL = np.array([[0, 0, 1], [1, 1, 255]], np.uint8)
PREDICTION = np.array([[0, 1, 1], [1, 2, 3]], np.uint8)
MATRIX = np.array([[1, 1, 0, 0], [0, 2, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


def random_images(count, classes, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, (count, 13, 17), dtype=np.uint8)
    predictions = np.where(
        generator.random(labels.shape) < 0.6,
        labels,
        generator.integers(0, classes, labels.shape, dtype=np.uint8),
    )
    labels[generator.random(labels.shape) < 0.1] = 255
    return labels, predictions


def test_rows_are_truth_and_ignored_pixels_do_not_count():
    matrix = confusion_matrix(LABEL, PREDICTION, 4)
    assert matrix.dtype == np.int64
    assert np.array_equal(matrix, MATRIX)


def test_ignored_image_is_all_zero():
    matrix = confusion_matrix(np.full((2, 3), 255, np.uint8), PREDICTION, 4)
    assert matrix.shape == (4, 4)
    assert not matrix.any()


def test_another_ignore_id():
    label = np.array([[0, 9]], np.uint8)
    assert confusion_matrix(label, np.array([[0, 1]], np.uint8), 2, ignore_id=9).sum() == 1


def test_ids_are_not_cut_to_uint8():
    label = np.full((1, 1), 199, np.uint8)
    assert confusion_matrix(label, label, 200)[199, 199] == 1


def test_shape_mismatch_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3, 2\)"):
        confusion_matrix(LABEL, PREDICTION.T, 4)


@pytest.mark.parametrize("unknown", [4, 7, 254])
@pytest.mark.parametrize("name", ["label", "prediction"])
def test_unknown_id_is_refused_with_its_count(name, unknown):
    images = {"label": np.zeros((2, 2), np.uint8), "prediction": np.zeros((2, 2), np.uint8)}
    images[name][0] = unknown
    with pytest.raises(
        RoadshiftError, match=rf"{name} holds id {unknown} \(2 pixels\), expected 0..3"
    ):
        confusion_matrix(images["label"], images["prediction"], 4)


def test_matrix_agrees_with_scikit_learn():
    labels, predictions = random_images(1, 5)
    counted = labels[0] != 255
    expected = sklearn_metrics.confusion_matrix(labels[0][counted], predictions[0][counted])
    assert np.array_equal(confusion_matrix(labels[0], predictions[0], 5), expected)


def test_metrics_agree_with_scikit_learn():
    labels, predictions = random_images(4, 5)
    counted = labels != 255
    truth, predicted = labels[counted], predictions[counted]
    total = confusion_matrix(labels, predictions, 5)
    jaccard = sklearn_metrics.jaccard_score
    assert metrics.class_iou(total) == pytest.approx(jaccard(truth, predicted, average=None))
    assert metrics.mean_iou(total) == pytest.approx(jaccard(truth, predicted, average="macro"))
    assert metrics.frequency_weighted_iou(total) == pytest.approx(
        jaccard(truth, predicted, average="weighted")
    )
    assert metrics.pixel_accuracy(total) == pytest.approx(
        sklearn_metrics.accuracy_score(truth, predicted)
    )
    assert metrics.mean_accuracy(total) == pytest.approx(
        sklearn_metrics.balanced_accuracy_score(truth, predicted)
    )


def test_metrics_by_hand():
    # Class 0: 1 hit, union 2. Class 1: 2 hits, 3 in truth, 3 predicted, union 4.
    assert metrics.class_iou(MATRIX)[:2] == pytest.approx([1 / 2, 2 / 4])
    assert metrics.class_accuracy(MATRIX)[:2] == pytest.approx([1 / 2, 2 / 3])
    assert metrics.mean_iou(MATRIX) == pytest.approx(1 / 2)
    assert metrics.mean_accuracy(MATRIX) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert metrics.pixel_accuracy(MATRIX) == pytest.approx(3 / 5)
    assert metrics.frequency_weighted_iou(MATRIX) == pytest.approx((2 * 1 / 2 + 3 * 1 / 2) / 5)


def test_absent_classes_are_nan_whether_predicted_or_not():
    assert np.array_equal(np.isnan(metrics.class_iou(MATRIX)), [False, False, True, True])
    assert np.array_equal(np.isnan(metrics.class_accuracy(MATRIX)), [False, False, True, True])


def test_present_class_never_recognized_counts_as_zero():
    matrix = np.array([[4, 0], [2, 0]])
    assert metrics.class_iou(matrix).tolist() == [4 / 6, 0]
    assert metrics.mean_iou(matrix) == pytest.approx(1 / 3)


def test_no_pixel_gives_no_metric():
    empty = np.zeros((3, 3), np.int64)
    assert np.isnan(metrics.class_iou(empty)).all()
    for metric in (
        metrics.mean_iou,
        metrics.mean_accuracy,
        metrics.pixel_accuracy,
        metrics.frequency_weighted_iou,
    ):
        assert metric(empty) is None


def test_partition_of_the_pixels_changes_nothing():
    labels, predictions = random_images(6, 4)
    whole = confusion_matrix(labels.reshape(-1, 17), predictions.reshape(-1, 17), 4)
    for size in (1, 2, 4):
        parts = [
            confusion_matrix(
                labels[start : start + size].reshape(-1, 17),
                predictions[start : start + size].reshape(-1, 17),
                4,
            )
            for start in range(0, 6, size)
        ]
        assert np.array_equal(sum(reversed(parts)), whole)


def test_scoring_does_not_import_tensorflow():
    program = "import sys, roadshift.scoring.domain_metrics; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize("sets", [[(0, 2)], [(1, 3), (2, 4)], [(0, 1), (1, 4), (2, 3, 5)]])
def test_joined_matrices_count_as_if_labels_and_predictions_had_the_joined_ids(sets):
    generator = np.random.default_rng(len(sets))
    partial = [PartialLabel.of(7 + 2 * k, ids, "abcdef") for k, ids in enumerate(sets)]
    ids = [*range(6), *(each.id for each in partial), 255]
    labels = generator.choice(ids, (4, 9, 8)).astype(np.uint8)
    predictions = generator.integers(0, 6, labels.shape).astype(np.uint8)
    exact = np.where(labels < 6, labels, 255)
    matrices, rows = (
        np.stack([count(*pair) for pair in zip(values, predictions, strict=True)])
        for values, count in (
            (exact, lambda label, guess: confusion_matrix(label, guess, 6)),
            (labels, lambda label, guess: partial_rows(label, guess, partial, 6)),
        )
    )
    scored = scored_ids(partial, 6)
    expected = [
        confusion_matrix(scored[label], scored[guess], 6)
        for label, guess in zip(labels, predictions, strict=True)
    ]
    np.testing.assert_array_equal(joined_matrices(matrices, rows, partial), expected)
