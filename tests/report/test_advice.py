import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from roadshift.augment.settings import AugmentSettings
from roadshift.datasets.card import load_card
from roadshift.report.advice import (
    RunFacts,
    class_losses,
    findings,
    next_steps,
)
from roadshift.scoring.metrics import mean_iou
from roadshift.scoring.results import ImageMatrices, MixMatrices
from roadshift.scoring.settings import EvaluateSettings
from tests.results import domain_scores, mix_scores

PROJECT = Path(__file__).parents[2]
SOURCES = {"a": ["a"], "b": ["b"], "ab": ["a", "b"]}
IDS = tuple(f"i{k}" for k in range(12))


def images(wrong):
    """Matrices of two classes: of 100 pixels a class and image, about `wrong` of each are wrong."""
    matrices = np.zeros((len(IDS), 2, 2), np.int64)
    for k, matrix in enumerate(matrices):
        off = wrong + k % 3
        matrix[:] = [[100 - off, off], [off, 100 - off]]
    return ImageMatrices(IDS, matrices)


def run_of(target, own=5, samples=200, adapted=None, joined=None):
    """The findings of a run with so many wrong pixels on the target, by mix.

    `joined` has the mIoU of domains whose labels do not tell the two classes apart.
    """
    matrices = {
        mix: MixMatrices(
            {"a": images(own), "b": images(own), "target": images(wrong)},
            {method: {"target": images(w)} for method, w in (adapted or {}).items()},
        )
        for mix, wrong in target.items()
    }
    scores = {
        mix: mix_scores(
            {
                domain: domain_scores(
                    miou, miou - 0.01, miou + 0.01, iou={"road": miou, "car": miou}
                )
                for domain, each in found.domains.items()
                for miou in [round(mean_iou(each.total) or 0.0, 4)]
            },
            mix,
        )
        for mix, found in matrices.items()
    }
    for each in scores.values():
        for domain, miou in (joined or {}).items():
            unknown = dict.fromkeys(each.domains[domain].iou)
            each.domains[domain] = domain_scores(
                miou, miou, miou, iou=unknown, joined={"road + car": miou}
            )
    found = findings(
        scores,
        matrices,
        sources=SOURCES,
        target="target",
        settings=EvaluateSettings(bootstrap_samples=samples),
        seed=0,
    )
    return {finding.about: finding.text for finding in found}


@pytest.mark.parametrize("b", [30, 10])
def test_the_gap_is_that_of_the_network_of_the_most_sources_whichever_scored_highest(b):
    text = run_of({"a": 40, "b": b, "ab": 20})["Gap"]
    # Of 200 pixels in two classes, x wrong of each: IoU (100-x)/(100+x), with x = 21 and 6.
    assert text.startswith(
        "ab has an mIoU of 65.3 % on target: 23.4 points below its own domains, their mean. The "
        "gap is +23.4 (95 % interval +2"
    )


def test_a_target_that_is_easier_has_a_gap_below_zero():
    text = run_of({"a": 2, "b": 30})["Gap"]
    assert "points above its own domain. The gap is −" in text


def test_the_gap_and_its_interval_leave_out_an_own_domain_on_joined_classes():
    plain = run_of({"ab": 20})["Gap"]
    found = run_of({"ab": 20}, joined={"b": 0.99})["Gap"]
    assert "23.4 points below its own domain. The gap is +23.4 (95 % interval +2" in found
    # One domain less, so one interval less is added: wider than of the mean of two.
    assert interval_of(found) > interval_of(plain)
    text = run_of({"ab": 20}, joined={"a": 0.99, "b": 0.99})["Gap"]
    assert text.endswith("Its own domains are scored on other joined classes.")


def interval_of(text):
    ((low, high),) = re.findall(r"interval \+([0-9.]+) to \+([0-9.]+)", text)
    return float(high) - float(low)


