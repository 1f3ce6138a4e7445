import numpy as np

from roadshift.scoring.extremes import best_median_worst, example_ids
from roadshift.scoring.results import ImageMatrices


def matrix(right: int, wrong: int) -> list[list[int]]:
    """One class present, `right` of its pixels hit: IoU right / (right + wrong)."""
    return [[right, wrong], [0, 0]]


def test_an_image_is_scored_over_the_classes_that_it_shows():
    # The second: 2 / 3 of the first class, 1 / 2 of the other one, so 7 / 12 = 0.583.
    second = [[2, 0], [1, 1]]
    for first, best in ((matrix(58, 42), "b"), (matrix(59, 41), "a")):
        found = ImageMatrices(("a", "b", "c"), np.array([first, second, matrix(0, 0)]))
        assert best_median_worst(found)["best"] == best
        assert "c" not in best_median_worst(found).values()


def test_images_are_ranked_by_miou_and_equals_by_id():
    ids = ("e", "d", "c", "b", "a")
    matrices = np.array([matrix(5, 5), matrix(9, 1), matrix(1, 9), matrix(9, 1), matrix(0, 0)])
    assert best_median_worst(ImageMatrices(ids, matrices)) == {
        "best": "b",
        "median": "e",
        "worst": "c",
    }


def test_one_image_is_all_three_and_no_label_is_none():
    one, none = (ImageMatrices(("a",), np.array([matrix(hits, 0)])) for hits in (1, 0))
    assert best_median_worst(one) == dict.fromkeys(("best", "median", "worst"), "a")
    assert best_median_worst(none) == {}


def test_the_first_image_and_the_extremes_are_shown_each_once_in_the_scored_order():
    hits = (4, 1, 3, 5, 2)
    found = ImageMatrices(tuple("abcde"), np.array([matrix(n, 5) for n in hits]))
    # The best is d, the worst b, the median c.
    assert example_ids(found) == ["a", "b", "c", "d"]
    none = ImageMatrices(tuple("ab"), np.array([matrix(0, 0)] * 2))
    assert example_ids(none) == ["a"]
