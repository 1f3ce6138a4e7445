"""A source whose classes straddle the taxonomy's, by the real DVC, on a miniature: a story."""

import csv
import json
from collections import Counter

import numpy as np
import pytest
import yaml

from roadshift.records.reader import examples, open_shards
from roadshift.taxonomy import load_taxonomy
from tests.miniature import write_tiny_set
from tests.stages.test_third_source import add_roles

pytestmark = pytest.mark.workflow

TAXONOMY = load_taxonomy("driving11")
COARSE = {
    "building": "far_object", "vegetation": "far_object", "car": "vehicle", "truck": "vehicle",
    "bus": "vehicle", "bicycle": "vehicle", "motorcycle": "vehicle",
}  # fmt: skip
"""By universal name of the synthetic sets, the coarse name that the third source has instead."""
FAR, VEHICLE = "building or vegetation", "vehicle or two_wheeler"
JOINED = {"building + vegetation", "vehicle + two_wheeler"}
SCORED_AS = {
    name: next((each for each in JOINED if name in each.split(" + ")), name)
    for name in TAXONOMY.class_names
}
"""By class, the class that it is scored as in the third source."""
STAGE = "Running stage '{}'"


def write_coarse_set(folder):
    """Adds the card `tiny_coarse`, whose encoding has fewer names than the other tiny sets'."""
    encodings = folder / "roadshift/datasets/encodings"
    table = yaml.safe_load((encodings / "synthetic.yaml").read_text("utf-8"))
    table["values"] = [[*colour, COARSE.get(name, name)] for *colour, name in table["values"]]
    (encodings / "coarse.yaml").write_text(yaml.safe_dump(table, sort_keys=False), "utf-8")
    write_tiny_set(folder, "noon", name="tiny_coarse", seed=9, encoding="coarse")


@pytest.fixture(scope="module")
def exact(miniature):
    """The miniature with its labels remapped, sharded and learnt from; all of them exact."""
    miniature.run("dvc", "repro", "train@a")
    return miniature


@pytest.fixture(scope="module")
def accepted(exact):
    """What DVC runs where partial labels are accepted, and no set has any."""
    exact.set_params(data={"partial_labels": True})
    return exact.run("dvc", "repro", "train@a")


def test_exact_labels_stay_the_same_bytes_where_partial_ones_are_accepted(accepted):
    assert STAGE.format("remap@a") in accepted
    assert STAGE.format("shard@a") not in accepted
    assert STAGE.format("train@a") not in accepted


@pytest.fixture(scope="module")
def extended(exact, accepted):
    """The miniature with a third source, which is coarse, and what is printed while it is off."""
    write_coarse_set(exact.folder)
    add_roles(exact, {"c": "tiny_coarse"}, {"abc": {"a": 1, "b": 1, "c": 1}})
    exact.set_params(data={"partial_labels": False})
    refused = exact.run("dvc", "repro", ok=False)
    exact.set_params(
        data={"partial_labels": True},
        aug={"classmix": 0.5, "cutmix": 0.5, "random_erasing": 0.3, "random_scale": 0.5},
        train={"rare_class_temperature": 0.1, "dice_weight": 0.3, "lovasz_weight": 0.3},
    )
    return exact, refused


def test_it_is_refused_where_partial_labels_are_off_and_the_message_names_the_key(extended):
    _, refused = extended
    assert "domains.c: tiny_coarse: labels too coarse for the taxonomy 'driving11'" in refused
    assert "'far_object' straddles building and vegetation" in refused
    assert "or set data.partial_labels=true" in refused


@pytest.fixture(scope="module")
def reproduced(extended):
    project, _ = extended
    printed = project.run("dvc", "repro")
    assert STAGE.format("train@abc") in printed
    return project, printed


def load(project, name):
    return json.loads((project.folder / name).read_text("utf-8"))


def test_its_shards_and_its_audit_name_the_partial_labels(reproduced):
    project, _ = reproduced
    for part, split in (("trainval", "train"), ("test", "test")):
        shards = open_shards(project.folder / "data/shards" / part / "c")
        assert {each.name for each in shards.partial_labels} == {FAR, VEHICLE}
        assert open_shards(project.folder / "data/shards" / part / "a").partial_labels == ()
        seen = {int(value) for e in examples(shards, split) for value in set(e.label.ravel())}
        assert {13, 15} <= seen
        assert not seen & {TAXONOMY.id_of("building"), TAXONOMY.id_of("car")}
    with (project.folder / "metrics/audit/c.csv").open(encoding="utf-8", newline="") as source:
        rows = {(row["class"], row["universal"]) for row in csv.DictReader(source)}
    assert {(FAR, "far_object"), (VEHICLE, "vehicle")} <= rows


def test_it_is_scored_on_joined_classes_and_says_so_and_others_are_not(reproduced):
    project, printed = reproduced
    pixels: Counter[str] = Counter()
    shards = open_shards(project.folder / "data/shards/test/c")
    names = dict(enumerate(TAXONOMY.class_names)) | {p.id: p.name for p in shards.partial_labels}
    for example in examples(shards, "test"):
        for label_id, number in zip(*np.unique(example.label, return_counts=True), strict=True):
            if label_id in names:
                first = names[label_id].split(" or ")[0]
                pixels[SCORED_AS[first]] += number
    for mix in ("a", "b", "ab", "abc"):
        domains = load(project, f"metrics/scores/{mix}.json")["domains"]
        assert domains["c"]["joined"].keys() == JOINED
        assert domains["c"]["iou"]["building"] is None
        exact = {name for name, group in SCORED_AS.items() if name == group}
        assert {*domains["c"]["classes_absent"]} == (exact | JOINED) - {*pixels}
        ious = domains["c"]["iou"] | domains["c"]["joined"]
        assert {name for name, iou in ious.items() if iou is not None} == {*pixels}
        mean = sum(ious[name] for name in pixels) / len(pixels)
        assert domains["c"]["miou"] == pytest.approx(mean, abs=1e-4)
        kept = np.load(project.folder / f"models/scores/{mix}.npz", allow_pickle=False)
        # Joined, no labelled pixel is left out; they stand in the row of the first class.
        rows = {TAXONOMY.class_names[k]: n for k, n in enumerate(kept["c/matrices"].sum((0, 2)))}
        assert {SCORED_AS[name]: n for name, n in rows.items() if n} == pixels
        assert "joined" not in domains["a"]
        assert "joined" not in domains["target"]
    assert "joined classes (building + vegetation; vehicle + two_wheeler)" in printed
    page = (project.folder / "report/index.html").read_text("utf-8")
    assert "joined classes</span>" in page
    assert "building + vegetation; vehicle + two_wheeler" in page
    rows = (project.folder / "metrics/confusion/abc.csv").read_text("utf-8")
    assert "c,building + vegetation,building + vegetation," in rows
    assert "c,building," not in rows


def test_every_result_shows_it(reproduced):
    project, _ = reproduced
    report = (project.folder / "report/report.html").read_text("utf-8")
    assert FAR in report
    project.run("python", "-m", "roadshift", "browse", "c", "--out", "sheet.png")
    assert (project.folder / "sheet.png").is_file()
    project.remove("sheet.png")


def test_a_forced_training_gives_the_same_bytes(reproduced):
    project, _ = reproduced
    before = project.hashes("models/trained/abc")
    project.run("dvc", "repro", "--force", "--single-item", "train@abc")
    assert project.hashes("models/trained/abc") == before