def test_more_sources_are_compared_with_each_source_by_a_paired_interval():
    found = run_of({"a": 40, "b": 10, "ab": 20})
    # 59/141 and 79/121, and 89/111: the images differ alike in both, so the interval is narrow.
    size = r"ab against a on target: \+23\.4 points \(95 % interval \+2\d\.\d to \+2\d\.\d\)\. "
    assert re.fullmatch(
        size + "On these images this run of ab scores higher: the interval lies above 0.",
        found["More sources than a"],
    )
    assert found["More sources than b"].startswith("ab against b on target: −14.9 points (95 %")
    assert found["More sources than b"].endswith(
        "On these images this run of ab scores lower: the interval lies below 0."
    )


def test_what_the_interval_does_not_tell_apart_is_said_to_be_open():
    text = run_of({"a": 20, "b": 30, "ab": 20})["More sources than a"]
    assert text == (
        "ab against a on target: +0.0 points (95 % interval +0.0 to +0.0). The interval contains "
        "0: this run does not tell the two apart."
    )
    text = run_of({"a": 20, "b": 30, "ab": 10}, samples=0)["More sources than a"]
    assert text == "ab against a on target: +14.9 points. Without an interval this says little."


def test_test_time_adaptation_is_compared_with_the_network_as_trained():
    found = run_of({"a": 40, "b": 30, "ab": 20}, adapted={"adabn": 10, "tent": 30})
    text = found["AdaBN, which saw the scored images"]
    assert text.startswith("ab with AdaBN against ab as trained on target: +14.9 points")
    assert "scores lower" in found["TENT, which saw the scored images"]


def test_a_run_of_one_source_has_no_comparison():
    assert {*run_of({"a": 40})} == {"Gap", "Classes with the largest gaps", "Weakest classes"}


def test_no_sentence_calls_one_seed_better_or_worse():
    for a, b, ab in product((5, 20, 40), repeat=3):
        for text in run_of({"a": a, "b": b, "ab": ab}, adapted={"adabn": 20}).values():
            assert not re.search("better|worse|best|significant", text)
            assert "**" not in text


def test_a_target_without_a_label_is_said_to_have_no_score():
    scores = {"a": mix_scores({"a": domain_scores(0.5), "target": domain_scores(None)}, "a")}
    found = findings(
        scores, {}, sources=SOURCES, target="target", settings=EvaluateSettings(), seed=0
    )
    assert [each.text for each in found] == [
        "No image of target has a labelled pixel to be scored on."
    ]


def test_classes_are_ordered_by_their_loss_and_those_without_one_come_last():
    home = {"sky": 0.9, "road": 0.8, "car": None, "pole": 0.2, "tree": 0.7}
    away = {"sky": 0.8, "road": 0.3, "car": 0.5, "pole": None, "tree": 0.8}
    row = {
        "a": domain_scores(0.6, iou=home),
        "b": domain_scores(0.6, iou=dict.fromkeys(home, 0.4)),
        "target": domain_scores(0.6, iou=away),
    }
    losses = class_losses(row, ["a"], "target")
    assert [*losses] == ["road", "sky", "tree", "car", "pole"]
    assert losses["road"] == pytest.approx(0.5)
    assert losses["tree"] == pytest.approx(-0.1)
    assert losses["car"] is losses["pole"] is None
    assert class_losses(row, ["a", "b"], "target")["road"] == pytest.approx(0.3)
    row["b"] = row["b"].model_copy(update={"joined": {"car + pole": 0.9}})
    assert class_losses(row, ["a", "b"], "target") == losses
    assert {*class_losses(row, ["b"], "target").values()} == {None}


def test_what_a_source_gets_without_it_and_with_it():
    sources = {"ab": ["a", "b"], "ac": ["a", "c"], "c": ["c"]}
    cells = {role: domain_scores(0.5) for role in ("a", "b", "c", "target")}
    scores = {mix: mix_scores({**cells}, mix) for mix in sources}
    scores["ac"].domains["b"] = domain_scores(0.3)
    scores["c"].domains["b"] = domain_scores(0.4)
    matrices = {mix: MixMatrices({role: images(5) for role in cells}, {}) for mix in sources}
    settings = EvaluateSettings(bootstrap_samples=20)

    def found(mixes):
        every = findings(
            {mix: scores[mix] for mix in mixes},
            {mix: matrices[mix] for mix in mixes},
            sources={mix: sources[mix] for mix in mixes},
            target="target",
            settings=settings,
            seed=0,
        )
        return {finding.about: finding.text for finding in every}

    text = found(sources)["Held-out sources"]
    assert "; b: 40.0 % by c without it, 50.0 % by ab with it;" in text
    # With two sources it is read off the table.
    assert "Held-out sources" not in found(["ac", "c"])


