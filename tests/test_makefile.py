"""The Makefile in a folder that is no git repository, as a downloaded ZIP leaves it; the locks."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from roadshift.environment import GPU_PACKAGES

PROJECT = Path(__file__).parents[1]


@pytest.fixture
def make(tmp_path):
    """(target, ...) -> the finished `make`, in a copy that has no repository around it."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copyfile(PROJECT / name, tmp_path / name)

    def run(*arguments, **variables):
        environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent), **variables}
        return subprocess.run(
            ["make", *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


@pytest.mark.parametrize(
    "target", ["repro", "streets", "push", "pull", "ablation", "search", "experiment", "table"]
)
def test_without_a_repository_it_says_what_to_do_before_the_set_up(make, tmp_path, target):
    done = make(target)
    assert done.returncode == 2
    assert "`git clone`" in done.stderr
    assert "  git init && git add --all && git commit --message roadshift\n" in done.stderr
    assert not (tmp_path / ".venv").exists()
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    assert make("git").returncode == 2  # DVC needs a commit, too
    user = ("-c", "user.name=a", "-c", "user.email=a@b")
    for step in (("add", "--all"), (*user, "commit", "--quiet", "--message", "roadshift")):
        subprocess.run(["git", *step], cwd=tmp_path, check=True)
    assert make("git").returncode == 0


def test_the_set_up_alone_says_it_and_goes_on(make, tmp_path):
    """As in an image of a container, which is made of a copy and gets its repository later."""
    done = make("setup", "PYTHON=echo asked for Python", ROADSHIFT_VENV=str(tmp_path / "v"))
    assert "  git init && git add --all" in done.stderr
    assert "asked for Python -m venv" in done.stdout


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), "dvc exp run $pull $(grep -v '^#' experiments/streets.txt)"),
        (("SEEDS=0 1 2",), "bin/python -m ablation.seeds experiments/streets.txt --seeds 0 1 2"),
    ],
)
def test_streets_is_one_experiment_or_one_for_each_seed(make, given, expected):
    done = make("--dry-run", "streets", *given)
    assert done.returncode == 0
    runs = [line for line in done.stdout.splitlines() if "streets.txt" in line]
    assert len(runs) == 1
    assert runs[0].endswith(expected)


@pytest.mark.parametrize(("given", "expected"), [((), []), (("GPU=1",), ["requirements-gpu.lock"])])
def test_the_set_up_adds_the_libraries_of_gpus_where_it_is_told_to(make, tmp_path, given, expected):
    shutil.copyfile(PROJECT / "requirements-gpu.lock", tmp_path / "requirements-gpu.lock")
    done = make("--dry-run", "setup", *given, ROADSHIFT_VENV=str(tmp_path / "v"))
    assert done.returncode == 0, done.stderr
    installed = re.findall(r"--no-deps --require-hashes -r (\S+)", done.stdout)
    assert installed == ["requirements.lock", *expected]


def locked(name):
    """Returns package, version and marker -> number of hashes, of each package of a lock."""
    found: dict[str, int] = {}
    package = ""
    for line in (PROJECT / name).read_text("utf-8").splitlines():
        if line.startswith("    --hash=sha256:"):
            found[package] += 1
        elif not line.lstrip().startswith("#"):
            package = line.removesuffix(" \\")
            found[package] = 0
    return found


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-gpu.lock"])
def test_a_lock_has_hashes_of_every_package(name):
    assert min(locked(name).values()) > 0


def test_the_lock_for_gpus_adds_nvidia_s_libraries_and_changes_no_version():
    added = locked("requirements-gpu.lock").keys() - locked("requirements.lock").keys()
    names = {line.partition("==")[0] for line in added}
    assert all(re.fullmatch(r"nvidia-\S+-cu12", name) for name in names)
    assert names >= {*GPU_PACKAGES}
