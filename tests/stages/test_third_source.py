"""A third source, by the real DVC, on a miniature: a few lines of two files, and no code."""

import difflib
import json

import pytest
import yaml
from dvc.repo import Repo

from tests.miniature import write_tiny_set
from tests.stages.graph import ancestors, left_out

pytestmark = pytest.mark.workflow

LINES = {
    "params.yaml": {
        "domains:\n  a: tiny_noon\n  b: tiny_overcast\n": "  c: tiny_morning\n",
        "    by:\n      a: official\n      b: official\n": "      c: official\n",
        "  ab:\n    a: 1\n    b: 1\n": "  abc: {a: 1, b: 1, c: 1}\n",
    },
    "dvc.yaml": {
        "      ab: {first: a, second: b, third: b}\n": (
            "      abc: {first: a, second: b, third: c}\n"
        ),
        "        metrics/curves/ab/plots/metrics/loss.tsv: loss\n": (
            "        metrics/curves/abc/plots/metrics/loss.tsv: loss\n"
        ),
        "        metrics/curves/ab/plots/metrics/val_miou/b.tsv: b\n": (
            "        metrics/curves/abc/plots/metrics/val_miou/a.tsv: a\n"
            "        metrics/curves/abc/plots/metrics/val_miou/b.tsv: b\n"
            "        metrics/curves/abc/plots/metrics/val_miou/c.tsv: c\n"
        ),
    },
}
"""By file, the lines that a third source adds, each under those that it comes after."""


@pytest.fixture(scope="module")
def extended(miniature):
    """The miniature with a third source, and what was added to it."""
    write_tiny_set(miniature.folder, "noon", name="tiny_morning", seed=9)
    added = []
    for name, places in LINES.items():
        file = miniature.folder / name
        before = text = file.read_text("utf-8")
        for place, lines in places.items():
            assert text.count(place) == 1, place
            text = text.replace(place, place + lines)
        file.write_text(text, "utf-8")
        changes = [*difflib.ndiff(before.splitlines(), text.splitlines())]
        assert not [line for line in changes if line.startswith("- ")]
        added += [line for line in changes if line.startswith("+ ")]
    return miniature, added


def test_it_takes_a_dozen_lines_at_most(extended):
    _, added = extended
    assert 0 < len(added) <= 12


def test_no_stage_leaves_it_out(extended):
    project, _ = extended
    params = yaml.safe_load((project.folder / "params.yaml").read_text("utf-8"))
    with Repo(str(project.folder)) as repo:
        assert left_out(repo.index, domains=params["domains"], mixes=params["mixes"]) == []
        for stage in ("summarize", "overview", "report", "page"):
            before = ancestors(repo.index, stage)
            assert {"evaluate@abc", "train@abc", "shard@c", "download@c"} <= before
        assert "shard@c" not in ancestors(repo.index, "train@ab")


def test_repro_trains_and_scores_it_and_every_result_shows_it(extended):
    project, _ = extended
    printed = project.run("dvc", "repro")
    assert "Running stage 'train@abc'" in printed
    summary = json.loads((project.folder / "metrics/summary.json").read_text("utf-8"))
    assert list(summary) == ["a", "b", "ab", "abc"]
    for mix, row in summary.items():
        cells = {domain: cell for domain, cell in row.items() if domain != "gap"}
        assert list(cells) == ["a", "b", "c", "target"], mix
        assert all(0 <= cell["miou"] <= 1 for cell in cells.values())
    page = (project.folder / "report/index.html").read_text("utf-8")
    assert '<span class="role">c</span>' in page
    assert 'data-mix="abc" data-domain="c"' in page
    report = (project.folder / "report/report.html").read_text("utf-8")
    assert "trained on <strong>a</strong>, <strong>b</strong> and <strong>c</strong>" in report
    project.run("dvc", "plots", "show")
    plots = (project.folder / "dvc_plots/index.html").read_text("utf-8")
    assert "abc/plots/metrics/val_miou/c.tsv" in plots
    project.commit("a third source")
    assert project.changed_stages() == set()
