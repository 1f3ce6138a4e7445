"""A data set of one's own, by the documentation's own files and commands, on a miniature of the
project. The tests are a story: each goes on where the one before it ended."""

import csv
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

pytestmark = pytest.mark.workflow

PROJECT = Path(__file__).parents[2]
SECTION = (PROJECT / "docs/how-to/own-data.md").read_text("utf-8")
TABLE, CARD = re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)


def save(file, array):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(file)


def fill(folder, number):
    """Images of two drives; label n has n + 1 pixels of road, 3 of person, the rest sky."""
    for n in range(number):
        drive = "monday" if n % 2 else "tuesday"
        label = np.full((8, 10), 2)
        label.flat[: n + 1], label.flat[-3:] = 1, 3
        save(folder / f"images/{drive}/{n:03}.jpg", np.full((8, 10, 3), 10 * n))
        save(folder / f"labels/{drive}/{n:03}.png", label)


def shards(project, role):
    """Split, id and label of every example in a role's shards, read back with TFDS."""
    code = (
        "import sys, tensorflow_datasets as tfds\n"
        "for part in ('trainval', 'test'):\n"
        "    builder = tfds.builder_from_directory(f'data/shards/{part}/{sys.argv[1]}')\n"
        "    for split in builder.info.splits:\n"
        "        for x in tfds.as_numpy(builder.as_dataset(split=split)):\n"
        "            print('SHARD', split, x['id'].decode(), *x['label'].ravel())\n"
    )
    lines = project.run("python", "-c", code, role).splitlines()
    rows = [line.split()[1:] for line in lines if line.startswith("SHARD")]
    return {row[1]: (row[0], [int(value) for value in row[2:]]) for row in rows}


def check_labels(found, number, sky, person):
    assert len(found) == number
    for name, (_, label) in found.items():
        road = int(name[-3:]) + 1
        assert [label.count(c) for c in (0, sky, person)] == [road, 77 - road, 3]


