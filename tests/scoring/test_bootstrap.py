import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.scoring import bootstrap
from roadshift.scoring.bootstrap import bootstrap_miou, paired_bootstrap
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


def test_weights_equal_adding_up_the_drawn_images():
    matrices = random_matrices(7, classes=4)
    values: list[float | None] = []
    weights = np.random.default_rng(5).multinomial(7, [1 / 7] * 7, size=100)
    for row in weights:
        drawn = [matrices[i] for i in range(7) for _ in range(row[i])]
        assert len(drawn) == 7
        values.append(mean_iou(np.sum(drawn, axis=0)))
    expected: np.ndarray = np.quantile(np.array(values, float), [0.05, 0.95])
    assert bootstrap_miou(matrices, samples=100, seed=5, level=0.9) == pytest.approx(
        tuple(expected)
    )


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
    expected = np.quantile(values, [0.1, 0.9])
    found = paired_bootstrap(a, b, samples=80, seed=5, level=0.8)
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_run_against_itself_differs_by_nothing():
    matrices = random_matrices(5)
    assert paired_bootstrap(matrices, matrices, samples=50) == (0, 0, 0)


def test_repetitions_are_averaged_and_drawn_together():
    matrices = random_matrices(8)
    other = matrices.copy()
    other[:, 0, 0], other[:, 0, 1] = matrices[:, 0, 1], matrices[:, 0, 0]
    alone = paired_bootstrap(matrices, other, samples=100, seed=4)
    doubled = paired_bootstrap(np.stack([matrices] * 2), np.stack([other] * 2), samples=100, seed=4)
    assert doubled == pytest.approx(alone)
    # The mean of a run and the base itself is half as far from the base, in every resample.
    halved = paired_bootstrap(matrices, np.stack([matrices, other]), samples=100, seed=4)
    assert halved == pytest.approx(np.array(alone, float) / 2)


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
