"""The notebook in git: clean, valid, and alike whoever saved it."""

import ast
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

PROJECT = Path(__file__).parents[2]
NOTEBOOK = nbformat.read(PROJECT / "report/report.ipynb", as_version=4)
CODE = [cell for cell in NOTEBOOK.cells if cell.cell_type == "code"]


def test_it_has_no_outputs_and_no_counts():
    assert [cell.id for cell in CODE if cell.outputs or cell.execution_count] == []
    assert all(not cell.metadata for cell in NOTEBOOK.cells)


def test_it_is_valid_and_its_cells_have_names():
    nbformat.validate(NOTEBOOK)
    ids = [cell.id for cell in NOTEBOOK.cells]
    assert len(set(ids)) == len(ids)
    assert all(name.replace("-", "").isalpha() for name in ids)


def test_no_figure_is_typed_in_its_text():
    text = " ".join(c.source for c in NOTEBOOK.cells if c.cell_type == "markdown")
    assert "%" not in text.replace("100 %", "")
    assert "mIoU of" not in text


def test_it_reads_no_file_but_by_the_stages_paths():
    for cell in CODE:
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not node.value.startswith(("metrics/", "models/", "data/", "docs/")), cell.id


def test_what_may_choose_a_recipe_is_of_no_test_image():
    cells = {cell.id: cell.source for cell in NOTEBOOK.cells}
    assert "test images, which choose nothing" in cells["held-out-intro"]
    names = {node.id for node in ast.walk(ast.parse(cells["held-out"])) if hasattr(node, "id")}
    assert "transfer" in names
    assert not names & {"measured", "scores", "matrices"}


@pytest.mark.parametrize("folder", [".", "report"])
def test_it_finds_the_project_from_where_jupyter_runs(folder):
    done = subprocess.run(
        [sys.executable, "-c", f"{CODE[0].source}\nprint(ROOT == Path.cwd(), ROOT)"],
        cwd=PROJECT / folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.split() == ["True", str(PROJECT)]