def test_a_new_set_is_the_card_of_the_documentation(miniature, tmp_path, monkeypatch):
    (miniature.folder / "roadshift/datasets/cards/mine.yaml").write_text(CARD, "utf-8")
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        for n in range(10):
            label = np.full((8, 10), 23)
            label.flat[: n + 1], label.flat[-3:] = 7, 24
            save(tmp_path / "i.jpg", np.full((8, 10, 3), 10 * n))
            save(tmp_path / "l.png", label)
            archive.write(tmp_path / "i.jpg", f"images/{n:03}.jpg")
            archive.write(tmp_path / "l.png", f"labels/{n:03}.png")
    monkeypatch.setenv("ROADSHIFT_MIRROR", str(tmp_path))
    miniature.set_params(domains={"target": "mine"})
    printed = miniature.run("dvc", "repro", "shard@target")
    assert "@a" not in printed
    found = shards(miniature, "target")
    # sky and person in driving11
    check_labels(found, 10, 7, 8)
    splits = [split for split, _ in found.values()]
    assert [splits.count(s) for s in ("train", "val", "test")] == [6, 1, 3]
    with (miniature.folder / "metrics/audit/target.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    pixels = {"road": 0, "sky": 0, "person": 0}
    for row in rows:
        if row["pixels"] != "0":
            pixels[row["universal"]] += int(row["pixels"])
    assert pixels == {"road": 55, "sky": 770 - 55, "person": 30}


def test_a_folder_of_ones_own(miniature):
    own = miniature.folder / "data/own"
    miniature.set_params(domains={"target": "folder"})
    printed = miniature.run("dvc", "repro", "shard@target", ok=False)
    assert "error: folder: there is no folder 'data/own'" in printed
    assert "Traceback" not in printed
    fill(own, 10)
    (own / "encoding.yaml").write_text(f"{TABLE}  - [2, sky]\n  - [3, person]\n", "utf-8")
    miniature.run("dvc", "repro", "shard@target")
    check_labels(shards(miniature, "target"), 10, 7, 8)
    assert "data/own" not in miniature.run("git", "status", "--porcelain", "--untracked-files=all")


def test_all_of_it_as_test(miniature):
    part_target_by(miniature, "all_test")
    printed = miniature.run("dvc", "repro", "remap@target")
    assert "Running stage 'remap@target'" in printed
    assert "Running stage 'download@" not in printed
    assert {row["split"] for row in manifest(miniature)} == {"test"}


def test_two_drives_cannot_be_parted_into_three_splits(miniature):
    part_target_by(miniature, "group")
    printed = miniature.run("dvc", "repro", "remap@target", ok=False)
    assert "error: folder, split 'group': 2 groups (drives, cities) are too few" in printed


def test_changed_files_are_taken_by_the_next_run(miniature):
    part_target_by(miniature, "official")
    fill(miniature.folder / "data/own", 12)
    miniature.run("dvc", "repro", "remap@target")
    assert len(manifest(miniature)) == 12


def test_an_image_replaced_by_one_of_the_same_size_is_taken(miniature):
    own, raw = (miniature.folder / place for place in ("data/own", "data/raw/target"))
    files = [own / f"images/tuesday/{name}.jpg" for name in ("000", "002")]
    first, second = (file.read_bytes() for file in files)
    assert len(first) == len(second)
    files[0].write_bytes(second)
    printed = miniature.run("dvc", "repro", "download@target")
    assert "Running stage 'download@target'" in printed
    assert (raw / "images/tuesday/000.jpg").read_bytes() == second


def test_what_was_copied_is_kept_where_the_folder_is_not(miniature):
    """As on another machine, which has the results from DVC's cache."""
    own, away = (miniature.folder / place for place in ("data/own", "data/away"))
    own.rename(away)
    printed = miniature.run("dvc", "repro", "remap@target")
    assert "folder: not on this machine; what was made from it before is kept" in printed
    assert "Running stage 'download@target'" not in printed
    away.rename(own)
    printed = miniature.run("dvc", "repro", "remap@target")
    assert "Running stage 'download@target'" not in printed


def test_a_card_outside_the_package_is_followed_by_its_content(miniature, tmp_path, monkeypatch):
    monkeypatch.setenv("ROADSHIFT_MIRROR", str(tmp_path))
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        for n in range(10):
            save(tmp_path / "i.jpg", np.full((8, 10, 3), 10 * n))
            save(tmp_path / "l.png", np.full((8, 10), 7))
            archive.write(tmp_path / "i.jpg", f"images/{n:03}.jpg")
            archive.write(tmp_path / "l.png", f"labels/{n:03}.png")
    card = miniature.folder / "cards/outside.yaml"
    card.parent.mkdir()
    card.write_text(CARD, "utf-8")
    miniature.set_params(domains={"target": "cards/outside.yaml"})
    part_target_by(miniature, "official")
    miniature.run("dvc", "repro", "shard@target")
    assert len(shards(miniature, "target")) == 10
    assert [*(miniature.folder / "data/shards/test/target").glob("outside-test.tfrecord*")]

    def runs(old, new):
        card.write_text(CARD.replace(old, new), "utf-8")
        printed = miniature.run("dvc", "repro", "remap@target")
        return re.findall("Running stage '(.*)@target'", printed)

    assert runs("title: my camera", "title: another") == []
    assert runs("train: 0.6, val: 0.1", "train: 0.5, val: 0.2") == ["remap"]
    assert runs("unpacked_megabytes: 500", "unpacked_megabytes: 600")[:1] == ["download"]


def test_a_set_too_coarse_is_refused_before_any_download(miniature):
    miniature.set_params(domains={"b": "idd_lite"})
    printed = miniature.run("dvc", "repro", "shard@b", ok=False)
    assert "error: params.yaml: domains.b: idd_lite: labels too coarse for the taxonomy" in printed
    assert "(binary, driving7)" in printed
    assert "Running stage 'download@b'" not in printed
    assert "Traceback" not in printed


def manifest(project):
    with (project.folder / "data/remapped/target/manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def part_target_by(project, name):
    split = yaml.safe_load((project.folder / "params.yaml").read_text("utf-8"))["data"]["split"]
    split["by"]["target"] = name
    project.set_params(data={"split": split})
