"""Three real sources, of which one is too coarse for the taxonomy, from archives to the page.

DVC runs the whole workflow on a few images of each archive.
"""

import csv
import hashlib
import json
import shutil
import zipfile

import pytest
import yaml

from roadshift.taxonomy import load_taxonomy
from tests.miniature import copy_project
from tests.page_text import sentences_of

pytestmark = pytest.mark.workflow

SETS = {"a": "camvid", "b": "kitti", "c": "idd_lite", "target": "bdd100k"}
MIXES = {"c": {"c": 1}, "abc": {"a": 2, "b": 1, "c": 1}}
ARCHIVES = {
    "camvid.zip": {"CamVid/train/": 40, "CamVid/val/": 5, "CamVid/test/": 15},
    "data_semantics.zip": {"image_2/": 3},
    "idd-lite.zip": {"leftImg8bit/train/": 50, "leftImg8bit/val/": 30},
    "10k_images_train.zip": {},
    "10k_images_val.zip": {},
    "bdd100k_sem_seg_labels_trainval.zip": {},
}
"""By archive, n for each folder of images of which every n-th is kept; none for all images."""
LABELS = {
    "CamVid/train/": "CamVid/trainannot/",
    "CamVid/val/": "CamVid/valannot/",
    "CamVid/test/": "CamVid/testannot/",
    "image_2/": "semantic_rgb/",
    "leftImg8bit/": "gtFine/",
    "_image.jpg": "_label.png",
}
"""What differs between the path of an image and that of its label."""
SETTINGS = {
    "data": {"partial_labels": True, "max_height": 96},
    "model": {"encoder": "unet", "weights": "none", "base_filters": 4},
    "aug": {"classmix": 0.5},
    "train": {
        "epochs": 2, "steps_per_epoch": 3, "batch_size": 4, "crop_height": 64, "crop_width": 96,
        "learning_rate": 0.01, "warmup_epochs": 0.5, "rare_class_temperature": 0.1,
        "dice_weight": 0.3, "lovasz_weight": 0.3,
    },
    "evaluate": {"bootstrap_samples": 20},
}  # fmt: skip
PARTIAL = {
    "sidewalk or vegetation",
    "sidewalk or fence or pole or traffic_sign",
    "building or vegetation",
    "person or two_wheeler",
    "vehicle or two_wheeler",
}
JOINED = {
    "sidewalk + building + fence + pole + traffic_sign + vegetation",
    "person + vehicle + two_wheeler",
}


def few_images(archive, keep, target):
    """Copies every n-th image of some folders of an archive, with its label, to another one."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(target, "w") as sink:
        names = source.namelist()
        kept = []
        for place, step in keep.items():
            images = sorted(n for n in names if place in n and not n.endswith("/"))[::step]
            for image in images:
                label = image
                for of_image, of_label in LABELS.items():
                    label = label.replace(of_image, of_label)
                kept += [image, label]
        for name in kept:
            sink.writestr(name, source.read(name))


@pytest.fixture(scope="module")
def project(mirror, tmp_path_factory):
    """A project that has run all stages."""
    near = tmp_path_factory.mktemp("mirror")
    sums = []
    for name, keep in ARCHIVES.items():
        if keep:
            few_images(mirror / name, keep, near / name)
        else:
            shutil.copyfile(mirror / name, near / name)
        sums.append(f"{hashlib.sha256((near / name).read_bytes()).hexdigest()}  {name}\n")
    (near / "SHA256SUMS").write_text("".join(sums), "utf-8")
    project = copy_project(tmp_path_factory.mktemp("real"), tmp_path_factory.mktemp("cache"))
    file = project.folder / "params.yaml"
    params = yaml.safe_load(file.read_text("utf-8"))
    params |= {"domains": SETS, "mixes": MIXES}
    params["data"]["split"]["by"] = dict.fromkeys(SETS, "official")
    file.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    project.set_params(**SETTINGS)
    project.commit("real")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROADSHIFT_MIRROR", str(near))
        project.run("dvc", "repro")
    return project


def load(project, name):
    return json.loads((project.folder / name).read_text("utf-8"))


def classes_of(project, role):
    """The classes in a role's audit that have pixels and are not ignored."""
    with (project.folder / f"metrics/audit/{role}.csv").open(encoding="utf-8") as source:
        rows = [row for row in csv.DictReader(source) if int(row["pixels"])]
    return {row["class"] for row in rows if not row["class"].startswith("ignored: ")}


def test_the_audit_names_the_partial_labels_of_the_coarse_set_alone(project):
    assert classes_of(project, "c") == {"road", "sky", *PARTIAL}
    for role in ("a", "b", "target"):
        assert classes_of(project, role) <= {*load_taxonomy("driving11").class_names}


def test_the_epoch_is_selected_on_all_three_sources(project):
    history = load(project, "models/trained/abc/history.json")
    assert history["selected"]["val_miou"].keys() == {"a", "b", "c"}
    assert all(epoch["loss"] > 0 for epoch in history["epochs"])


def test_the_coarse_set_is_scored_on_joined_classes_and_the_others_are_not(project):
    domains = load(project, "metrics/scores/abc.json")["domains"]
    assert domains["c"]["joined"].keys() == JOINED
    known = {name for name, iou in domains["c"]["iou"].items() if iou is not None}
    assert known == {"road", "sky"}
    assert domains["c"]["classes_scored"] == 4
    for role in ("a", "b", "target"):
        assert "joined" not in domains[role]
    summary = load(project, "metrics/summary.json")["abc"]
    assert summary["c"]["miou"] == domains["c"]["miou"]
    mean = (domains["a"]["miou"] + domains["b"]["miou"]) / 2
    assert summary["gap"] == pytest.approx(mean - domains["target"]["miou"], abs=2e-4)
    # The other network's own domain is not scored on the classes of the target.
    assert load(project, "metrics/summary.json")["c"]["gap"] is None


def test_the_page_and_the_report_say_so(project):
    page = (project.folder / "report/index.html").read_text("utf-8")
    assert "joined classes</span>" in page
    joined = "; ".join(sorted(JOINED, reverse=True))
    assert any(joined in sentence for sentence in sentences_of(page))
    report = (project.folder / "report/report.html").read_text("utf-8")
    assert "joined classes" in report
    assert "since its own domains are scored on other joined classes" in report
    assert all(name in report for name in PARTIAL)


def test_the_command_scores_the_set_as_the_workflow_does(project):
    command = ("evaluate", "models/abc.keras", "data/raw/c", "--card", "idd_lite")
    accepted = f"python -m roadshift {' '.join(command)} --partial-labels"
    project.run("bash", "-c", f"{accepted} --json > scores.json")
    found, stored = (
        load(project, "scores.json"),
        load(project, "metrics/scores/abc.json")["domains"]["c"],
    )
    assert {*found["partial_labels"]} == PARTIAL
    for key in ("images", "miou", "iou", "joined", "classes_scored", "pixel_accuracy"):
        assert found[key] == stored[key], key
