import numpy as np
import pytest

from roadshift.scoring.bootstrap import paired_bootstrap
from roadshift.scoring.comparison import VariantScore
from roadshift.scoring.estimate import Difference
from roadshift.scoring.more_seeds import Outlook, outlook, sentence

PIXELS = 1_000_000
THREE = (0.50, 0.52, 0.48)
"""Their variance is 0.0004."""


def runs(mious, images=8):
    """Matrices of one class, every image of a run alike, so that images add nothing."""
    matrices = np.zeros((len(mious), images, 2, 2), np.int64)
    for run, miou in zip(matrices, mious, strict=True):
        run[:, 0] = round(PIXELS * miou), PIXELS - round(PIXELS * miou)
    return matrices


def compared(base, other, level=0.95):
    difference = paired_bootstrap(runs(base), runs(other), samples=100, level=level)
    return outlook(base, other, difference, level=level)


def spread(mean, number, variance=0.0004):
    values = np.linspace(-1, 1, number)
    return tuple(mean + values / values.std(ddof=1) * variance**0.5)


def test_the_number_of_seeds_is_the_smallest_whose_interval_excludes_zero():
    """By hand: sqrt(2 * 0.0004 / n) * t(0.975, 2n - 2) is 0.01554 at 14 and 0.01496 at 15."""
    assert compared(THREE, [miou + 0.015 for miou in THREE]) == Outlook("seeds", seeds=15)
    for number, excludes in ((14, False), (15, True)):
        found = paired_bootstrap(
            runs(spread(0.5, number)), runs(spread(0.515, number)), samples=100
        )
        assert found.low is not None
        assert (found.low > 0) == excludes


@pytest.mark.parametrize("sign", [1, -1])
def test_a_lower_score_needs_as_many_seeds_as_a_higher_one(sign):
    other = [miou + sign * 0.03 for miou in THREE]
    assert compared(THREE, other) == Outlook("seeds", seeds=5)


def test_what_is_told_apart_needs_nothing():
    assert compared(THREE, [miou + 0.2 for miou in THREE]) == Outlook("nothing")


def test_a_small_difference_is_beyond_the_seeds_that_are_thought_of():
    """By hand: sqrt(2 * 0.0004 / n) * t(0.975, 2n - 2) is 0.01280 at 20 and 0.01247 at 21."""
    assert compared(THREE, [miou + 0.0129 for miou in THREE]) == Outlook("seeds", seeds=20)
    assert compared(THREE, [miou + 0.0127 for miou in THREE]) == Outlook("too many seeds")


def test_images_that_are_too_few_are_not_made_up_for_by_seeds():
    """The interval of one run each has the images' part alone: ±3 points to tell 1 point."""
    wide = Difference(0.01, -0.02, 0.04)
    assert outlook([0.5], [0.51], wide, level=0.95) == Outlook("images", images=10)
    same = outlook(THREE, THREE, Difference(0.0, -0.02, 0.02), level=0.95)
    assert same == Outlook("images", images=None)


def test_the_parts_of_an_interval_are_added_by_their_squares():
    """0.03 of the images and the seeds' part of three make the interval; the images alone stay."""
    seeds = 2.7764 * (2 * 0.0004 / 3) ** 0.5
    reach = np.hypot(0.03, seeds)
    other = [miou + 0.035 for miou in THREE]
    found = outlook(THREE, other, Difference(0.035, 0.035 - reach, 0.035 + reach), level=0.95)
    # 0.0180 is left for the seeds; their part is 0.0196 at 10 and 0.0178 at 12.
    assert found.needs == "seeds"
    part = {n: t * (2 * 0.0004 / n) ** 0.5 for n, t in ((11, 2.086), (12, 2.0739))}
    assert found.seeds == next(n for n in part if np.hypot(0.03, part[n]) < 0.035)


