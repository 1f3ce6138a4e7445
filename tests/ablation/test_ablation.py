"""An ablation by the real DVC, on a miniature of the project. The tests are a story: each goes on
where the one before it ended."""

import contextlib
import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from PIL import Image

from ablation.runner import closest
from ablation.variants import load_ablation

pytestmark = pytest.mark.workflow

VARIANTS = {
    "question": "what changes a miniature?",
    "mix": "ab",
    "base": "plain",
    "variants": [
        {"name": "plain", "question": "no mirroring", "overrides": ["aug.flip=0"]},
        {"name": "mirrored", "question": "mirroring", "overrides": ["aug.flip=1"], "seeds": [5]},
        {
            "name": "bins",
            "question": "another scoring of the same network",
            "extends": "plain",
            "overrides": ["evaluate.calibration_bins=5"],
        },
        {"name": "starved", "question": "too small", "overrides": ["train.batch_size=1"]},
    ],
}
COMMAND = (sys.executable, "-m", "ablation", "experiments/tiny.yaml")
WORK = ".dvc/tmp/ablation"
RESULTS = "docs/results/tiny"


@pytest.fixture(scope="module")
def project(miniature):
    file = miniature.folder / "experiments/tiny.yaml"
    file.write_text(yaml.safe_dump(VARIANTS, sort_keys=False), "utf-8")
    miniature.commit("an ablation")
    return miniature


def status(project):
    """What git sees of the workspace, but for the results."""
    return project.run("git", "status", "--porcelain", "--", ".", f":!{RESULTS}")


def results(project):
    return {file.name: file.read_text("utf-8") for file in (project.folder / RESULTS).iterdir()}


def experiments(project):
    shown = project.run("git", "for-each-ref", "--format=%(refname)", "refs/exps/*/*/*")
    return {name.rsplit("/", 1)[1] for name in shown.split()}


def test_what_is_not_committed_is_not_compared(project):
    file = project.folder / "params.yaml"
    before = file.read_text("utf-8")
    file.write_text(before.replace("seed: 0", "seed: 1"), "utf-8")
    printed = project.run(*COMMAND, ok=False)
    file.write_text(before, "utf-8")
    assert printed == (
        "error: params.yaml has uncommitted changes; commit them first, since variants run from "
        "the last commit\n"
    )


@pytest.fixture(scope="module")
def cut(project):
    """Ended by SIGTERM in the training of the second variant; returns what it printed."""
    (project.folder / "README.md").write_text("changed meanwhile\n", "utf-8")
    before = status(project)
    assert before == " M README.md\n"
    process = subprocess.Popen(
        COMMAND, cwd=project.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull},
    )  # fmt: skip
    log = project.folder / WORK / "logs/tiny/mirrored-s5.log"
    while process.poll() is None:
        if log.is_file() and "> python -m stages.train ab" in log.read_text("utf-8"):
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, printed
    assert status(project) == before
    return printed


def test_a_run_that_is_cut_says_so_and_leaves_the_workspace_alone(project, cut):
    assert "[1/4] plain: no mirroring\n" in cut
    cells = r"mIoU ab→a val 0\.\d+, ab→b val 0\.\d+"
    assert re.search(rf"\[1/4\] plain: {cells}; .* minutes so far, about \d+ left\n", cut)
    ended = "stopped; the same command resumes\ninterrupted\n"
    assert cut.endswith(f"[2/4] mirrored-s5: mirroring\n{ended}")
    assert "Traceback" not in cut
    assert not (project.folder / "models/trained/ab").exists()
    assert not (project.folder / "dvc.lock").exists()


def test_nothing_of_a_cut_run_stays_alive(project, cut):
    sandbox = (project.folder / WORK).resolve()
    alive = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if sandbox in (process / "cwd").readlink().parents:
                alive.append((process / "cmdline").read_text())
    # A process that is just ending still has a folder, and no command line any more.
    assert [command for command in alive if command] == []


def test_a_cut_run_has_a_table_of_what_was_done(project, cut):
    assert set(results(project)) == {"plain.json", "transfer.md", "transfer.csv"}
    assert (
        "Left out: `mirrored` (not run yet), `bins` (not run yet), `starved` (not run yet)."
        in (results(project)["transfer.md"])
    )
    assert experiments(project) == {"tiny-plain"}


@pytest.fixture(scope="module")
def resumed(project, cut):
    before = results(project)["plain.json"]
    # As the oracle leaves it, whose training is validated on the target.
    curve = project.folder / WORK / "project/metrics/curves/ab/plots/metrics/val_miou/target.tsv"
    curve.parent.mkdir(parents=True, exist_ok=True)
    curve.write_text("step\ttarget\n0\t0.5\n", "utf-8")
    printed = project.run(*COMMAND, ok=False)
    assert results(project)["plain.json"] == before
    return printed


def test_what_was_done_does_not_run_again(project, resumed):
    assert "[1/4] plain: as before, mIoU" in resumed
    log = (project.folder / WORK / "logs/tiny/plain.log").read_text("utf-8")
    assert re.findall("Running stage '(.*)'", log) == ["check_inputs"]
    assert re.search(r"\[2/4\] mirrored-s5: mIoU ab→a val 0\.\d+", resumed)


