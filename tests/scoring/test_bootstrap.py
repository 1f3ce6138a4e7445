import numpy as np
import pytest
import scipy.stats

from roadshift.errors import RoadshiftError
from roadshift.scoring import bootstrap
from roadshift.scoring.bootstrap import (
    bootstrap_miou,
    gap_closed,
    jackknife_error,
    paired_bootstrap,
)
from roadshift.scoring.metrics import mean_iou


def random_matrices(images, classes=3, seed=0):
    return np.random.default_rng(seed).integers(0, 50, (images, classes, classes))


def interval(*args, **kwargs):
    ends = bootstrap_miou(*args, **kwargs)
    assert ends is not None
    return ends


def single_class_images(hits, pixels=100):
    """Images of class 0 only, so that mIoU is the plain share of hits."""
    matrices = np.zeros((len(hits), 2, 2), np.int64)
    matrices[:, 0, 0] = hits
    matrices[:, 0, 1] = pixels - np.asarray(hits)
    return matrices


def test_same_seed_same_interval_and_other_seed_another():
    matrices = random_matrices(12)
    assert bootstrap_miou(matrices, samples=200, seed=3) == bootstrap_miou(
        matrices, samples=200, seed=3
    )
    assert bootstrap_miou(matrices, samples=200, seed=3) != bootstrap_miou(
        matrices, samples=200, seed=4
    )


def test_equal_images_have_an_interval_of_no_width():
    matrices = np.repeat(random_matrices(1), 10, axis=0)
    low, high = interval(matrices, samples=300)
    assert low == high == mean_iou(matrices[0])


def ends_by_hand(value, values, images, level):
    """The farther of the expanded percentiles and of Student's interval, by SciPy."""
    expansion = np.sqrt(images / (images - 1))
    quantile = scipy.stats.t(images - 1).ppf((1 - level) / 2)
    tail = scipy.stats.norm.cdf(expansion * quantile)
    low, high = np.quantile(values, [tail, 1 - tail])
    half = -quantile * np.std(values) * expansion
    return min(low, value - half), max(high, value + half)


def test_weights_equal_adding_up_the_drawn_images():
    matrices = random_matrices(7, classes=4)
    values: list[float | None] = []
    weights = np.random.default_rng(5).multinomial(7, [1 / 7] * 7, size=100)
    for row in weights:
        drawn = [matrices[i] for i in range(7) for _ in range(row[i])]
        assert len(drawn) == 7
        values.append(mean_iou(np.sum(drawn, axis=0)))
    once = mean_iou(matrices.sum(axis=0))
    expected = ends_by_hand(once, np.array(values, float), 7, 0.9)
    assert bootstrap_miou(matrices, samples=100, seed=5, level=0.9) == pytest.approx(expected)


