"""The report, by the real DVC, on a miniature of the project."""

import csv
import json
import os
import re
from collections import Counter

import nbformat
import pytest
import yaml

from roadshift.report.ablations import kept_tables, seeds_of
from roadshift.report.conclusions import drop_sentence
from roadshift.scoring.results import MixScores
from roadshift.scoring.verdicts import SEEDS_FOR_A_VERDICT
from tests.page_text import sentences_of

pytestmark = pytest.mark.workflow

EXECUTED, REPORT = "report/executed.ipynb", "report/report.html"
SCREEN = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def reported(miniature):
    """The miniature with images and crops of the default's size, so that its report has it, too."""
    worlds = miniature.folder / "roadshift/synthetic/worlds"
    for name in ("noon", "overcast", "dusk"):
        full = yaml.safe_load((worlds / f"{name}.yaml").read_text("utf-8"))
        tiny = worlds / f"tiny_{name}.yaml"
        content = yaml.safe_load(tiny.read_text("utf-8"))
        content |= {"width": full["width"], "height": full["height"]}
        tiny.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    miniature.set_params(train={"crop_height": 128, "crop_width": 192, "batch_size": 8})
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


def test_the_summary_comes_first_and_has_the_table(reported):
    page = (reported.folder / REPORT).read_text("utf-8")
    heads = re.findall(r"<h2[^>]*>([^<]+)", page)
    assert heads[:2] == ["Summary", "1 The task and its background"]
    summary = page[page.index(">Summary<") : page.index(">1 The task and its background<")]
    for words in ("Asked:", "What was compared.", "What was chosen on what.", "trained on</th>"):
        assert words in summary
    for name in kept_ablations(reported):
        assert f"make ablation FILE=experiments/{name}.yaml" in summary


def kept_ablations(project):
    """The names of the ablations whose tables docs/results keeps."""
    names = [table.parent.name for table in (project.folder / "docs/results").glob("*/table.csv")]
    assert names
    return names


def test_no_sentence_comes_twice(reported):
    sentences = sentences_of((reported.folder / REPORT).read_text("utf-8"))
    assert len(sentences) > 150
    assert [each for each, number in Counter(sentences).items() if number > 1] == []


def test_nothing_is_called_better_or_worse_by_fewer_than_three_seeds(reported):
    """The networks here have one seed; the ablations in docs/results may have more."""
    for kept in kept_tables(reported.folder / "docs/results"):
        judged = [row for row in kept.rows if row["verdict"] in ("better", "worse")]
        assert [row for row in judged if seeds_of(row) < SEEDS_FOR_A_VERDICT] == []
    cells = [out.data for cell in code_cells(reported) for out in cell.outputs]
    texts = [data.get(kind, "") for data in cells for kind in ("text/markdown", "text/html")]
    of_ablations = ("in points of mIoU against `", "in every column</summary>")
    text = "\n".join(each for each in texts if not any(words in each for words in of_ablations))
    assert "scores **" in text
    asked = re.compile(r"^### .*$", re.M)  # a question of an ablation may have the word
    assert re.findall(r"\b(?:better|worse)\b", asked.sub("", text)) == []


def test_ablations_are_charts_and_their_tables_are_folded_away(reported):
    page = (reported.folder / REPORT).read_text("utf-8")
    for name in kept_ablations(reported):
        chart = page.index(f'alt="{name}: differences to ')
        table = page.index(f"variants of {name} in every column</summary>")
        assert chart < table < page.index("</details>", table)
        assert page[:table].endswith(f"<summary>all {page[:table].split('all ')[-1]}")
        rows = page[table : page.index("</details>", table)].split("<tr>")[2:]
        effects = [effect(row) for row in rows[1:]]
        assert effects == sorted(effects, reverse=True), name
        kept = reported.folder / f"docs/results/{name}/table.csv"
        with kept.open(encoding="utf-8") as source:
            judged = {
                row["variant"]
                for row in csv.DictReader(source)
                if row["verdict"] in ("better", "worse")
            }
        for row in rows:
            variant = re.findall('<th scope="row"[^>]*>([^<]+)', row)[0]
            assert ('style="background:' in row) == (variant in judged), variant


def effect(row):
    """The first difference in a row of a table, which is that on the target."""
    return float(re.findall(r"<small>([+−][\d.]+)", row)[0].replace("−", "-"))


def test_it_is_under_25_screens_and_5_megabytes_and_nothing_in_it_is_cut_off(reported, browser):
    file = reported.folder / REPORT
    assert file.stat().st_size < 5e6
    context = browser.new_context(viewport=SCREEN)
    try:
        page = context.new_page()
        page.goto(file.as_uri())
        height = page.evaluate("document.documentElement.scrollHeight")
        assert height / SCREEN["height"] < 25
        wide = "[...document.querySelectorAll('figure, figcaption, img, .panels')]"
        assert page.evaluate(f"{wide}.filter(e => e.scrollWidth > e.clientWidth + 1).length") == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= SCREEN["width"]
    finally:
        context.close()


def test_its_images_are_no_larger_than_they_are_shown(reported, browser):
    context = browser.new_context(viewport=SCREEN)
    try:
        page = context.new_page()
        page.goto((reported.folder / REPORT).as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
        sizes = page.evaluate("[...document.images].map(e => [e.naturalWidth, e.clientWidth])")
    finally:
        context.close()
    assert len(sizes) > 100
    assert all(natural <= 1.6 * shown for natural, shown in sizes)


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
cast,target,0,0.25,0.05,0.01,0.09,one run,0.1
fog,target,0 1 2,0.24,0.04,0.01,0.07,better,0.1
"""
CHOSEN = """variant,domain,seeds,miou,difference,low,high,verdict,minutes
plain,held out,0 1 2,0.2,,,,,0.1
hue,held out,0 1 2,0.17,-0.03,-0.05,-0.01,worse,0.1
"""
BLUE, ORANGE = "#c7e0ee", "#f6dcc7"
"""The colours of a cell that is better, and of one that is worse."""


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
    for kind, rows in (("table", TRIED), ("transfer", CHOSEN)):
        (tried / f"{kind}.csv").write_text(rows, "utf-8")
        (tried / f"{kind}.md").write_text(f"# what helps by {kind}?\n", "utf-8")

    reported.run("dvc", "repro", "--single-item", "report")
    text = said(reported)
    assert after in text
    assert before not in text
    assert "**Stale figures**: ab on target" in text
    assert "with adabn" in text
    assert "### What helps by transfer? (`tried`, by images that may choose)" in text
    assert "### What helps by table? (`tried`, by test images, a final look)" in text
    assert (
        "Ablation `tried` (`make ablation FILE=experiments/tried.yaml`), by test images, a final "
        "look: on target, in points of mIoU against `plain`, **better**: `fog` (+4.0, 3 seeds); "
        "without a verdict, by fewer than 3 seeds: 1 of 2."
    ) in text
    assert (
        "by images that may choose: on held out, in points of mIoU against `plain`, **worse**: "
        "`hue` (−3.0, 3 seeds)."
    ) in text
    page = (reported.folder / REPORT).read_text("utf-8")
    assert "target, adabn (transductive)" in page
    rows = page[page.index("variants of tried in every column</summary>") :].split("<tr>")
    colours = {}
    for name in ("cast", "fog", "hue"):
        row = next(row for row in rows if f">{name}<" in row)
        colours[name] = {colour for colour in (BLUE, ORANGE) if colour in row}
    assert colours == {"cast": set(), "fog": {BLUE}, "hue": {ORANGE}}


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