def test_a_single_run_is_taken_to_spread_as_the_other_recipe_does():
    """Its interval is of the images alone, so that it may exclude 0; the seeds' part is missing.

    By hand: 0.0387 is left for it, and sqrt(2 * 0.0004 / n) * t(0.975, 2n - 2) is 0.0453 at 3 and
    0.0346 at 4.
    """
    above = Difference(0.04, 0.03, 0.05)
    assert outlook(THREE, [0.54], above, level=0.95) == Outlook("seeds", seeds=4)
    assert outlook([0.5], [0.54], above, level=0.95) == Outlook("nothing")


def test_without_an_interval_or_a_spread_nothing_is_known():
    assert outlook([0.5], [0.6], Difference(0.1, None, None), level=0.95) == Outlook("unknown")
    # A single run each that would be told by its images is told; here it is.
    assert outlook([0.5], [0.6], Difference(0.1, 0.05, 0.15), level=0.95) == Outlook("nothing")


BELOW = Difference(0.012, -0.004, 0.03)


def said(verdict, found, difference=BELOW, sizes=(3, 3)):
    base, other = (VariantScore((0.5,) * size, None) for size in sizes)
    cell = VariantScore(other.by_seed, difference, verdict)
    return sentence("target", ("main", "dusk"), (base, cell), found)


TOLD = "On target, dusk and main are not told apart: +1.2 points (−0.4 to +3.0). "
ABOVE = Difference(0.012, 0.004, 0.03)


@pytest.mark.parametrize(
    ("verdict", "found", "options", "expected"),
    [
        (
            "better", Outlook("nothing"), {"difference": ABOVE},
            "On target, dusk is better than main: +1.2 points (+0.4 to +3.0).",
        ),
        (
            "not told apart", Outlook("seeds", seeds=7), {},
            f"{TOLD}If the difference stays, 7 seeds of each would tell: 4 more of each.",
        ),
        (
            "one run", Outlook("seeds", seeds=5), {"sizes": (3, 1)},
            f"{TOLD}If the difference stays, 5 seeds of each would tell: 2 more of main and 4 more "
            "of dusk.",
        ),
        (
            "not told apart", Outlook("images", images=4), {},
            f"{TOLD}More seeds would not tell, since the images' part of the interval alone is "
            "wider than the difference: it takes at least 4 times as many images.",
        ),
        (
            "not told apart", Outlook("images", images=101), {},
            f"{TOLD}More seeds would not tell, since the images' part of the interval alone is "
            "wider than the difference: it takes more than 100 times as many images.",
        ),
        (
            "not told apart", Outlook("images"), {},
            f"{TOLD}There is no difference that more seeds or images could tell.",
        ),
        (
            "not told apart", Outlook("too many seeds"), {},
            f"{TOLD}If the difference stays, not even 20 seeds of each would tell.",
        ),
        (
            "one run", Outlook("nothing"), {"difference": ABOVE, "sizes": (3, 1)},
            "On target, dusk and main are not told apart: +1.2 points (+0.4 to +3.0). A verdict "
            "needs 3 seeds of each: 2 more of dusk.",
        ),
        (
            "not told apart", Outlook("nothing"), {"difference": ABOVE},
            "On target, dusk and main are not told apart: +1.2 points (+0.4 to +3.0). This "
            "interval excludes 0, but not among all rows together (Holm).",
        ),
        (
            "one run", Outlook("unknown"), {"sizes": (1, 1)},
            f"{TOLD}The spread over seeds is not known; a verdict needs 3 seeds of each: 2 more "
            "of each.",
        ),
        (
            "", Outlook("unknown"), {"difference": Difference(None, None, None)},
            "On target, dusk and main cannot be compared: no pixel is labelled.",
        ),
        (
            "", Outlook("unknown"), {"difference": Difference(0.012, None, None)},
            "On target, dusk has +1.2 points to main, without an interval.",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value and len(value) < 20 else "",
)  # fmt: skip
def test_the_sentence_says_what_is_shown_and_what_would_tell(verdict, found, options, expected):
    assert said(verdict, found, **options) == expected
