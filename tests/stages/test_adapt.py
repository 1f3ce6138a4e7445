"""What trainings see of the target, on the miniature: a story, too."""

import csv
import json

import pytest
import yaml

from roadshift.datasets.samples import read_manifest
from roadshift.errors import RoadshiftError
from roadshift.records.reader import open_shards
from roadshift.records.writer import write_shards
from roadshift.taxonomy import load_taxonomy
from stages.adapt import main
from stages.params import load_params

pytestmark = pytest.mark.workflow

BOTH = {"labelled": {"choice": "random", "samples": 2, "weight": 1, "target_only": False}}
SELF_TRAINING = {
    "weight": 1.0, "batch_size": 2, "threshold": 0.1, "teacher_ema_decay": 0.9,
    "warmup_epochs": 0.5,
}  # fmt: skip
STAGE = "Running stage '{}'"


@pytest.fixture(scope="module")
def plain(miniature):
    miniature.run("dvc", "repro", "evaluate@ab", "transfer@ab")
    return miniature


def load(project, name):
    return json.loads((project.folder / name).read_text("utf-8"))


def manifest(project):
    with (project.folder / "data/shards/adapt/manifest.csv").open(encoding="utf-8") as source:
        return [(row["id"], row["use"]) for row in csv.DictReader(source)]


def splits_of_target(project):
    samples = read_manifest(project.folder / "data/remapped/target/manifest.csv")
    return {
        split: {s.id for s in samples if s.split == split} for split in ("train", "val", "test")
    }


def test_another_target_reruns_no_training_where_nothing_is_adapted(plain):
    assert manifest(plain) == []
    assert load(plain, "metrics/scores/ab.json")["target_images"] == {}
    domains = yaml.safe_load((plain.folder / "params.yaml").read_text("utf-8"))["domains"]
    plain.set_params(domains={"target": "tiny_noon"})
    printed = plain.run("dvc", "repro", "evaluate@ab", "transfer@ab")
    plain.set_params(domains=domains)
    assert STAGE.format("adapt") in printed
    assert STAGE.format("hash_shards@target") in printed
    for stage in ("train@ab", "transfer@ab"):
        assert STAGE.format(stage) not in printed
    assert STAGE.format("evaluate@ab") in printed


@pytest.fixture(scope="module")
def adapted(plain):
    plain.set_params(adapt={**BOTH, "self_training": SELF_TRAINING})
    plain.run("dvc", "repro", "evaluate@ab")
    return plain


def test_what_training_saw_is_listed_and_none_of_it_is_scored(adapted):
    splits = splits_of_target(adapted)
    listed = manifest(adapted)
    few = {name for name, use in listed if use == "labelled"}
    many = {name for name, use in listed if use == "unlabelled"}
    assert len(few) == 2
    assert few < many == splits["train"]
    assert {*load(adapted, "models/trained/ab/history.json")["target_images"]["labelled"]} == few
    scored = load(adapted, "metrics/scores/ab.json")
    assert scored["target_images"] == {"labelled": 2, "unlabelled": len(many)}
    assert scored["domains"]["target"]["images"] == len(splits["test"])


def test_another_seed_draws_other_images_of_the_same_split(adapted):
    def drawn(seed):
        adapted.set_params(seed=seed)
        adapted.run("dvc", "repro", "adapt")
        return {name for name, use in manifest(adapted) if use == "labelled"}

    splits = splits_of_target(adapted)
    draws = [frozenset(drawn(seed)) for seed in (1, 2, 3, 0)]
    assert all(draw < splits["train"] and len(draw) == 2 for draw in draws)
    assert len({*draws}) > 1
    assert splits_of_target(adapted) == splits


def test_a_smaller_weight_reruns_the_trainings_and_no_data(adapted):
    weight = {**SELF_TRAINING, "weight": 0.5}
    adapted.set_params(adapt={**BOTH, "self_training": weight})
    printed = adapted.run("dvc", "repro", "--dry", "evaluate@ab")
    assert STAGE.format("train@ab") in printed
    assert STAGE.format("shard@target") not in printed
    adapted.set_params(adapt={**BOTH, "self_training": SELF_TRAINING})


def test_images_that_training_saw_are_not_scored_whatever_the_history_says(adapted):
    file = adapted.folder / "models/trained/ab/history.json"
    before = file.read_text("utf-8")
    content = json.loads(before)
    tested = min(splits_of_target(adapted)["test"])
    content["target_images"]["labelled"].append(tested)
    file.unlink()  # it may be a link into DVC's cache
    file.write_text(json.dumps(content), "utf-8")
    printed = adapted.run("python", "-m", "stages.evaluate", "ab", ok=False)
    (line,) = [line for line in printed.splitlines() if line.startswith("error")]
    assert f"training was given image '{tested}' of the target (labelled)" in line
    assert "Traceback" not in printed
    file.write_text(before[:100], "utf-8")
    printed = adapted.run("python", "-m", "stages.evaluate", "ab", ok=False)
    assert "history.json: does not say which target images training was given" in printed
    assert "Traceback" not in printed
    file.write_text(before, "utf-8")


def test_the_oracle_is_trained_on_all_of_the_targets_labels_and_nothing_else(adapted):
    alone = {"choice": "random", "samples": "all", "weight": 1, "target_only": True}
    off = {**SELF_TRAINING, "weight": 0.0}
    adapted.set_params(adapt={"labelled": alone, "self_training": off})
    adapted.run("dvc", "repro", "evaluate@ab", "calibrate@ab")
    history = load(adapted, "models/trained/ab/history.json")
    assert {*history["target_images"]["labelled"]} == splits_of_target(adapted)["train"]
    profile = load(adapted, "models/calibration/ab.json")
    assert profile["sources"] == ["tiny_dusk"]
    assert {cell["role"] for cell in profile["cells"]} == {"a", "b"}
    assert {role for epoch in history["epochs"] for role in epoch["val_miou"]} == {"target"}


@pytest.fixture
def untrained(tmp_path, toy_samples, monkeypatch):
    """A project whose target has no train split."""
    samples = toy_samples(tmp_path, {"test": 2})
    folder = tmp_path / "data/shards/trainval/target"
    folder.mkdir(parents=True)
    write_shards(
        samples,
        ("train", "val"),
        images=tmp_path / "images",
        labels=tmp_path / "labels",
        taxonomy=load_taxonomy("driving11"),
        dataset="toys",
        shard_megabytes=1,
        folder=folder,
    )
    assert open_shards(folder).count("train") == 0
    params = load_params()
    monkeypatch.chdir(tmp_path)
    return params


def test_a_target_without_a_train_split_says_what_to_do(untrained, tmp_path):
    adapt = untrained.adapt
    few = adapt.labelled.model_copy(update={"samples": 3})
    params = untrained.model_copy(update={"adapt": adapt.model_copy(update={"labelled": few})})
    with pytest.raises(RoadshiftError, match=r"'toys', has no train split by 'official'.*=random"):
        main(params)
    assert not (tmp_path / "data/shards/adapt").exists()
    main(untrained)
    assert (tmp_path / "data/shards/adapt/manifest.csv").read_text() == "id,use\n"
