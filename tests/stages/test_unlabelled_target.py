"""A target without labels, from its folder to the report, on a miniature of the project."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.stages.test_params import load, refusal  # noqa: F401 - a fixture

pytestmark = pytest.mark.workflow


def test_a_source_needs_labels(load):  # noqa: F811
    message = refusal(load, {"domains.b": "unlabelled"})
    assert message.startswith("domains.b: unlabelled has no labels, which a source needs")


def test_few_labels_of_an_unlabelled_target_are_refused(load):  # noqa: F811
    changes = {"domains.target": "unlabelled", "adapt.labelled.samples": 5}
    message = refusal(load, changes)
    assert "adapt.labelled.samples is 5, but the target, unlabelled, has no labels" in message


def test_a_choice_needs_a_network_that_can_tell(load):  # noqa: F811
    changes = {"model.encoder": "unet", "model.weights": "none", "model.frozen_batch_norm": False,
               "model.frozen_stages": 0}  # fmt: skip
    message = refusal(load, {**changes, "adapt.labelled.choice": "typical"})
    assert message.startswith("adapt.labelled.choice is typical, but model.weights none")
    message = refusal(load, {"adapt.labelled.choice": "uncertain"})
    assert message.startswith("adapt.labelled.choice is uncertain, but model.weights imagenet")
    assert load({"adapt.labelled.choice": "typical"}).adapt.labelled.choice == "typical"


def test_an_unlabelled_target_is_adapted_to_and_has_no_score(miniature):
    """Self-training takes its train split, and AdaBN its test split."""
    generator = np.random.default_rng(0)
    for number in range(10):
        file = miniature.folder / f"data/own/images/{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        image = generator.integers(0, 256, (40, 64, 3)).astype(np.uint8)
        Image.fromarray(image).save(file)
    file = miniature.folder / "params.yaml"
    content = yaml.safe_load(file.read_text("utf-8")) | {"mixes": {"a": {"a": 1}}}
    file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    miniature.set_params(
        domains={"target": "unlabelled"},
        adapt={"self_training": {"weight": 1.0, "batch_size": 2, "threshold": 0.1,
                                 "teacher_ema_decay": 0.9, "warmup_epochs": 1.0}, "adabn": True},
    )  # fmt: skip
    printed = miniature.run("dvc", "repro")
    assert "target, unlabelled: 7 images of its train split" in printed
    found = json.loads((miniature.folder / "metrics/scores/a.json").read_text("utf-8"))
    assert found["target_images"] == {"unlabelled": 7}
    target = found["domains"]["target"]
    assert (target["images"], target["miou"], target["pixel_accuracy"]) == (3, None, None)
    assert found["domains"]["a"]["miou"] is not None
    assert target["adapted"]["adabn"]["miou"] is None
    expected = json.loads((miniature.folder / "metrics/expected/a.json").read_text("utf-8"))
    target = expected["domains"]["target"]
    assert (target["miou"], target["pixel_accuracy"]) == (None, None)
    assert 0 <= target["expected"]["pixel_accuracy"] <= 1
    record = json.loads((miniature.folder / "models/a.estimate.json").read_text("utf-8"))
    assert [(cell["mix"], cell["role"]) for cell in record["cells"]] == [("a", "b")]
    done = miniature.run(
        "python", "-m", "roadshift", "estimate", "models/a.keras", "data/own", "--json"
    )
    assert '"images": 10' in done


def test_typical_images_are_set_aside_for_labelled_training(default_project):
    """By the encoder's ImageNet features; other than those drawn at random."""
    default_project.set_params(adapt={"labelled": {
        "choice": "typical", "samples": 5, "weight": 1, "target_only": False}})  # fmt: skip
    default_project.run("dvc", "repro", "adapt")
    rows = (default_project.folder / "data/shards/adapt/manifest.csv").read_text("utf-8")
    typical = {line.split(",")[0] for line in rows.splitlines()[1:]}
    assert len(typical) == 5
    default_project.set_params(adapt={"labelled": {
        "choice": "random", "samples": 5, "weight": 1, "target_only": False}})  # fmt: skip
    default_project.run("dvc", "repro", "adapt")
    rows = (default_project.folder / "data/shards/adapt/manifest.csv").read_text("utf-8")
    assert {line.split(",")[0] for line in rows.splitlines()[1:]} != typical