def test_what_differs_in_scoring_only_is_not_trained_again(project, resumed):
    log = (project.folder / WORK / "logs/tiny/bins.log").read_text("utf-8")
    assert "Running stage 'transfer@ab'" in log
    assert "Running stage 'train@ab'" not in log
    plain, bins = (json.loads(results(project)[f"{n}.json"]) for n in ("plain", "bins"))
    assert bins["stages"]["train@ab"] == plain["stages"]["train@ab"]
    assert bins["stages"]["train@ab"]["minutes"] > 0
    assert bins["stages"]["train@ab"]["processor_minutes"] > 0
    assert bins["stages"]["transfer@ab"]["key"] != plain["stages"]["transfer@ab"]["key"]


def test_no_test_image_is_scored_by_any_run(project, resumed):
    for log in sorted((project.folder / WORK / "logs/tiny").glob("*.log")):
        assert "evaluate@" not in log.read_text("utf-8"), log
    record = json.loads(results(project)["plain.json"])
    assert (record["final"], record["domains"]) == (None, {})
    splits = {role: s["splits"] for role, s in record["transfer"]["ab"]["domains"].items()}
    assert splits == {"a": ["val"], "b": ["val"]}
    assert "target" not in results(project)["transfer.csv"]


def test_a_failure_is_told_with_its_reason_and_stops_no_other(resumed):
    log = f"{WORK}/logs/tiny/starved.log"
    assert f"[4/4] starved: failed; the last lines of {log}" in resumed
    assert "source 'b' gets no image of a batch of 1" in resumed
    assert resumed.endswith(
        "error: 1 of 4 runs failed: starved; the same command tries them again\n"
    )
    assert "Traceback" not in resumed


def test_the_table_and_the_chart(project, resumed):
    table = results(project)["transfer.md"]
    assert table in resumed
    assert table.startswith("# what changes a miniature?\n\nScored on images that may choose")
    own = ("ab→a = tiny_noon (2 images of val)", "ab→b = tiny_overcast (2 images of val)")
    assert f"| val, mean | {' | '.join(own)} |" in table
    same = r"\d+\.\d: \+0\.0 \(\+0\.0 to \+0\.0\) one run"
    assert re.search(rf"\| bins \| [^|]+ \| (?:{same} \| ){{3}}0 \| \d+\.\d \|", table)
    assert re.search(r"\| mirrored \| mirroring \| .* \| 5 \| \d+\.\d \|", table)
    assert table.endswith("\nLeft out: `starved` (failed).\n")
    with Image.open(project.folder / "report/ablations/tiny.png") as chart:
        assert chart.width == 800


def test_a_record_is_what_the_experiment_scored(project, resumed):
    record = json.loads(results(project)["mirrored-s5.json"])
    assert (record["seed"], record["params"]["aug"]["flip"]) == (5, 1)
    shown = json.loads(project.run("dvc", "exp", "show", "--json"))
    (found,) = (e for e in shown[1]["experiments"] if e["name"] == "tiny-mirrored-s5")
    data = found["revs"][0]["data"]
    assert data["params"]["params.yaml"]["data"]["seed"] == 5
    summary = data["metrics"]["metrics/summary.json"]["data"]
    assert summary == {"ab": {"val": {"miou": record["transfer"]["ab"]["val"]}}}


def test_the_workspace_is_as_it_was(project, resumed):
    assert status(project) == " M README.md\n"
    assert experiments(project) == {"tiny-plain", "tiny-mirrored-s5", "tiny-bins"}


def test_a_second_time_nothing_runs_and_nothing_changes(project, resumed):
    before = results(project)
    content = {**VARIANTS, "variants": VARIANTS["variants"][:-1]}
    file = project.folder / "experiments/tiny.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    project.commit("without what cannot run")
    printed = project.run(*COMMAND)
    assert printed.count(": as before, mIoU") == 3
    left_out = "\nLeft out: `starved` (failed).\n"
    shown = before["transfer.md"].replace(left_out, "")
    assert results(project) == {**before, "transfer.md": shown}
    # The experiments now start from the new commit, too.
    assert len(project.run("git", "for-each-ref", "refs/exps/*/*/tiny-*").splitlines()) == 6
    assert not (project.folder / WORK / "project").exists()


def test_only_some_variants_are_compared(project, resumed):
    printed = project.run(*COMMAND, "--only", "bins")
    assert printed.count(": as before, mIoU") == 2
    table = results(project)["transfer.md"]
    assert "\n| bins |" in table
    assert "\n| mirrored |" not in table
    assert "\nLeft out: `mirrored` (not asked for)" in table


def test_a_variant_may_be_what_is_committed(project, resumed):
    variants = [
        {"name": "fewer", "question": "less mirroring", "overrides": ["aug.flip=0.3"]},
        {"name": "committed", "question": "the parameters as they are"},
    ]
    content = {**VARIANTS, "base": "fewer", "variants": variants}
    file = project.folder / "experiments/again.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    project.run("dvc", "repro", "transfer@ab")
    project.commit("the results of the parameters as they are")
    printed = project.run(*COMMAND[:-1], "experiments/again.yaml")
    assert "[2/2] committed: mIoU" in printed