def test_interval_of_a_mean_is_the_one_of_theory():
    # Standard error of the mean of 400 draws, and 1.96 of it either way.
    hits = np.random.default_rng(1).integers(0, 101, 400)
    low, high = interval(single_class_images(hits), samples=4000)
    error = hits.std() / 100 / np.sqrt(400)
    assert low == pytest.approx(hits.mean() / 100 - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(hits.mean() / 100 + 1.96 * error, abs=0.15 * error)


def test_interval_holds_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(2)
    inside = 0
    for run in range(200):
        low, high = interval(
            single_class_images(generator.integers(0, 101, 40)), samples=300, seed=run
        )
        inside += low <= 0.5 <= high
    assert 0.88 <= inside / 200 <= 0.99


def test_higher_level_is_wider():
    matrices = random_matrices(10)
    low, high = interval(matrices, samples=500, level=0.99)
    inner_low, inner_high = interval(matrices, samples=500, level=0.5)
    assert low < inner_low < inner_high < high


def test_class_missing_from_a_resample_is_out_of_its_mean():
    # Both classes are always right: a resample without one of them must still score 1.
    matrices = np.array([[[9, 0], [0, 0]], [[0, 0], [0, 9]]])
    assert bootstrap_miou(matrices, samples=50) == (1, 1)


def test_no_interval_without_two_images_or_a_resample_or_a_pixel():
    assert bootstrap_miou(random_matrices(1)) is None
    assert bootstrap_miou(random_matrices(5), samples=0) is None
    assert bootstrap_miou(np.zeros((5, 2, 2), np.int64)) is None


def test_chunks_change_nothing(monkeypatch):
    matrices = random_matrices(6)
    whole = bootstrap_miou(matrices, samples=100)
    monkeypatch.setattr(bootstrap, "_CHUNK", 7)
    assert bootstrap_miou(matrices, samples=100) == whole


def test_difference_is_second_less_first_and_its_interval_is_paired():
    hits = np.random.default_rng(3).integers(0, 90, 50)
    a, b = single_class_images(hits), single_class_images(hits + 5)
    result = paired_bootstrap(a, b, samples=300)
    # Every image gains exactly 5 of 100 pixels, so pairing leaves no doubt at all.
    assert result.difference == pytest.approx(0.05)
    assert result.low == pytest.approx(0.05)
    assert result.high == pytest.approx(0.05)
    low, high = interval(b, samples=300)
    assert high - low > 0.05


def test_the_difference_too_has_the_draws_and_the_level_that_are_asked():
    a = random_matrices(6)
    # Other predictions for the same truth.
    b = a[:, :, [1, 2, 0]]
    values: list[float] = []
    for row in np.random.default_rng(5).multinomial(6, [1 / 6] * 6, size=80):
        once, again = (mean_iou(np.tensordot(row, matrices, 1)) for matrices in (a, b))
        assert once is not None
        assert again is not None
        values.append(again - once)
    found = paired_bootstrap(a, b, samples=80, seed=5, level=0.8)
    expected = ends_by_hand(found.difference, values, 6, 0.8)
    assert (found.low, found.high) == pytest.approx(expected)


def test_run_against_itself_differs_by_nothing():
    matrices = random_matrices(5)
    assert paired_bootstrap(matrices, matrices, samples=50) == (0, 0, 0, 1)


def test_seeds_are_averaged_and_drawn_together():
    matrices = random_matrices(8)
    other = matrices.copy()
    other[:, 0, 0], other[:, 0, 1] = matrices[:, 0, 1], matrices[:, 0, 0]
    alone = paired_bootstrap(matrices, other, samples=100, seed=4)
    # Seeds that do not differ add nothing to the interval.
    doubled = paired_bootstrap(np.stack([matrices] * 2), np.stack([other] * 2), samples=100, seed=4)
    assert doubled == pytest.approx(alone)
    # The mean of a run and the base itself is half as far from the base, in every resample.
    halved = paired_bootstrap(matrices, np.stack([matrices, other]), samples=100, seed=4)
    assert halved[:3] == pytest.approx(np.array(alone[:3], float) / 2)


def test_the_interval_over_seeds_is_that_of_welch():
    # Equal images leave nothing but the seeds.
    hits = ([50, 54, 52], [60, 70, 62, 60])
    a, b = (np.stack([single_class_images([hit] * 6) for hit in each]) for each in hits)
    found = paired_bootstrap(a, b, samples=50)
    shares = [np.array(each) / 100 for each in hits]
    expected = scipy.stats.ttest_ind(shares[1], shares[0], equal_var=False)
    ends = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high))
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-5)


def test_the_ends_of_images_and_seeds_are_squared_and_added():
    hits = np.random.default_rng(6).integers(0, 60, 20)
    one = single_class_images(hits)
    runs = np.stack([one, single_class_images(hits + 20), single_class_images(hits + 40)])
    low, high = interval(runs, samples=200, seed=1)
    middle = (hits.mean() + 20) / 100
    inner_low, inner_high = interval(single_class_images(hits + 20), samples=200, seed=1)
    by_seeds = scipy.stats.t(2).ppf(0.975) * 0.2 / np.sqrt(3)
    assert middle - low == pytest.approx(np.hypot(middle - inner_low, by_seeds), rel=1e-3)
    assert min(1, middle + np.hypot(inner_high - middle, by_seeds)) == pytest.approx(high, rel=1e-3)


