"""The state that DVC's fault leaves, made by hand: docs/explanation/dvc-index-report.md."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.git_index import look_into_files

SECOND = 1_500_000_000


def git(*arguments):
    done = subprocess.run(["git", *arguments], check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def overlooked(tmp_path, monkeypatch):
    """A file that was changed in the second in which the index took note of it."""
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    # The time of the last change of an inode cannot be set; that of the content can.
    git("config", "core.trustctime", "false")
    file = Path("figures.txt")
    for text in ("miou 0.1\n", "miou 0.2\n"):
        file.write_text(text, "utf-8")
        os.utime(file, (SECOND, SECOND))
        if text == "miou 0.1\n":
            git("add", "figures.txt")
            git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "one")
    assert git("status", "--porcelain") == ""
    return file


def test_git_sees_a_file_that_it_overlooked(overlooked):
    look_into_files()
    assert git("status", "--porcelain") == " M figures.txt\n"
    # DVC writes the index once more when its experiment has failed.
    Path("other.txt").write_text("new\n", "utf-8")
    git("add", "other.txt")
    assert git("status", "--porcelain") == " M figures.txt\nA  other.txt\n"


def test_what_is_staged_stays_staged(overlooked):
    Path("other.txt").write_text("new\n", "utf-8")
    git("add", "other.txt")
    look_into_files()
    assert git("status", "--porcelain") == " M figures.txt\nA  other.txt\n"


def test_it_needs_no_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    look_into_files()
    monkeypatch.setenv("PATH", "")
    look_into_files()


@pytest.mark.parametrize("experiment", [True, False])
def test_a_stage_of_an_experiment_lets_git_look(overlooked, experiment):
    """Any stage, here one that is refused since there is no params.yaml."""
    project = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": project, "DVC_EXP_NAME": "calm-sea"}
    if not experiment:
        del environment["DVC_EXP_NAME"]
    command = [sys.executable, "-m", "stages.validate_params"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "params.yaml: missing" in done.stderr
    assert git("status", "--porcelain").startswith(" M figures.txt") == experiment
