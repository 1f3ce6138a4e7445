import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from roadshift.scoring.tables import markdown_table

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text("utf-8")
PAGES = [PROJECT / "README.md", PROJECT / "docs/results.md"]
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)
RESULTS = PROJECT / "docs/results"


def scores(folder):
    files = {mix: folder / f"{mix}.json" for mix in ("a", "b", "ab")}
    there = {mix: file for mix, file in files.items() if file.is_file()}
    return {m: json.loads(f.read_text("utf-8"))["domains"] for m, f in there.items()}


# A folder of an ablation holds other tables than a workflow's.
WORKFLOWS = sorted({p.parent for m in ("a", "b", "ab") for p in RESULTS.glob(f"*/{m}.json")})


@pytest.mark.parametrize("folder", [p.name for p in WORKFLOWS])
def test_the_tables_are_what_the_pipeline_measured(folder):
    assert markdown_table(scores(RESULTS / folder)) in TEXT


def test_no_other_table_gives_intervals():
    tables = "".join(markdown_table(scores(folder)) for folder in WORKFLOWS)
    cells = re.findall(r"\| \d+\.\d \(\d+\.\d to \d+\.\d\)", TEXT)
    assert cells
    assert all(cell in tables for cell in cells)


def test_rows_of_the_ablation_are_quoted_as_they_are():
    table = (RESULTS / "ablation/table.md").read_text("utf-8")
    quoted = re.search(r"<!-- ablation: .*-->\n\n((?:\|.*\n)+)", README)
    assert quoted
    head, _, *rows = quoted[1].splitlines()
    assert len(rows) == 2
    assert {head, *rows} <= {*table.splitlines()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text("utf-8"))
    assert targets
    assert [t for t in targets if not (page.parent / t).exists()] == []


def test_the_commands_name_make_targets_that_exist():
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    for target in re.findall(r"^ *make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_params_named_in_the_readme_exist():
    params = (PROJECT / "params.yaml").read_text("utf-8")
    for section, key in re.findall(r"\b(aug|reg|train|model|data)\.(\w+)=", TEXT):
        assert re.search(rf"^{section}:(?:\n .*)*\n  {key}:", params, re.MULTILINE), (section, key)


def test_the_example_experiment_changes_something():
    params = yaml.safe_load((PROJECT / "params.yaml").read_text("utf-8"))
    value = re.search(r"dvc exp run -S aug\.brightness=([\d.]+)", README)
    assert value
    assert float(value[1]) != params["aug"]["brightness"]


def test_no_data_set_or_model_is_committed():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=PROJECT, check=True, capture_output=True, text=True
    ).stdout.split()
    allowed = {"docs/overlay.png", "docs/overview.png", "docs/page.png"}
    heavy = {".png", ".jpg", ".keras", ".npz", ".h5", ".zip"}
    assert {f for f in listed if Path(f).suffix in heavy} <= allowed
    assert not [f for f in listed if "tfrecord" in f]
