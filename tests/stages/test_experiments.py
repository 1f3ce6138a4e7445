"""Experiments by the real DVC, as the documentation has them: their figures are their own, and a
failed one hides no file from git.

The tests are a story: each goes on where the one before it ended.
"""

import json
import os

import pytest

pytestmark = pytest.mark.workflow
FILES = 300
"""So many take DVC longer to write than the file system's clock takes for a tick."""


def summary(project, revision=None):
    """The summary of a commit, or of the workspace; None if there is none."""
    file = project.folder / "metrics/summary.json"
    if revision is None:
        return json.loads(file.read_text("utf-8")) if file.is_file() else None
    listed = project.run("git", "ls-tree", "--name-only", revision, "metrics/summary.json")
    return (
        json.loads(project.run("git", "show", f"{revision}:{listed.strip()}")) if listed else None
    )


def experiments(project):
    listed = project.run("git", "for-each-ref", "--format=%(objectname)", "refs/exps/*/*/*")
    return listed.split()


@pytest.fixture(scope="module")
def project(miniature):
    folder = miniature.folder / "metrics/other"
    folder.mkdir(parents=True)
    for number in range(FILES):
        (folder / f"{number}.txt").write_text("miou 0.1\n", "utf-8")
    (miniature.folder / "metrics/summary.json").write_text('{"ab": {"gap": 0.9}}\n', "utf-8")
    miniature.commit("figures of an earlier run")
    return miniature


@pytest.mark.parametrize("override", ["aug.brightness=7", "aug.brightnes=0.3"])
def test_git_sees_what_changed_after_an_experiment_that_was_refused(project, override):
    """Refused by a stage, or by DVC itself; the changed files have the size that they had."""
    files = sorted((project.folder / "metrics/other").iterdir())
    for number, file in enumerate(files):
        file.write_text("miou 0.2\n", "utf-8")
        # Git overlooks a file that is written twice in a second; that is not what is tested.
        os.utime(file, (number, number))
    printed = project.run("dvc", "exp", "run", "-S", override, ok=False)
    if "Running stage" not in printed:
        # No stage of ours has looked into the files; this is what the docs tell to do then. Without
        # it git overlooks some of them on a busy machine.
        os.utime(project.folder / ".git/index", (1, 1))
    seen = project.run("git", "status", "--porcelain", "metrics/other").splitlines()
    project.run("git", "checkout", "--quiet", ".")
    assert len(seen) == len(files)
    assert ("Running stage" in printed) == (override == "aug.brightness=7")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("aug.brightnes=0.3", "error: aug.brightnes: unknown key; did you mean 'brightness'?\n"),
        (
            "aug.brightness=7",
            "error: aug.brightness: input should be less than or equal to 1, not 7\n",
        ),
    ],
)
def test_a_checked_experiment_is_refused_before_dvc_changes_anything(project, override, expected):
    before = project.hashes("params.yaml", ".git/HEAD", ".git/refs")
    assert project.run("python", "-m", "ablation.experiment", "-S", override, ok=False) == expected
    assert project.hashes("params.yaml", ".git/HEAD", ".git/refs") == before
    assert project.run("git", "status", "--porcelain") == ""


def test_an_experiment_with_one_mix_has_the_figures_of_that_mix_alone(project):
    project.run(
        "python", "-m", "ablation.experiment", "-S", "evaluate.bootstrap_samples=0", "--mix", "ab"
    )
    found = summary(project)
    scores = json.loads((project.folder / "metrics/scores/ab.json").read_text("utf-8"))
    assert {*found} == {"ab"}
    assert found["ab"]["target"]["miou"] == round(scores["domains"]["target"]["miou"], 4)
    (experiment,) = experiments(project)
    assert summary(project, experiment) == found


@pytest.mark.parametrize("width", [120, 80])
def test_the_table_fits_the_terminal_and_has_the_cells_and_the_changed_parameters(project, width):
    printed = project.run("env", f"COLUMNS={width}", "python", "-m", "ablation.table")
    lines = printed.splitlines()
    assert max(map(len, lines)) <= width
    cells = summary(project)["ab"]
    expected = [f"{100 * cells[domain]['miou']:.1f}" for domain in ("a", "b", "target")]
    head = next(line for line in lines if "ab→a" in line)
    assert head.split()[-3:] == ["ab→a", "ab→b", "ab→target"]
    (workspace,) = (line for line in lines if line.startswith("workspace"))
    assert workspace.split()[-3:] == expected
    assert "  evaluate.bootstrap_samples=0 ~mixes.a.a ~mixes.b.b" in lines


def test_what_ends_before_the_summary_leaves_none_rather_than_an_old_one(project):
    project.run("git", "checkout", "--quiet", "metrics/summary.json")
    assert summary(project) == {"ab": {"gap": 0.9}}
    project.run("dvc", "exp", "run", "-S", "evaluate.calibration_bins=5", "evaluate@ab")
    assert summary(project) is None
    assert [summary(project, each) for each in experiments(project)].count(None) == 1
    project.run("dvc", "repro", "summarize")
    assert {*summary(project)} == {"ab"}