def test_the_p_value_is_the_level_at_which_the_interval_ends_at_zero():
    a, b = random_matrices(9), random_matrices(9)[:, :, [0, 2, 1]]
    p_value = paired_bootstrap(a, b, samples=400).p_value
    assert p_value is not None
    for level, holds in ((1 - 1.05 * p_value, True), (1 - 0.95 * p_value, False)):
        found = paired_bootstrap(a, b, samples=400, level=level)
        assert found.low is not None
        assert found.high is not None
        assert (found.low > 0 or found.high < 0) is holds


def test_one_image_has_a_difference_and_no_interval():
    result = paired_bootstrap(single_class_images([40]), single_class_images([60]))
    assert result.difference == pytest.approx(0.2)
    assert result.low is None
    assert result.high is None


@pytest.mark.parametrize(
    "other", [single_class_images([10, 20, 30]), single_class_images([10, 20], pixels=99)]
)
def test_runs_on_other_images_are_refused(other):
    with pytest.raises(RoadshiftError, match="same images"):
        paired_bootstrap(single_class_images([10, 20]), other)


@pytest.mark.parametrize("runs", [(0, 1), (1, 0)])
def test_every_repetition_must_be_on_the_same_images(runs):
    plain = single_class_images([10, 20])
    other = single_class_images([10, 20], pixels=99)
    repeated = np.stack([plain, plain]), np.stack([plain, other])
    with pytest.raises(RoadshiftError, match="same images"):
        paired_bootstrap(*(repeated[k] for k in runs))


def share(*recipes, **kwargs):
    """The share of a gap and its interval, which there is."""
    found = gap_closed(*recipes, **kwargs)
    assert found is not None
    value, low, high = found
    assert value is not None
    assert low is not None
    assert high is not None
    return value, low, high


def test_the_share_of_a_gap_is_resampled_with_the_same_draws():
    hits = np.random.default_rng(8).integers(0, 40, 12)
    base = single_class_images(hits)
    # The recipe gains half of what the oracle gains on every image: its share has no doubt.
    half, oracle = single_class_images(hits + 20), single_class_images(hits + 40)
    assert gap_closed(base, half, oracle, samples=100) == pytest.approx((0.5, 0.5, 0.5))
    gains = np.random.default_rng(9).integers(0, 40, 12)
    value, low, high = share(base, single_class_images(hits + gains), oracle, samples=300)
    assert value == pytest.approx(gains.mean() / 40)
    error = gains.std(ddof=1) / 40 / np.sqrt(12)
    width = -scipy.stats.t(11).ppf(0.025) * error
    assert value - low == pytest.approx(width, rel=0.2)
    assert high - value == pytest.approx(width, rel=0.2)


def test_the_share_of_a_gap_is_as_sure_as_the_seeds_of_its_ends():
    def runs(*hits):
        return np.stack([single_class_images([hit] * 6) for hit in hits])

    base, half, oracle = runs(40, 40, 40), runs(49, 50, 51), runs(60, 60, 60)
    _, _, high = share(base, half, oracle, samples=50)
    error = 0.01 / np.sqrt(3) / 0.2
    assert high == pytest.approx(0.5 - scipy.stats.t(2).ppf(0.025) * error)
    _, _, wider = share(runs(37, 40, 43), half, oracle, samples=50)
    assert wider > high


def test_where_there_is_no_gap_nothing_closes_it():
    base = single_class_images([40, 60, 50])
    assert gap_closed(base, base, base, samples=50) is None
    assert gap_closed(base, base, single_class_images([30, 40, 50]), samples=50) is None
    # The oracle is above on average, and below in some resamples: the share has no interval.
    odd = single_class_images([30, 90, 50])
    assert gap_closed(base, odd, odd, samples=50) == (1, None, None)


def test_the_jackknifes_error_of_a_mean_is_that_of_theory():
    hits = np.random.default_rng(3).integers(0, 101, 30)
    expected = hits.std(ddof=1) / 100 / np.sqrt(30)
    assert jackknife_error(single_class_images(hits)) == pytest.approx(expected)
    assert jackknife_error(single_class_images([50])) == 0
    assert jackknife_error(np.zeros((4, 2, 2), np.int64)) == 0
