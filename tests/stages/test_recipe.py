"""The embedded default itself, and not a miniature of it: it takes minutes."""

import json

import pytest

from ablation.variants import load_ablation, override

pytestmark = pytest.mark.workflow

GAIN = 0.10


@pytest.fixture(scope="module")
def reproduced(default_project):
    default_project.run("dvc", "repro")
    return default_project


def target_miou(project):
    measured = json.loads((project.folder / "metrics/scores/ab.json").read_text("utf-8"))
    return measured["domains"]["target"]["miou"]


def test_the_report_runs_from_its_first_cell_to_its_last(reproduced):
    notebook = json.loads((reproduced.folder / "report/executed.ipynb").read_text("utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output["output_type"] for cell in cells for output in cell["outputs"]}
    assert "display_data" in kinds
    assert "error" not in kinds
    shown = f"{100 * target_miou(reproduced):.1f}"
    for page in ("report/report.html", "report/index.html"):
        assert shown in (reproduced.folder / page).read_text("utf-8")


def test_the_recipe_gains_ten_points_on_a_dusk_that_training_never_saw(reproduced):
    with_recipe = target_miou(reproduced)
    params = reproduced.folder / "params.yaml"
    ablation = reproduced.folder / "experiments/ablation_synthetic.yaml"
    base = load_ablation(ablation, params).runs[0]
    assert base.variant.name == "source_only"
    override(params, base.overrides)
    reproduced.run("dvc", "repro", "evaluate@ab")
    assert with_recipe >= target_miou(reproduced) + GAIN