def facts(cards=("synthetic_noon", "synthetic_overcast", "synthetic_dusk"), **changes):
    values = {
        "seed": 0,
        "strengths": AugmentSettings().model_dump(),
        "cards": {
            role: load_card(name) for role, name in zip(("a", "b", "target"), cards, strict=True)
        },
        "network": "ab",
        "target_train": 120,
        "saw_target": False,
    }
    return RunFacts(**{**values, **changes})


def commands(run, gap=0.2):
    return [step.command for step in next_steps(run, target="target", gap=gap) if step.command]


CARDS = [
    ("synthetic_noon", "synthetic_overcast", "synthetic_dusk"),
    ("camvid", "kitti", "ika"),
    ("synthetic_noon", "synthetic_overcast", "folder"),
    ("camvid", "folder", "folder"),
]
STRENGTHS = [
    dict.fromkeys(AugmentSettings.model_fields, 0.0),
    {**AugmentSettings().model_dump(), "rain": 0.5, "random_crop": 1.0},
]


def every_run():
    for cards, strengths, train, saw in product(CARDS, STRENGTHS, (0, 120), (False, True)):
        yield facts(cards, strengths=strengths, target_train=train, saw_target=saw)


def test_every_command_is_one_of_the_documentation():
    pages = [PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")]
    documented = re.sub(r"[\s\\]+", " ", " ".join(page.read_text("utf-8") for page in pages))
    found = {command for run in every_run() for command in commands(run)}
    assert len(found) > 8
    for command in found:
        plain = re.sub(r"[\s\\]+", " ", command)
        assert plain in documented, command


def test_the_default_run_is_led_to_another_seed_an_ablation_the_target_and_other_data():
    assert commands(facts()) == [
        "dvc exp run -S seed=1",
        "make ablation FILE=experiments/ablation_synthetic.yaml",
        "dvc exp run -S adapt.labelled.samples=all -S adapt.labelled.target_only=true",
        "dvc exp run -S adapt.labelled.samples=5",
        "dvc exp run -S adapt.self_training.weight=1",
        "make streets",
        "roadshift evaluate models/ab.keras /data/my_camera --card folder --split all",
    ]
    assert commands(facts(seed=1))[0] == "dvc exp run -S seed=0"


def test_images_of_the_target_are_no_advice_without_a_gap_or_where_a_training_saw_some():
    for run, gap in ((facts(), -0.1), (facts(saw_target=True), 0.2)):
        assert not [command for command in commands(run, gap) if "adapt" in command]


def test_a_target_that_is_all_scored_needs_a_train_split_first():
    found = commands(facts(target_train=0))
    assert "dvc exp run -S adapt.labelled.samples=5 -S data.split.by.target=random" in found
    assert not [command for command in found if "self_training" in command]


def test_no_augmentation_is_advised_by_test_images_but_an_ablation_on_what_may_choose():
    for cards, strengths in product(CARDS, STRENGTHS):
        steps = next_steps(facts(cards, strengths=strengths), target="target", gap=0.2)
        (step,) = [step for step in steps if "augmentation" in step.why]
        assert not [each for each in steps if "aug." in each.command]
        if cards == CARDS[1]:
            assert step.command == "make ablation"
        assert step.command == "" or "on images that may choose" in step.why


def test_own_images_are_not_advised_to_who_has_them_and_get_real_sources():
    own = commands(facts(CARDS[2], target_train=0))
    assert "experiments/streets.txt" in own[-1]
    assert not [c for c in commands(facts(("camvid", "kitti", "folder"))) if "domains" in c]