RACE = {
    "question": "does another way of scoring change a miniature?",
    "mixes": ["a", "b"],
    "base": "plain",
    "seeds": [0, 1, 2],
    "race": None,
    "overrides": ["train.epochs=1", "train.warmup_epochs=0"],
    "variants": [
        {"name": "plain", "question": "one view"},
        {"name": "views", "question": "two views", "overrides": ["evaluate.tta_flip=true"]},
    ],
}


@pytest.fixture(scope="module")
def raced(project, resumed):
    file = project.folder / "experiments/race.yaml"
    file.write_text(yaml.safe_dump(RACE, sort_keys=False), "utf-8")
    project.commit("a race")
    return project.run(*COMMAND[:-1], "experiments/race.yaml")


def kept(project, name):
    return (project.folder / "docs/results/race" / name).read_text("utf-8")


def test_each_source_is_held_out_in_turn_and_the_seeds_run_in_turn(project, raced):
    started = re.findall(r"\[\d/at most 6\] ([\w-]+): (?:one|two) view", raced)
    assert started == [f"{name}-s{seed}" for seed in (0, 1, 2) for name in ("plain", "views")]
    table = kept(project, "transfer.md")
    assert (
        "| variant | question | held out, mean | a→b = tiny_overcast (8 images of train and val) | "
        "b→a = tiny_noon (8 images of train and val) | val, mean | "
    ) in table
    assert "\nMixes `a`, `b`. mIoU in percent" in table
    assert "Race: each variant may run 3 seeds" in table
    log = (project.folder / WORK / "logs/race/views-s1.log").read_text("utf-8")
    assert "Running stage 'transfer@b'" in log
    assert "Running stage 'train@" not in log


def test_the_mean_is_that_of_the_held_out_sources(project, raced):
    rows = [*csv.DictReader(kept(project, "transfer.csv").splitlines())]
    found = {(row["variant"], row["domain"]): float(row["miou"]) for row in rows}
    records = [json.loads(kept(project, f"views-s{seed}.json")) for seed in (0, 1, 2)]
    cells = [[record["transfer"][mix]["held_out"] for mix in "ab"] for record in records]
    mean = sum(sum(each) for each in cells) / 6
    assert found["views", "held out"] == pytest.approx(mean, abs=1e-4)
    assert found["views", "a→b, transfer"] == pytest.approx(sum(a for a, _ in cells) / 3, abs=1e-4)


@pytest.fixture(scope="module")
def looked(project, raced):
    return project.run(*COMMAND[:-1], "experiments/race.yaml", "--final", "--only", "views")


def test_a_final_look_trains_nothing_and_is_recorded_with_date_and_revision(project, looked):
    log = (project.folder / WORK / "logs/race/views-s1.log").read_text("utf-8")
    assert {*re.findall("Running stage '(.*)'", log)} == {
        "check_inputs", "evaluate@a", "evaluate@b",
    }  # fmt: skip
    head = project.run("git", "rev-parse", "HEAD").strip()
    table = kept(project, "table.md")
    look = r"\*\*A look at the test images and the target\*\*"
    words = look + r", (\d{4}-\d\d-\d\d) at git revision (\w+)\."
    found = re.search(words, table)
    assert found
    assert found[2] == head
    record = json.loads(kept(project, "views-s2.json"))
    assert record["final"] == {"date": found[1], "revision": head}
    assert record["domains"]["b→target"]["images"] == 3
    assert "| target, mean over mixes |" in table
    assert "a→target test 0." in looked
    printed = project.run(*COMMAND[:-1], "experiments/race.yaml", "--only", "views")
    assert kept(project, "transfer.md") in printed
    # No test score is printed without --final, also not those that the record keeps.
    assert "a→b train+val 0." in printed
    assert "→target" not in printed
    assert not re.search(r" test \d", printed)
    # What was looked at stays on record, as long as it is of the same networks.
    assert json.loads(kept(project, "views-s2.json"))["final"] == record["final"]


def test_a_run_starts_from_what_was_trained_by_its_own_seed(tmp_path):
    both = {"seeds": [0, 1]}
    variants = [
        {"name": "adabn", "question": "scoring", "overrides": ["adapt.adabn=true"], **both},
        {"name": "plain", "question": "as it is", **both},
    ]
    content = {**VARIANTS, "variants": variants}
    file = tmp_path / "two_seeds.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    runs = {run.name: run for run in load_ablation(file).runs}
    # In the order of their files, by which equally close ones would be taken.
    others = {name: runs[name].params.model_dump() for name in sorted(runs) if name != "adabn-s1"}
    # All is alike but the scoring; by the count of parameters `adabn-s0` is as near.
    assert closest(runs["adabn-s1"], others)[0] == "plain-s1"
    assert closest(runs["adabn-s0"], others)[:2] == ["adabn-s0", "plain-s0"]
