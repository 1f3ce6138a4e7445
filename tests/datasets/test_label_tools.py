"""Exports of label tools, from the tool's own folder to labels in a taxonomy."""

import numpy as np
import pytest
from PIL import Image

from roadshift.checking.whole_set import check_set
from roadshift.datasets.card import load_card
from roadshift.datasets.detection import card_of_folder
from roadshift.datasets.remap import remap_set
from roadshift.datasets.samples import read_manifest
from roadshift.datasets.splits import SplitConfig
from roadshift.download.local_folder import copy_set
from roadshift.errors import RoadshiftError
from roadshift.taxonomy import load_taxonomy
from tests.datasets.label_tools import (
    UNIVERSAL,
    cvat,
    cvat_coco,
    cvat_coco_flat,
    drawn,
    label_studio,
    labelme_voc,
    older_labelme_voc,
    roboflow,
    roboflow_coco,
    save,
)

TAXONOMY = load_taxonomy("driving11")
IDS = np.array([TAXONOMY.id_of(name) for name in UNIVERSAL])


EXPORTS = {
    "cvat": ("cvat", cvat, "labelmap.txt"),
    "roboflow": ("roboflow", roboflow, "train/_classes.csv"),
    "labelme_voc": ("labelme_voc", labelme_voc, "class_names.txt"),
    "older labelme_voc": ("labelme_voc", older_labelme_voc, "class_names.txt"),
    "cvat_coco": ("cvat_coco", cvat_coco, "annotations/instances_default.json"),
    "cvat_coco_flat": ("cvat_coco_flat", cvat_coco_flat, "annotations/instances_default.json"),
    "roboflow_coco": ("roboflow_coco", roboflow_coco, "train/_annotations.coco.json"),
    "label_studio": ("label_studio", label_studio, "result.json"),
}


@pytest.fixture(params=EXPORTS)
def export(request, tmp_path):
    """The card, the folder and the table of an export, and the ids of its ten images."""
    name, write, table = EXPORTS[request.param]
    ids = write(tmp_path / "export")
    return load_card(name), tmp_path / "export", table, ids


def split_config(by):
    return SplitConfig(by=by, seed=0, val=0.1, test=0.3)


def remapped(card, folder, tmp_path, by="official"):
    """The manifest and the labels of an export that went through download and remap."""
    raw, out = tmp_path / "raw", tmp_path / "out"
    for each in (raw, out):
        each.mkdir()
    copy_set(card, folder, raw)
    remap_set(
        card,
        raw=raw,
        taxonomy=TAXONOMY,
        split_config=split_config(by),
        folder=out,
        audit_file=tmp_path / "audit.csv",
        processes=1,
    )
    samples = read_manifest(out / "manifest.csv")
    return samples, {s.id: np.asarray(Image.open(out / s.label)) for s in samples}


def test_an_export_is_read_from_its_own_folder(export, tmp_path):
    card, folder, _, ids = export
    samples, labels = remapped(card, folder, tmp_path)
    assert sorted(labels) == sorted(ids)
    for number, name in enumerate(ids):
        assert (labels[name] == IDS[drawn(number)]).all()
    splits = [sample.split for sample in samples]
    assert [splits.count(split) for split in ("train", "val", "test")] == [6, 1, 3]


def test_the_tool_is_told_by_its_files(export):
    card, folder, _, _ = export
    assert card_of_folder(folder).name == card.name


def test_a_folder_without_a_tools_layout_is_of_the_card_folder(tmp_path):
    (tmp_path / "labelmap.txt").write_text("road:1,2,3::\n", "utf-8")
    assert card_of_folder(tmp_path).name == "folder"
    assert card_of_folder(tmp_path / "none").name == "folder"


def test_nothing_is_wrong_with_it(export):
    card, folder, _, _ = export
    config = split_config("official")
    report = check_set(card, folder, split_config=config, processes=1)
    assert (report.images, list(report.findings)) == (10, [])


