"""Sentences in each case: a loss, a gain, neither shown, and nothing to be said."""

import numpy as np
import pytest

from roadshift.report import conclusions
from roadshift.scoring.comparison import VariantScore
from roadshift.scoring.estimate import Difference
from roadshift.scoring.results import ImageMatrices, MixMatrices
from roadshift.scoring.tables import domain_gap
from tests.results import domain_scores, mix_scores


def score(miou, low=None, high=None, iou=None, calibration=0.02):
    return domain_scores(miou, low, high, iou=iou or {}, calibration_error=calibration)


def test_a_drop_joins_the_intervals_of_its_cells():
    scores = {"a": score(0.60, 0.57, 0.62), "target": score(0.40, 0.36, 0.45)}
    drop = conclusions.drop_to(scores, ["a"], "target")
    # Down: a's 0.03 below, the target's 0.05 above; up: 0.02 and 0.04.
    assert drop.difference == pytest.approx(0.2)
    assert drop.low == pytest.approx(0.2 - (0.03**2 + 0.05**2) ** 0.5)
    assert drop.high == pytest.approx(0.2 + (0.02**2 + 0.04**2) ** 0.5)


def test_a_drop_of_two_sources_is_from_their_mean():
    cells = {"a": score(0.6, 0.58, 0.62), "b": score(0.5, 0.44, 0.56)}
    drop = conclusions.drop_to({**cells, "target": score(0.4, 0.4, 0.4)}, ["a", "b"], "target")
    assert drop.difference == pytest.approx(0.15)
    assert drop.low == pytest.approx(0.15 - (0.01**2 + 0.03**2) ** 0.5)


def test_a_drop_leaves_out_a_source_on_joined_classes_as_the_gap_does():
    coarse = domain_scores(0.9, 0.88, 0.92, joined={"car + bus": 0.9}, iou={"road": 0.9})
    cells = {"a": score(0.6, 0.58, 0.62), "c": coarse, "target": score(0.4, 0.38, 0.42)}
    drop = conclusions.drop_to(cells, ["a", "c"], "target")
    assert round(drop.difference or 0, 4) == domain_gap(cells, ["a", "c"], "target") == 0.2
    assert "60.0 % on its own domain and" in conclusions.drop_sentence(cells, ["a", "c"], "target")
    assert conclusions.drop_to(cells, ["c"], "target") == Difference(None, None, None)
    assert "other joined classes" in conclusions.drop_sentence(cells, ["c"], "target")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (score(0.40, 0.38, 0.42), "it **loses 20.0 points** (95 % interval 17.2 to 22.8)."),
        (
            score(0.70, 0.68, 0.72),
            "it **gains 10.0 points** (95 % interval 7.2 to 12.8); the target is",
        ),
        (
            score(0.59, 0.57, 0.61),
            "**no loss is shown**, since the drop of +1.0 points (95 % interval −1.8",
        ),
        (score(0.50), "10.0 points less; without an interval its certainty is unknown."),
        (score(0.70), "10.0 points more; without an interval its certainty is unknown."),
        (score(None), "nothing can be said of its drop to the target, since target has no label"),
    ],
)
def test_the_sentence_on_a_drop(target, words):
    scores = {"a": score(0.60, 0.58, 0.62), "target": target}
    assert words in conclusions.drop_sentence(scores, ["a"], "target", 0.95)


def joined(miou, low=None, high=None):
    """The score of a domain whose labels do not tell cars from trains."""
    return score(miou, low, high, iou={"road": miou, "car": None, "train": None}).model_copy(
        update={"joined": {"car + train": miou}, "calibration_error": None}
    )


PARTLY_JOINED = {
    "a": score(0.60, 0.58, 0.62, iou={"road": 0.8, "car": 0.6, "train": None}),
    "c": joined(0.90, 0.89, 0.91),
    "target": score(0.40, 0.38, 0.42, iou={"road": 0.7, "car": 0.1, "train": None}),
}
"""An own domain on the classes of the target, and one on joined classes."""


def test_a_drop_is_from_own_domains_that_are_scored_on_the_target_s_classes():
    alone = {role: PARTLY_JOINED[role] for role in ("a", "target")}
    drop = conclusions.drop_to(PARTLY_JOINED, ["a", "c"], "target")
    assert drop == conclusions.drop_to(alone, ["a"], "target")
    text = conclusions.drop_sentence(PARTLY_JOINED, ["a", "c"], "target")
    assert "60.0 % on its own domain and 40.0 % on the target" in text
    text = conclusions.lost_sentence(PARTLY_JOINED, ["a", "c"], "target")
    assert "largest gaps in IoU at car (50.0 points) and road (10.0 points)." in text
    text = conclusions.calibration_sentence(PARTLY_JOINED, ["a", "c"], "target")
    assert "is 2.0 points on its own domain and 2.0 on the target" in text


