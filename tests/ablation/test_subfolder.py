"""An ablation in a project that is a folder of a larger git repository."""

import json
import shutil
import sys

import pytest
import yaml

from tests.miniature import Miniature, make_miniature

pytestmark = pytest.mark.workflow
PLACE = "ml/road"
ONE = {
    "question": "does it run here?",
    "mix": "a",
    "base": "plain",
    "variants": [{"name": "plain", "question": "one run", "overrides": ["train.epochs=1"]}],
}
COMMAND = (sys.executable, "-m", "ablation", "experiments/one.yaml")


@pytest.fixture(scope="module")
def project(tmp_path_factory, shared_cache):
    repository = Miniature(tmp_path_factory.mktemp("mono"))
    project = make_miniature(repository.folder / PLACE, shared_cache)
    shutil.rmtree(project.folder / ".git")
    file = project.folder / "experiments/one.yaml"
    file.write_text(yaml.safe_dump(ONE, sort_keys=False), "utf-8")
    (repository.folder / "other.txt").write_text("another project\n", "utf-8")
    repository.run("git", "init", "--quiet", "--initial-branch", "main")
    repository.run("git", "config", "user.name", "tester")
    repository.run("git", "config", "user.email", "tester@example.org")
    repository.commit("two projects")
    return project


def test_what_is_not_committed_is_named_as_the_user_sees_it(project):
    file = project.folder / "params.yaml"
    before = file.read_text("utf-8")
    file.write_text(before.replace("seed: 0", "seed: 1"), "utf-8")
    printed = project.run(*COMMAND, ok=False)
    file.write_text(before, "utf-8")
    assert printed.startswith("error: params.yaml has uncommitted changes; commit them first")


def test_it_runs_and_saves_its_experiment_in_the_repository(project):
    printed = project.run(*COMMAND)
    assert "[1/1] plain: mIoU a→a val 0." in printed
    assert (project.folder / "docs/results/one/transfer.md").is_file()
    assert not (project.folder / ".dvc/tmp/ablation/project").exists()
    listed = project.run("git", "for-each-ref", "--format=%(refname)", "refs/exps/*/*/one-plain")
    assert len(listed.splitlines()) == 1
    shown = json.loads(project.run("dvc", "exp", "show", "--json"))
    assert [each["name"] for each in shown[1]["experiments"]] == ["one-plain"]
    changed = project.run("git", "status", "--porcelain", "--", ":/", ":!docs/results/one")
    assert changed == ""


def test_a_second_time_nothing_runs(project):
    assert "[1/1] plain: as before, mIoU" in project.run(*COMMAND)
