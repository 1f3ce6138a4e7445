import numpy as np
import pytest

from roadshift.scoring.extremes import best_median_worst, picture_mious


def matrix(right: int, wrong: int) -> list[list[int]]:
    """One class present, `right` of its pixels hit: IoU right / (right + wrong)."""
    return [[right, wrong], [0, 0]]


def test_a_picture_is_scored_over_the_classes_that_it_shows():
    matrices = np.array([matrix(3, 1), [[2, 0], [1, 1]], matrix(0, 0)])
    # The second: 2 / 3 of the first class, 1 / 2 of the other one.
    assert picture_mious(matrices) == [pytest.approx(0.75), pytest.approx(7 / 12), None]


def test_pictures_are_ranked_by_miou_and_equals_by_id():
    ids = ["e", "d", "c", "b", "a"]
    matrices = np.array([matrix(5, 5), matrix(9, 1), matrix(1, 9), matrix(9, 1), matrix(0, 0)])
    assert best_median_worst(ids, matrices) == {"best": "b", "median": "e", "worst": "c"}


def test_one_picture_is_all_three_and_no_label_is_none():
    assert best_median_worst(["a"], np.array([matrix(1, 0)])) == dict.fromkeys(
        ("best", "median", "worst"), "a"
    )
    assert best_median_worst(["a"], np.array([matrix(0, 0)])) == {}
