"""The measurement of distillation: what it writes, and that the docs tell what it wrote."""

import json
from pathlib import Path

import pytest

from ablation.distillation import BASE, RESULT, measure
from roadshift.networks.files import load_network, save_network
from roadshift.networks.settings import InferenceSettings
from roadshift.scoring.numbers import percent, points

PROJECT = Path(__file__).parents[2]
NAMES = ("one mix by all seeds", "all mixes of a seed")


@pytest.fixture
def project(tmp_path, monkeypatch, block_shards):
    """A project whose target has shards."""
    monkeypatch.chdir(tmp_path)
    shards = block_shards("blocks", {"train": range(3), "val": [3], "test": range(4, 8)})
    for part in ("trainval", "test"):
        folder = tmp_path / "data/shards" / part
        folder.mkdir(parents=True)
        (folder / "target").symlink_to(shards.folder)
    return tmp_path


@pytest.fixture
def seeds(project, colour_network):
    """Two folders with the networks of a seed; 'ab' knows the colours better than 'a'."""
    folders = []
    for seed in range(2):
        for mix, factor in (("a", 0.6), ("ab", 1 + 0.1 * seed)):
            network = load_network(colour_network)
            classifier = network.get_layer("classifier")
            kernel, bias = classifier.get_weights()
            classifier.set_weights([kernel, factor * bias])
            place = project / f"seed{seed}/{mix}.keras"
            place.parent.mkdir(exist_ok=True)
            save_network(network, place, InferenceSettings())
        folders.append(project / f"seed{seed}")
    return folders


def test_it_compares_networks_ensembles_and_students_over_the_seeds(project, seeds):
    measure(seeds, "ab", 2)
    found = json.loads((project / RESULT).read_text("utf-8"))
    assert (found["images"], found["scored"], found["steps"]) == (3, 4, 2)
    rows = {row["variant"]: row for row in found["rows"]}
    kinds = [f"{kind}: {name}" for name in NAMES for kind in ("ensemble", "student")]
    assert [*rows] == [BASE, "one network, views averaged", *kinds]
    number = {name: len(row["by_seed"]) for name, row in rows.items()}
    # All seeds together are one ensemble.
    assert number.pop("ensemble: one mix by all seeds") == 1
    assert {*number.values()} == {2}
    assert rows[BASE]["difference"] is None
    for name, row in rows.items():
        assert row["miou"] == pytest.approx(sum(row["by_seed"]) / len(row["by_seed"]), abs=2e-6)
        assert (row["use"] == "unsupervised") == name.startswith("student")
        assert 0.3 < row["miou"] <= 1
    mine = rows["student: all mixes of a seed"]
    assert mine["difference"] == pytest.approx(mine["miou"] - rows[BASE]["miou"], abs=2e-6)
    before = (project / RESULT).read_bytes()
    measure(seeds, "ab", 2)
    assert (project / RESULT).read_bytes() == before


def gains(rows):
    """Returns the gain of each variant over one network, in points, as the docs write it."""
    return {
        name: f"{points(row['difference'])} points ({points(row['low'])} to {points(row['high'])})"
        for name, row in rows.items()
        if name != BASE
    }


def test_the_docs_tell_what_was_measured():
    found = json.loads((PROJECT / RESULT).read_text("utf-8"))
    page = " ".join((PROJECT / "docs/start/no-labels.md").read_text("utf-8").split())
    rows = {row["variant"]: row for row in found["rows"]}
    shown = gains(rows)
    assert f"{len(rows[BASE]['by_seed'])} seeds, {found['images']} images" in page
    assert f"scored on {found['scored']} others" in page
    assert f"has an mIoU of {percent(rows[BASE]['miou'])} %" in page
    students = [shown[f"student: {name}"] for name in NAMES]
    assert f"adds {students[0]} taught by the networks of all seeds" in page
    assert f"{students[1]} by those of all mixes of its seed" in page
    ensembles = [shown[f"ensemble: {name}"] for name in NAMES]
    assert f"the ensembles themselves add {ensembles[0]} and {ensembles[1]}" in page
    assert f"its views alone {shown['one network, views averaged']}" in page
    students = [rows[f"student: {name}"]["by_seed"] for name in NAMES]
    assert "Each student scores above the network that it began as" in page
    assert all(
        student > own
        for each in students
        for student, own in zip(each, rows[BASE]["by_seed"], strict=True)
    )
    verdicts = {rows[f"student: {name}"]["verdict"] for name in NAMES}
    assert ("no student can be told apart" in page) == (verdicts == {"not told apart"})


def test_the_docs_tell_what_was_measured_on_real_streets():
    file = PROJECT / "docs/results/distillation-kitti/result.json"
    found = json.loads(file.read_text("utf-8"))
    page = " ".join((PROJECT / "docs/start/no-labels.md").read_text("utf-8").split())
    rows = {row["variant"]: row for row in found["rows"]}
    shown = gains(rows)
    name = NAMES[0]
    assert len(rows[BASE]["by_seed"]) == 3
    assert f"an mIoU of {percent(rows[BASE]['miou'])} % on {found['scored']} test images" in page
    student = shown[f"student: {name}"]
    images = f"{found['images']} images of KITTI's train split without labels"
    assert f"taught by the networks of all seeds on {images}, add {student}" in page
    assert f"The ensemble itself adds {shown[f'ensemble: {name}']} there" in page
    assert rows[f"student: {name}"]["verdict"] == "not told apart"
    # It is the network of the adaptation's table, and so are the test images.
    runs = [PROJECT / f"docs/results/adaptation/source_only-s{seed}.json" for seed in range(3)]
    told = [json.loads(run.read_text("utf-8"))["domains"]["target"]["miou"] for run in runs]
    assert told == pytest.approx(rows[BASE]["by_seed"], abs=1e-4)
