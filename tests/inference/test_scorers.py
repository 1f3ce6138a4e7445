"""Scores of labels with partial ids, on the classes that they tell apart."""

import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.inference.scorers import score_examples
from roadshift.inference.segmenter import Segmentation
from roadshift.records.reader import Example
from roadshift.scoring.metrics import mean_iou
from roadshift.taxonomy import PartialLabel

PARTIAL = (PartialLabel.of(4, (1, 2), "abcd"), PartialLabel.of(6, (2, 3), "abcd"))
LABEL = [0, 0, 1, 4, 6, 3, 255]
PREDICTION = [0, 1, 3, 0, 2, 0, 3]


def score(*labels, partial_labels=PARTIAL):
    """Scores images of one row; the network predicts `PREDICTION` on each."""
    prediction = np.array([PREDICTION], np.uint8)

    def segment(image):
        return Segmentation(prediction, np.full(prediction.shape, 0.75, np.float32))

    examples = [
        Example(str(k), "", np.zeros((1, 7, 3), np.uint8), np.array([label], np.uint8))
        for k, label in enumerate(labels)
    ]
    return score_examples(segment, examples, classes=4, partial_labels=partial_labels)


def test_classes_that_labels_do_not_tell_apart_count_as_the_first_of_them():
    found = score(LABEL)
    # Of road: one right, one taken for 1; of 1 or 2 or 3: two right, two taken for road.
    expected = np.zeros((4, 4), int)
    expected[:2, :2] = [[1, 1], [2, 2]]
    np.testing.assert_array_equal(found.matrices.total, expected)
    assert found.partial_labels == PARTIAL
    assert mean_iou(found.matrices.total) == (1 / 4 + 2 / 5) / 2


def test_one_image_s_partial_label_joins_the_classes_of_all():
    exact, partial = [2, 1, 3, 0, 255, 255, 255], [255, 255, 255, 4, 255, 255, 255]
    found = score(exact, partial)
    assert found.partial_labels == PARTIAL[:1]
    # 2 taken for 0, 1 right, 3 right, 0 right; then 1 or 2 taken for 0.
    expected = np.zeros((2, 4, 4), int)
    expected[0, [1, 1, 3, 0], [0, 1, 3, 0]] = 1
    expected[1, 1, 0] = 1
    np.testing.assert_array_equal(found.matrices.matrices, expected)


def test_partial_labels_that_do_not_occur_join_nothing():
    label = [0, 0, 1, 2, 2, 3, 255]
    found, plain = score(label), score(label, partial_labels=())
    assert found.partial_labels == ()
    np.testing.assert_array_equal(found.matrices.total, plain.matrices.total)
    assert found.matrices.total[1, 3] == found.matrices.total[2, 0] == 1


def test_the_calibration_is_of_the_exact_labels():
    found = score(LABEL).calibration
    assert (found.pixels.sum(), found.correct.sum()) == (4, 1)


def test_an_id_of_no_label_is_refused():
    with pytest.raises(RoadshiftError, match="label holds id 5"):
        score([0, 0, 1, 4, 5, 3, 255])
