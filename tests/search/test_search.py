"""A search by the real DVC, on a miniature of the project. The tests are a story: each goes on
where the one before it ended."""

import csv
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest
import yaml
from dvc.repo import Repo

from ablation.variants import overridden
from tests.miniature import PROJECT
from tests.stages.graph import ancestors

pytestmark = pytest.mark.workflow

SEARCH = {
    "question": "what carries over in a miniature?",
    "mixes": ["a"],
    "space": {
        "aug.hue": {"low": 0.0, "high": 0.1},
        "train.learning_rate": {"low": 0.002, "high": 0.02, "log": True},
    },
    "trials": 4,
    "startup": 2,
    "overrides": ["train.warmup_epochs=0", "data.max_height=32"],
    "rungs": [
        {"overrides": ["train.epochs=1", "train.steps_per_epoch=1"], "keep": 2},
        {"overrides": ["train.epochs=1", "train.steps_per_epoch=2"]},
    ],
    "confirm": {"best": 1, "seeds": [11]},
}
WORK = ".dvc/tmp/search"
RUNS = 4 + 2 + 2


def command(name):
    return (sys.executable, "-m", "search", f"experiments/{name}.yaml")


@pytest.fixture(scope="module")
def project(miniature):
    for name in ("cut", "uncut"):
        file = miniature.folder / f"experiments/{name}.yaml"
        file.write_text(yaml.safe_dump(SEARCH, sort_keys=False), "utf-8")
    miniature.commit("searches")
    (miniature.folder / "README.md").write_text("changed meanwhile\n", "utf-8")
    return miniature


def results(project, name):
    folder = project.folder / "docs/results" / name
    return {file.name: file.read_text("utf-8") for file in folder.iterdir()}


def table(project, name, file):
    return [*csv.DictReader(results(project, name)[file].splitlines())]


def logs(project, name):
    return sorted((project.folder / WORK / "logs" / name).glob("*.log"))


@pytest.fixture(scope="module")
def killed(project):
    """Killed at once in the training of the second trial; returns what it printed."""
    log = project.folder / WORK / "logs/cut/t001-r1.log"
    with project.started(*command("cut")) as process:
        while process.poll() is None:
            if log.is_file() and "> python -m stages.train" in log.read_text("utf-8"):
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, printed
    return printed


@pytest.fixture(scope="module")
def resumed(project, killed):
    """The same command, once what the killed process has left behind has ended."""
    for _ in range(120):
        printed = subprocess.run(
            command("cut"), cwd=project.folder, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=project.environment, check=False,
        ).stdout  # fmt: skip
        if "error: another search, or a process that a killed one started" not in printed:
            return printed
        time.sleep(1)
    raise AssertionError(printed)


def test_each_run_has_a_line_with_its_number_rung_parameters_and_score(killed, resumed):
    line = (
        r"\[1/4\] rung 1 of 2, t000: aug\.hue=\S+ train\.learning_rate=\S+: held out \d+\.\d, "
        r"best \d+\.\d \(t000\); \d+\.\d minutes so far\n"
    )
    assert re.fullmatch(line, killed)
    assert re.search(r"^\[2/4\] rung 1 of 2, t001: ", resumed)
    assert re.search(r"^\[2/2\] rung 2 of 2, t\d+: ", resumed, re.MULTILINE)
    assert re.search(r"^\[1/2\] confirm, base, seed 11: the base: held out ", resumed, re.MULTILINE)


def test_no_test_image_and_nothing_of_the_target_is_scored(project, resumed):
    assert len(logs(project, "cut")) == RUNS
    # Nothing before these stages reads test shards, or the target (tests/stages/test_graph.py).
    with Repo(str(project.folder)) as repo:
        needed = {"transfer@a"} | ancestors(repo.index, "transfer@a")
    assert not {name for name in needed if name.startswith("evaluate")}
    for log in logs(project, "cut"):
        stages = {*re.findall("Running stage '(.*)'", log.read_text("utf-8"))}
        assert "transfer@a" in stages, log
        assert stages <= needed, log
    scored = {row["domain"] for row in table(project, "cut", "confirmed.csv")}
    assert scored == {"held out", "a→b, transfer"}