def test_nothing_is_said_of_a_drop_from_joined_classes_alone():
    assert conclusions.drop_to(PARTLY_JOINED, ["c"], "target").difference is None
    for sentence in (conclusions.drop_sentence, conclusions.lost_sentence):
        text = sentence(PARTLY_JOINED, ["c"], "target")
        assert text.endswith("since its own domains are scored on other joined classes.")
        assert text.startswith("The network trained on **c**: nothing can be said of")


def test_a_changed_metric_changes_the_sentence():
    before = {"a": score(0.60, 0.58, 0.62), "target": score(0.40, 0.38, 0.42)}
    after = {**before, "target": score(0.41, 0.39, 0.43)}
    sentences = [conclusions.drop_sentence(s, ["a"], "target", 0.95) for s in (before, after)]
    assert "40.0 % on the target: it **loses 20.0" in sentences[0]
    assert "41.0 % on the target: it **loses 19.0" in sentences[1]


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (
            (0.04, 0.01, 0.07),
            "scores **higher** than the rest by 4.0 points (90 % interval 1.0 to 7.0)",
        ),
        ((-0.04, -0.07, -0.01), "scores **lower** than the rest by 4.0 points"),
        ((0.01, -0.02, 0.04), "differ by +1.0 points (90 % interval −2.0 to +4.0)."),
        ((0.0, 0.0, 0.0), "**cannot be told apart**"),
        ((0.01, None, None), "is 1.0 points above the rest; without an interval"),
        ((None, None, None), "cannot be compared: there is no labelled pixel"),
    ],
)
def test_the_sentences_on_two_networks(difference, words):
    cell = VariantScore((0.5,), Difference(*difference))
    said = conclusions.versus_sentence("this", "the rest", domain="target", cell=cell, level=0.9)
    assert words in said
    # Each network is one training, of which no verdict and no cause follows.
    assert not {"better", "worse", "raised", "lowered", "closes"} & {*said.split()}


def test_the_network_of_the_most_sources_is_the_first_of_equals():
    assert conclusions.widest({"a": ["a"], "ab": ["a", "b"], "cd": ["c", "d"]}) == "ab"


IOU = {"road": 0.9, "person": 0.2, "pole": 0.1, "sky": None, "traffic_sign": 0.3}


def test_the_weakest_classes_and_those_that_are_absent():
    sentence = conclusions.weakest_sentence(score(0.4, iou=IOU), ["a", "b"], "target", number=2)
    assert "trained on **a** and **b** is worst at pole (10.0 %) and person (20.0 %)." in sentence
    assert "left out of the mean: sky." in sentence
    assert "no class has an IoU" in conclusions.weakest_sentence(score(None), ["a"], "target")


def test_the_classes_with_the_largest_gaps():
    home = score(0.5, iou=IOU | {"person": 0.7, "traffic_sign": 0.5, "sky": 0.9})
    scores = {"a": home, "target": score(0.4, iou=IOU)}
    sentence = conclusions.lost_sentence(scores, ["a"], "target", number=2)
    assert "largest gaps in IoU at person (50.0 points) and traffic sign (20.0 points)." in sentence
    assert "No class" in conclusions.lost_sentence({"a": home, "target": home}, ["a"], "target")


def test_calibration_is_said_for_both_and_may_be_unknown():
    def said(there):
        scores = {"a": score(0.5, calibration=0.02), "target": score(0.4, calibration=there)}
        return conclusions.calibration_sentence(scores, ["a"], "target")

    assert "error is 2.0 points on its own domain and 8.0 on the target" in said(0.08)
    # No interval is computed for it.
    assert not {"rises", "falls"} & {*(said(0.08) + said(0.01)).split()}
    assert "is not known" in said(None)


def test_metrics_that_are_not_of_the_images_are_named():
    matrices = np.array([[[3, 1], [0, 4]]])
    images = {"ab": MixMatrices({"target": ImageMatrices(("p",), matrices)})}
    miou = round((3 / 4 + 4 / 5) / 2, 4)

    def disagreements(written):
        return conclusions.disagreements({"ab": mix_scores({"target": score(written)})}, images)

    agree = disagreements(miou)
    assert agree == []
    assert "agree with" in conclusions.agreement_sentence(1, agree)
    odd = disagreements(miou + 0.01)
    assert odd == ["ab on target"]
    assert "**Stale figures**: ab on target" in conclusions.agreement_sentence(1, odd)


def test_words_in_a_row():
    assert conclusions.listed(["a"]) == "a"
    assert conclusions.listed(["a", "b", "c"]) == "a, b and c"


def test_what_training_saw_of_the_target():
    nothing = conclusions.seen_sentence({"a": {}, "ab": {}}, "target")
    assert nothing == "No training of this run saw any image of the target."
    some = conclusions.seen_sentence({"a": {}, "ab": {"labelled": 1, "unlabelled": 9}}, "target")
    assert (
        "1 labelled image (supervised) and 9 unlabelled images (unsupervised adaptation), all"
        in some
    )
