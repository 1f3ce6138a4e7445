"""The script of an array job, with a program in DVC's place that notes what it is asked."""

import os
import subprocess

import pytest

from tests.miniature import PROJECT

DVC = """#!/bin/sh
case "$*" in
"cache dir") echo /cache ;;
"cache dir --local"*) touch .dvc/config.local ;;
"exp run"*)
    [ ! -e "$STOPPED" ] || { touch half-done; exit 1; }
    echo "$(git rev-parse HEAD) $(ls half-done 2>/dev/null) $*" >> "$ASKED" ;;
esac
"""


@pytest.fixture
def run(tmp_path):
    """(command) -> what it printed, in a repository with one commit."""
    program = tmp_path / "bin/dvc"
    program.parent.mkdir()
    program.write_text(DVC)
    program.chmod(0o755)
    folder = tmp_path / "project"
    folder.mkdir()
    environment = {
        **os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}",
        "SLURM_ARRAY_TASK_ID": "1", "STOPPED": str(tmp_path / "stopped"),
        "ASKED": str(tmp_path / "asked"), "GIT_CONFIG_GLOBAL": os.devnull,
    }  # fmt: skip

    def ran(*command, ok=True):
        done = subprocess.run(
            command, cwd=folder, env=environment, text=True, check=False, capture_output=True
        )
        assert (done.returncode == 0) == ok, done.stderr
        return done.stdout.strip()

    ran("git", "init", "--quiet")
    ran("git", "config", "user.name", "me")
    ran("git", "config", "user.email", "me@example.org")
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").touch()
    (folder / ".gitignore").write_text("/.dvc/tmp\n")
    ran("git", "add", ".")
    ran("git", "commit", "--quiet", "--message", "first")
    (folder / "lists.d").mkdir()
    (folder / "lists.d/seeds").write_text("-S seed=1\n")
    return ran


SCRIPT = ("bash", str(PROJECT / "experiments/slurm.sh"), "lists.d/seeds")


@pytest.mark.parametrize("change", [None, "commit", "line"])
def test_a_task_resumes_in_its_clone_unless_commit_or_parameters_have_changed(
    run, tmp_path, change
):
    stopped, asked = tmp_path / "stopped", tmp_path / "asked"
    stopped.touch()
    run(*SCRIPT, ok=False)
    stopped.unlink()
    if change == "commit":
        run("git", "commit", "--quiet", "--allow-empty", "--message", "mended")
    if change == "line":
        (tmp_path / "project/lists.d/seeds").write_text("-S seed=2\n")
    run(*SCRIPT)
    head = run("git", "rev-parse", "HEAD")
    found = "" if change else "half-done"
    seed = 2 if change == "line" else 1
    # The file's name has no ending, and that of its folder has a point.
    assert asked.read_text() == f"{head} {found} exp run --name seeds-1 -S seed={seed}\n"