def test_all_unknown_names_are_told_at_once(export):
    card, folder, table, _ = export
    for file in folder.rglob(table.rpartition("/")[2]):
        text = file.read_text("utf-8")
        file.write_text(text.replace("road", "pothole").replace("Tree", "drone"), "utf-8")
    with pytest.raises(RoadshiftError) as caught:
        card.table_in(folder)
    first, second = str(caught.value).splitlines()
    assert table.rpartition("/")[2] in first
    assert "'pothole' is not a universal name" in first
    assert "put what it means into names.yaml, as 'pothole: road'" in first
    assert "'drone' is not a universal name" in second


def test_names_yaml_says_what_a_label_means(export, tmp_path):
    card, folder, table, ids = export
    for file in folder.rglob(table.rpartition("/")[2]):
        file.write_text(file.read_text("utf-8").replace("road", "pothole"), "utf-8")
    (folder / "names.yaml").write_text("pothole: road\n", "utf-8")
    assert "names.yaml" in card.table_files(folder)
    _, labels = remapped(card, folder, tmp_path)
    assert all((labels[name] == IDS[drawn(n)]).all() for n, name in enumerate(ids))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pothole: rode\n", "names.yaml: pothole: 'rode' is not a universal name"),
        ("[road]\n", "names.yaml: expected lines 'label: universal name'"),
        ("a: [\n", "names.yaml: not YAML"),
    ],
)
def test_names_yaml_is_checked(export, text, message):
    card, folder, _, _ = export
    (folder / "names.yaml").write_text(text, "utf-8")
    with pytest.raises(RoadshiftError) as caught:
        card.table_in(folder)
    assert message in str(caught.value)


def test_an_export_without_its_table_is_refused(export):
    card, folder, table, _ = export
    for file in folder.rglob(table.rpartition("/")[2]):
        file.unlink()
    with pytest.raises(RoadshiftError, match="says what the labels' values mean"):
        card.table_in(folder)


def test_a_line_of_another_form_is_named(export):
    card, folder, table, _ = export
    if table == "class_names.txt":
        (folder / table).write_text("\n", "utf-8")
        expected = "it is empty"
    else:
        (folder / table).write_text("road\n", "utf-8")
        expected = "not JSON" if table.endswith(".json") else "line 1: expected"
    with pytest.raises(RoadshiftError, match=expected):
        card.table_in(folder)


def test_images_that_nobody_has_labelled_are_left_out(tmp_path, capsys):
    cvat(tmp_path / "export")
    (tmp_path / "export/SegmentationClass/frame_000003.png").unlink()
    _, labels = remapped(load_card("cvat"), tmp_path / "export", tmp_path)
    assert len(labels) == 9
    assert "cvat: left out 1 images that have no label" in capsys.readouterr().out


def test_the_subsets_of_a_project(tmp_path):
    cvat(tmp_path / "export")
    samples, _ = remapped(load_card("cvat"), tmp_path / "export", tmp_path, by="subsets")
    assert {s.id[-1]: s.split for s in samples} == {
        **dict.fromkeys("012345", "train"),
        "6": "val",
        **dict.fromkeys("789", "test"),
    }


def test_splits_with_different_tables_are_refused(tmp_path):
    roboflow(tmp_path / "export")
    file = tmp_path / "export/valid/_classes.csv"
    text = file.read_text("utf-8")
    file.write_text(text.replace("1, road", "1, sky"), "utf-8")
    with pytest.raises(RoadshiftError, match=r"valid/_classes\.csv: differs from test/_classes"):
        load_card("roboflow").table_in(tmp_path / "export")


def test_what_labelme_is_told_to_ignore_is_unlabelled(tmp_path):
    labelme_voc(tmp_path / "export")
    file = tmp_path / "export/SegmentationClass/2011_000000.png"
    label = drawn(0)
    label[0] = 255
    save(file, label, "P")
    _, labels = remapped(load_card("labelme_voc"), tmp_path / "export", tmp_path)
    assert (labels["2011_000000"][0] == 255).all()