def test_the_workspace_is_as_it_was(project, resumed):
    changed = project.run("git", "status", "--porcelain", "--", ".", ":!docs/results")
    assert changed == " M README.md\n"
    assert not (project.folder / "models/trained/a").exists()
    assert not (project.folder / WORK / "project").exists()
    names = project.run("git", "for-each-ref", "--format=%(refname)", "refs/exps/*/*/cut-*")
    assert len(names.split()) == RUNS


def test_the_page_says_what_chose_and_what_confirms(project, resumed):
    page = results(project, "cut")["trials.md"]
    assert page in resumed
    assert page.startswith("# what carries over in a miniature?\n\n`experiments/cut.yaml` at git")
    assert "a→b = tiny_overcast (8 images of train and val)." in page
    assert "No test image chose, and nothing of the target." in page
    assert re.search(r"\| base \| no value of the space \| \d+\.\d \|", page)
    assert re.search(r"\| t00\d \| aug\.hue=.* one run \|", page)
    luck = r"was the first\nof 2 with \d+\.\d; by the confirming seeds it has \d+\.\d, "
    assert re.search(luck, page)
    assert "| trial | rung 1 | rung 2 | aug.hue | train.learning_rate |" in page
    assert "1 with train.epochs=1 train.steps_per_epoch=1; 2 with " in page
    assert "## Importance of the parameters" in page


def test_the_recipe_is_one_that_an_experiment_takes(project, resumed):
    recipe = results(project, "cut")["recipe.txt"]
    head = project.run("git", "rev-parse", "HEAD").strip()
    assert recipe.startswith("# Chosen by experiments/cut.yaml (make search FILE=")
    assert f"# at git revision {head}, {time.strftime('%Y')}-" in recipe
    assert "of 4 trials.\n" in recipe
    assert "#   dvc exp run $(grep -v '^#' docs/results/cut/recipe.txt)\n" in recipe
    assert "noise floor" in recipe
    words = shlex.split(recipe, comments=True)
    assert {*words[::2]} == {"-S"}
    params = overridden(PROJECT / "params.yaml", words[1::2])
    assert params.train.steps_per_epoch == 2
    # One seed tells nothing apart, so the base is kept; the page says how to run the candidate.
    assert "# No candidate is told apart as better than the base, which is kept. The" in recipe
    assert params.aug.hue == overridden(PROJECT / "params.yaml", []).aug.hue
    page = results(project, "cut")["trials.md"]
    (command,) = re.findall(r"^    dvc exp run (.*)$", page, re.MULTILINE)
    names = {row["variant"] for row in table(project, "cut", "confirmed.csv")}
    (candidate,) = names - {"base"}
    trial = table(project, "cut", "trials.csv")[int(candidate[1:])]
    found = overridden(PROJECT / "params.yaml", shlex.split(command)[1::2])
    assert found.aug.hue == float(trial["aug.hue"])
    assert found.train.steps_per_epoch == 2
    recipe = "$(grep -v '^#' docs/results/cut/recipe.txt)"
    printed = project.run("sh", "-c", f"dvc exp run --temp --name again {recipe} transfer@a")
    assert "Ran experiment(s): again" in printed


@pytest.fixture(scope="module")
def uncut(project, resumed):
    """The same search under another name, until all have had a try; returns what it printed.

    Meanwhile the workspace is worked in.
    """
    printed, params = "", project.folder / "params.yaml"
    before = params.read_text("utf-8")
    with project.started(*command("uncut")) as process:
        for line in process.stdout:
            printed += line
            params.write_text("half a thought", "utf-8")
            if line.startswith("[4/4] rung 1"):
                break
        os.kill(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=120)
    params.write_text(before, "utf-8")
    assert rest == "stopped; the same command resumes\ninterrupted\n"
    assert process.returncode == 128 + signal.SIGINT
    return printed


def test_a_killed_search_tries_and_finds_the_same_as_an_uncut_one(killed, resumed, uncut):
    found = [re.findall(r"^(\[.*rung 1.*); ", each, re.M) for each in (killed + resumed, uncut)]
    assert len(found[0]) == 4
    assert found[0] == found[1]


def test_what_is_not_committed_is_not_searched(project, resumed):
    file = project.folder / "params.yaml"
    before = file.read_text("utf-8")
    file.write_text(before.replace("seed: 0", "seed: 1"), "utf-8")
    printed = project.run(*command("cut"), ok=False)
    file.write_text(before, "utf-8")
    assert printed.startswith("error: params.yaml has uncommitted changes; commit them first")
