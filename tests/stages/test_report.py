"""The report, by the real DVC, on a miniature of the project."""

import json
import os
import re

import nbformat
import pytest

from roadshift.report.conclusions import drop_sentence
from roadshift.scoring.results import MixScores

pytestmark = pytest.mark.workflow

EXECUTED, REPORT = "report/executed.ipynb", "report/report.html"


@pytest.fixture(scope="module")
def reported(miniature):
    miniature.run("dvc", "repro", "report")
    miniature.commit("results")
    return miniature


def code_cells(project):
    notebook = nbformat.read(project.folder / EXECUTED, as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def said(project):
    """All that is Markdown in the results."""
    outputs = (out for cell in code_cells(project) for out in cell.outputs)
    return "\n".join(out.data.get("text/markdown", "") for out in outputs if "data" in out)


def sentence(project, mix, own):
    scores = MixScores.load(project.folder / f"metrics/scores/{mix}.json")
    return drop_sentence(scores.domains, own, "target", 0.95)


def test_every_cell_ran_and_none_failed(reported):
    cells = code_cells(reported)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {out.output_type for cell in cells for out in cell.outputs}
    assert kinds == {"display_data"}


def test_it_says_what_the_metrics_say(reported):
    text = said(reported)
    for mix, own in {"a": ["a"], "b": ["b"], "ab": ["a", "b"]}.items():
        assert sentence(reported, mix, own) in text
    assert "agree with the metrics files" in text
    assert "**differs from**" not in text
    assert "**does not agree**" not in text
    assert "**do not agree**" not in text


def test_the_page_asks_for_nothing_and_its_images_have_words(reported):
    page = (reported.folder / REPORT).read_text("utf-8")
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="?(?:https?:)?//', page.replace('<a href="http', ""))
    assert page.count("<img") == page.count('alt="') > 15
    assert "<h2" in page
    assert page.count("<table") > 10


def test_the_links_of_its_contents_lead_somewhere(reported):
    page = (reported.folder / REPORT).read_text("utf-8")
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert len(targets) > 9
    assert targets <= set(re.findall(r'id="([^"]+)"', page))


def test_the_same_again_gives_the_same_bytes_and_a_clean_tree(reported):
    before = (reported.folder / "dvc.lock").read_text("utf-8")
    reported.run("dvc", "repro", "--force", "--single-item", "report")
    assert (reported.folder / "dvc.lock").read_text("utf-8") == before
    assert reported.run("git", "status", "--porcelain") == ""


TRIED = """variant,domain,seeds,miou,difference,low,high,verdict,minutes
plain,target,0,0.2,,,,,0.1
cast,target,0,0.25,0.05,0.01,0.09,better,0.1
"""


def test_changed_metrics_adaptation_and_ablations_change_what_it_says(reported):
    assert "Switched off in this run." in said(reported)
    assert "Ablation `tried`" not in said(reported)
    reported.set_params(adapt={"adabn": True})
    reported.run("dvc", "repro", "evaluate")
    before = sentence(reported, "ab", ["a", "b"])
    file = reported.folder / "metrics/scores/ab.json"
    content = json.loads(file.read_text("utf-8"))
    target = content["domains"]["target"]
    target.update({key: target[key] + 0.05 for key in ("miou", "miou_low", "miou_high")})
    file.write_text(json.dumps(content), "utf-8")
    after = sentence(reported, "ab", ["a", "b"])
    assert after != before
    tried = reported.folder / "docs/results/tried"
    tried.mkdir(parents=True)
    (tried / "table.csv").write_text(TRIED, "utf-8")
    (tried / "table.md").write_text("# what helps?\n", "utf-8")

    reported.run("dvc", "repro", "--single-item", "report")
    text = said(reported)
    assert after in text
    assert before not in text
    assert "**Stale figures**: ab on target" in text
    assert "with adabn" in text
    assert "### what helps?" in text
    assert (
        "Ablation `tried`: On the target, in points of mIoU against `plain`, better: `cast`" in text
    )
    assert "target, adabn (transductive)" in (reported.folder / REPORT).read_text("utf-8")


def test_a_cell_that_fails_is_one_line_and_leaves_nothing(reported):
    file = reported.folder / "metrics/scores/b.json"
    kept = file.read_text("utf-8")
    page = (reported.folder / REPORT).read_bytes()
    files = sorted(os.listdir(reported.folder / "report"))
    file.write_text("{", "utf-8")
    printed = reported.run("python", "-m", "stages.report", ok=False)
    file.write_text(kept, "utf-8")
    assert re.search(
        r"^error: report/report\.ipynb, code cell 3 of \d+: metrics/scores/b\.json: not the scores "
        r"of a mix",
        printed,
        re.M,
    )
    assert "Traceback" not in printed
    assert (reported.folder / REPORT).read_bytes() == page
    assert sorted(os.listdir(reported.folder / "report")) == files
