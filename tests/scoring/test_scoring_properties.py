import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from roadshift.errors import RoadshiftError
from roadshift.scoring import metrics
from roadshift.scoring.bootstrap import bootstrap_miou, paired_bootstrap
from roadshift.scoring.calibration import no_pixels
from roadshift.scoring.confusion import confusion_matrix
from roadshift.scoring.domain_metrics import score_domain
from roadshift.scoring.results import ImageMatrices
from roadshift.scoring.settings import EvaluateSettings

# Up to what an image of a hundred million pixels could count, and mostly few, for absent classes.
counts = st.integers(0, 3) | st.integers(0, 10**8)
MEANS = (
    metrics.mean_iou,
    metrics.mean_accuracy,
    metrics.pixel_accuracy,
    metrics.frequency_weighted_iou,
)


def matrices(images=5):
    """Confusion matrices of images, int64 (N, C, C)."""
    shapes = st.tuples(st.integers(1, images), st.integers(1, 6))
    return shapes.flatmap(lambda s: arrays(np.int64, (s[0], s[1], s[1]), elements=counts))


seeds = st.integers(0, 2**32 - 1)


@given(matrices())
def test_every_mean_is_a_share_or_none(found):
    total = found.sum(0)
    values = [mean(total) for mean in MEANS]
    assert (total.sum() == 0) == (values == [None] * len(MEANS))
    assert all(value is None or 0 <= value <= 1 for value in values)


@given(matrices())
def test_intersection_over_union_is_at_most_the_accuracy(found):
    iou, accuracy = metrics.class_iou(found), metrics.class_accuracy(found)
    present = found.sum(-1) > 0
    np.testing.assert_array_equal(np.isnan(iou), ~present)
    assert (iou[present] <= accuracy[present]).all()
    assert ((iou[present] >= 0) & (iou[present] <= 1)).all()


@given(matrices(), seeds)
def test_names_of_classes_change_no_mean(found, seed):
    total = found.sum(0)
    order = np.random.default_rng(seed).permutation(len(total))
    for mean in MEANS:
        value = mean(total)
        expected = None if value is None else pytest.approx(value, rel=1e-12)
        assert mean(total[np.ix_(order, order)]) == expected


@given(matrices())
def test_what_is_all_right_scores_one(found):
    right = np.diag(found.sum((0, 1)))
    for mean in MEANS:
        assert mean(right) == (pytest.approx(1, rel=1e-12) if right.any() else None)


@given(matrices(), seeds)
def test_the_report_is_json_and_does_not_depend_on_the_order_of_images(found, seed):
    number, classes, _ = found.shape
    names, ids = [f"c{k}" for k in range(classes)], [f"p{k}" for k in range(number)]
    settings = EvaluateSettings(bootstrap_samples=20)
    order = np.random.default_rng(seed).permutation(number)
    options: dict = {"data_set": "noon", "class_names": names, "settings": settings}
    turned = ImageMatrices(tuple(ids[k] for k in order), found[order])
    report = score_domain(ImageMatrices(tuple(ids), found), no_pixels(), **options)
    again = score_domain(turned, no_pixels(), **options)
    assert json.dumps(report.model_dump(), allow_nan=False) == json.dumps(again.model_dump())
    assert report.classes_scored + len(report.classes_absent) == classes


@given(matrices(), seeds, st.floats(0.01, 0.99))
def test_an_interval_lies_within_its_range(found, seed, level):
    interval = bootstrap_miou(found, samples=20, seed=seed, level=level)
    if interval is not None:
        low, high = interval
        assert 0 <= low <= high <= 1 + 1e-12


@given(matrices(), matrices(), seeds)
def test_two_runs_are_compared_or_refused(a, b, seed):
    same = paired_bootstrap(a, a, samples=20, seed=seed)
    assert same.difference in (0, None)
    assert {same.low, same.high} in ({0}, {None})
    if a.shape == b.shape:
        # The other run's predictions for the same truth.
        turned = paired_bootstrap(a, a[:, :, ::-1], samples=20, seed=seed)
        back = paired_bootstrap(a[:, :, ::-1], a, samples=20, seed=seed)
        if turned.difference is not None:
            assert back.difference == pytest.approx(-turned.difference)
    if a.shape != b.shape or (a.sum(-1) != b.sum(-1)).any():
        with pytest.raises(RoadshiftError):
            paired_bootstrap(a, b, samples=20, seed=seed)


@given(
    array_shapes(min_dims=2, max_dims=2, max_side=6).flatmap(
        lambda shape: st.tuples(*[arrays(np.uint8, shape) for _ in "ab"])
    ),
    st.integers(1, 255),
    st.booleans(),
)
def test_any_label_and_prediction_are_counted_or_refused(pair, classes, within):
    label, prediction = pair
    if within:
        label, prediction = np.where(label == 255, 255, label % classes), prediction % classes
    try:
        matrix = confusion_matrix(label, prediction, classes)
    except RoadshiftError:
        refused = True
    else:
        refused = False
    if refused:
        assert not within
        return
    counted = label != 255
    assert matrix.sum() == counted.sum()
    assert np.trace(matrix) == (counted & (label == prediction)).sum()
