"""What the recipe of params.yaml is for, on the embedded default itself and not on a miniature."""

import json

from stages.variants import load_ablation, override

GAIN = 0.10


def target_miou(project):
    project.run("dvc", "repro", "evaluate@ab")
    return json.loads((project.folder / "metrics/ab.json").read_text())["domains"]["target"]["miou"]


def test_the_recipe_gains_ten_points_on_a_dusk_that_training_never_saw(default_project):
    params = default_project.folder / "params.yaml"
    ablation = default_project.folder / "experiments/ablation_synthetic.yaml"
    with_recipe = target_miou(default_project)
    base = load_ablation(ablation, params).runs[0]
    assert base.name == "source_only"
    override(params, base.overrides)
    assert with_recipe >= target_miou(default_project) + GAIN
