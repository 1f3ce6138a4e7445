"""The tables of an ablation, by played scores: no test score unasked, and a race's family."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from ablation.columns import Outcome, mious
from ablation.comparison import Results, write_comparison
from ablation.records import Look, StageRecord, earlier_stage, make_record, with_look
from ablation.variants import load_ablation, only
from ablation.writing import noise_floor, write_rows
from roadshift.report.ablations import read_ablation
from roadshift.report.budgets import budget_curves, kept_variants
from roadshift.scoring.metrics import mean_iou
from roadshift.scoring.results import ImageMatrices
from roadshift.scoring.verdicts import holm
from tests.results import domain_scores, transfer_scores

SEEDS = [0, 1, 2, 3]
RACE = {
    "question": "what helps?",
    "mix": "a",
    "base": "plain",
    "seeds": SEEDS,
    "race": None,
    "variants": [
        {"name": "plain", "question": "nothing"},
        {"name": "hue", "question": "hue", "overrides": ["aug.hue=0.1"]},
        {"name": "fog", "question": "fog", "overrides": ["aug.fog=0.1"]},
        {"name": "rain", "question": "rain", "overrides": ["aug.rain=0.1"]},
    ],
}
IDS = tuple(f"{number}" for number in range(8))


def images(share):
    """Eight images of two classes, of whose pixels about a share is recognized."""
    right = np.rint(1000 * (share + 0.01 * np.arange(8) % 0.03)).astype(np.int64)
    matrices = np.zeros((8, 2, 2), np.int64)
    matrices[:, 0, 0] = matrices[:, 1, 1] = right
    matrices[:, 0, 1] = matrices[:, 1, 0] = 1000 - right
    return ImageMatrices(IDS, matrices)


@pytest.fixture
def results(tmp_path, monkeypatch):
    """(names) -> the results of an ablation of which only these variants have run."""
    file = tmp_path / "tried.yaml"
    file.write_text(yaml.safe_dump(RACE, sort_keys=False), "utf-8")
    ablation = load_ablation(file)
    monkeypatch.chdir(tmp_path)

    def ran(*names):
        chosen = only(ablation, names)
        outcomes = {}
        for run in chosen.runs:
            share = 0.7 + 0.004 * (run.params.seed % 2) + 0.05 * (run.variant.name != "plain")
            miou = round(mean_iou(images(share).total) or 0.0, 4)
            score = transfer_scores({"b": domain_scores(miou)}, ["a"], mix="a", held_out=miou)
            record = make_record(chosen, run, {}, {"a": score})
            outcomes[run.name] = Outcome(record, {"a": {"b": images(share)}}, {}, ran=True)
        return Results(chosen, outcomes, [], {})

    return ran


def test_the_progress_of_a_run_has_test_scores_only_in_a_final_look(results):
    record = results("hue").first.record
    now = Look(date="2026-01-31", revision="abc")
    looked = with_look(record, {"target": domain_scores(0.4)}, now, None)
    held_out = {"a→b train+val": record.transfer["a"].held_out}
    assert mious(looked, None, final=False) == held_out
    assert mious(looked, None, final=True) == {**held_out, "target test": 0.4}


@pytest.mark.parametrize("names", [["hue"], ["hue", "fog", "rain"]])
def test_the_family_of_a_race_is_all_variants_of_its_file_also_those_left_out(results, names):
    assert results(*names).race().variants == 3


def test_a_verdict_counts_the_whole_family():
    assert holm({1: 0.02}, 0.05) == {1}
    assert holm({1: 0.02}, 0.05, 3) == set()
    assert holm({1: 0.01, 2: 0.02}, 0.05, 3) == {1, 2}
    assert holm({1: 0.01, 2: 0.03}, 0.05, 3) == {1}


def test_what_an_ablation_writes_is_what_the_report_reads(results):
    page = write_comparison(results("hue"), "transfer")
    assert page is not None
    text = page.read_text("utf-8")
    assert "all 3 variants beside `plain`\ncount, run or not" in text
    assert "The noise floor: two seeds of `plain` lie apart by 0.3 points on held out," in text
    for run in results("hue").outcomes.values():
        run.record.save(page.parent / f"{run.record.variant}-s{run.record.seed}.json")
    kept = read_ablation(page.parent, "transfer")
    assert (kept.baseline, kept.choosing, kept.current) == ("plain", "held out", True)
    assert [row["variant"] for row in kept.on("held out")] == ["plain", "hue"]
    assert not (page.parent / "table.md").exists()


def looked_at(results, names):
    """A final look at an ablation without a race, whose oracle is 'rain'."""
    found = results(*names)
    settings = found.ablation.settings.model_copy(update={"oracle": "rain", "race": None})
    ablation = replace(found.ablation, settings=settings)
    now, outcomes = Look(date="2026-01-31", revision="abc"), {}
    for name, outcome in found.outcomes.items():
        share = 0.6 if outcome.record.variant == "plain" else 0.7
        target = {"target": domain_scores(round(mean_iou(images(share).total) or 0.0, 4))}
        record = with_look(outcome.record, target, now, None)
        test = {"a": {"target": images(share)}}
        outcomes[name] = Outcome(record, outcome.transfer, test, ran=True)
    return Results(ablation, outcomes, [], {})


def test_the_gap_that_is_closed_is_told_once_the_oracle_has_run(results):
    page = write_comparison(looked_at(results, ["hue"]), "table")
    assert page is not None
    text = page.read_text("utf-8")
    assert "Gap closed" not in text
    assert "Left out: `fog` (not asked for), `rain` (not asked for)." in text
    write_comparison(looked_at(results, ["hue", "rain"]), "table")
    assert "Gap closed" in page.read_text("utf-8")


def test_the_noise_floor_of_one_seed_is_not_known(tmp_path):
    assert noise_floor("`x`", {"a": None}) == (
        "The noise floor is not known, since `x` ran with one seed."
    )
    assert noise_floor("`x`", {"a": 0.01, "b": None, "c": 0.02}) == (
        "The noise floor: two seeds of `x` lie apart by 1.0 points on a, 2.0 on c, on average."
    )
    write_rows(tmp_path / "rows.csv", [{"a": 1, "b": None}])
    assert (tmp_path / "rows.csv").read_text("utf-8") == "a,b\n1,\n"


def test_variants_that_differ_in_epochs_have_a_chart_over_processor_time(tmp_path, monkeypatch):
    variants = [
        {"name": "plain", "question": "nothing"},
        {"name": "plain_20", "question": "longer", "overrides": ["train.epochs=20"]},
        {"name": "hue", "question": "hue", "overrides": ["aug.hue=0.1"]},
    ]
    content = {**RACE, "variants": variants}
    del content["race"]
    file = tmp_path / "epochs.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    ablation = load_ablation(file)
    monkeypatch.chdir(tmp_path)

    def written(minutes):
        outcomes = {}
        for run in ablation.runs:
            miou = round(mean_iou(images(0.7).total) or 0.0, 4)
            score = transfer_scores({"b": domain_scores(miou)}, ["a"], mix="a", held_out=miou)
            stages = {"train@a": StageRecord(key="k", minutes=9.0, processor_minutes=minutes)}
            record = make_record(ablation, run, stages, {"a": score})
            outcomes[run.name] = Outcome(record, {"a": {"b": images(0.7)}}, {}, ran=True)
        page = write_comparison(Results(ablation, outcomes, [], {}), "transfer")
        assert page is not None
        for each in outcomes.values():
            name = f"{each.record.variant}-s{each.record.seed}.json"
            each.record.save(page.parent / name)
        return page.parent

    folder = written(3.0)
    chart = (folder / "transfer-minutes.svg").read_text("utf-8")
    kept = read_ablation(folder, "transfer")
    curves = budget_curves(kept_variants(kept, "held out"))
    assert {name: [point.epochs for point in points] for name, points in curves.items()} == {
        "plain": [10, 20], "hue": [10],
    }  # fmt: skip
    assert "<svg" in chart
    # Without times there is no chart, and an earlier one would be of other runs.
    assert not (written(None) / "transfer-minutes.svg").exists()


def test_a_stage_that_did_not_run_has_the_times_that_were_measured(results):
    old = StageRecord(key="k", minutes=2.0)
    new = StageRecord(key="k", minutes=3.0, processor_minutes=4.0)
    record = results("hue").first.record
    records = [record.model_copy(update={"stages": {"train@a": each}}) for each in (old, new)]
    assert earlier_stage("k", records) == new
    assert earlier_stage("k", records[:1]) == old
    assert earlier_stage("other", records) == StageRecord(key="other")
