import zipfile

import numpy as np
import pytest
from pydantic import ValidationError

from roadshift.datasets.card import load_card
from roadshift.datasets.layout import Layout
from roadshift.datasets.samples import find_samples
from roadshift.datasets.split_lists import read_split_lists
from roadshift.datasets.splits import SplitConfig, Splits, SplitScheme
from roadshift.download.local_folder import copy_set
from roadshift.errors import RoadshiftError

CONFIG = SplitConfig(by="official", seed=0, val=0.1, test=0.3)
IMAGES = {
    "0001TP_1": "images/0001TP_1.png",
    "0001TP_2": "images/0001TP_2.png",
    "day/3": "images/day/3.jpg",
    "night/3": "images/night/3.jpg",
    "a b": "images/a b.png",
}


def read(folder, **texts):
    lists = {}
    for split, text in texts.items():
        lists[split] = f"{split}.txt"
        (folder / lists[split]).write_bytes(text.encode("utf-8-sig"))
    return read_split_lists(lists, folder, IMAGES)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0001TP_1", "0001TP_1"),
        ("0001TP_1.png", "0001TP_1"),
        ("images/0001TP_1.png", "0001TP_1"),
        ("/SegNet/CamVid/images/0001TP_1.png /SegNet/CamVid/labels/0001TP_1.png", "0001TP_1"),
        ("images/0001TP_1.jpg\tlabels/0001TP_1.png", "0001TP_1"),
        ("images/0001TP_1.png,labels/0001TP_1.png,7", "0001TP_1"),
        ("images\\0001TP_1.png", "0001TP_1"),
        ("day/3", "day/3"),
        ("night/3.jpg", "night/3"),
        ("./images/night/3.jpg", "night/3"),
        ("a b", "a b"),
        ("images/a b.png", "a b"),
    ],
)
def test_a_line_names_an_image_by_its_id_or_by_the_end_of_its_path(tmp_path, line, expected):
    assert read(tmp_path, train=f"{line}\r\n\n") == {expected: "train"}


def test_a_name_that_two_images_share_names_none(tmp_path, capsys):
    assert read(tmp_path, train="day/3\n3.jpg\n") == {"day/3": "train"}
    said = capsys.readouterr().out
    assert said == f"{tmp_path}/train.txt: 1 of 2 images are not there, first line 2: '3.jpg'\n"


def test_an_image_twice_in_one_list_is_in_it(tmp_path):
    assert read(tmp_path, val="0001TP_1\n0001TP_1\n") == {"0001TP_1": "val"}


def refuse(match, folder, **texts):
    with pytest.raises(RoadshiftError, match=match) as caught:
        read(folder, **texts)
    return str(caught.value).split("\n")[1:]


def test_an_image_in_two_lists_is_refused(tmp_path):
    further = refuse(
        r"test\.txt, line 2: '0001TP_1' is in 'train\.txt' too; correct one of the lists",
        tmp_path, train="0001TP_1\na b\n", test="day/3\n0001TP_1.png\na b\n",
    )  # fmt: skip
    assert further == [f"{tmp_path}/test.txt, line 3: 'a b' is in 'train.txt' too"]


@pytest.mark.parametrize(
    ("text", "found"), [("", "it is empty"), ("0009\nx\n", "line 1: '0009'"), ("\x1b", "x1b")]
)
def test_a_list_without_an_image_of_the_set_is_refused(tmp_path, text, found):
    refuse(
        rf"val\.txt: names no image of the set \(.*{found}.*\); expected an id", tmp_path, val=text
    )


def test_a_list_that_is_missing_or_no_text_is_refused(tmp_path):
    with pytest.raises(RoadshiftError, match=r"t\.txt: missing; put the publisher's list"):
        read_split_lists({"train": "t.txt"}, tmp_path, IMAGES)
    (tmp_path / "t.txt").write_bytes(b"\x89PNG\xff")
    with pytest.raises(RoadshiftError, match=r"t\.txt: not a list of images in UTF-8"):
        read_split_lists({"train": "t.txt"}, tmp_path, IMAGES)


CARD = load_card("folder").model_copy(
    update={"splits": Splits(lists={"train": "lists/train.txt", "test": "lists/test.txt"})}
)


@pytest.fixture
def own(tmp_path, save_image):
    folder = tmp_path / "own"
    for name in ("day/1", "day/2", "night/1", "night/2", "night/3"):
        save_image(folder / f"images/{name}.png", np.zeros((2, 3, 3)))
        save_image(folder / f"labels/{name}.png", np.ones((2, 3)))
    (folder / "encoding.yaml").write_text("kind: grey\nsource: me\nvalues:\n  - [1, road]\n")
    (folder / "lists").mkdir()
    (folder / "lists/train.txt").write_text("images/day/1.png\nimages/day/2.png\n")
    (folder / "lists/test.txt").write_text("night/1\nnight/2\n")
    return folder


def test_a_set_is_split_by_its_lists_and_what_is_in_none_is_left_out_and_counted(own, capsys):
    found = {sample.id: sample.split for sample in find_samples(CARD, own, CONFIG)}
    assert found == {"day/1": "train", "day/2": "train", "night/1": "test", "night/2": "test"}
    said = capsys.readouterr().out
    assert "folder: left out 1 images that are in no list of a split\n" in said


def test_a_share_of_the_listed_train_images_can_be_val(own):
    splits = Splits(lists=CARD.splits.lists, val_share=0.5)
    card = CARD.model_copy(update={"splits": splits})
    assert sorted(s.split for s in find_samples(card, own, CONFIG)) == [
        "test", "test", "train", "val",
    ]  # fmt: skip


def test_the_lists_are_copied_with_a_folder(own, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    copy_set(CARD, own, copy)
    assert find_samples(CARD, copy, CONFIG) == find_samples(CARD, own, CONFIG)


def test_lists_exclude_another_scheme():
    with pytest.raises(ValidationError, match="exactly one of official, groups, lists, random"):
        Splits(lists={"train": "a"}, random={"test": 1.0})


def with_skipped(own):
    layout = Layout(**{**CARD.layout.model_dump(), "skip_unlabelled": True})
    (own / "labels/night/3.png").unlink()
    return CARD.model_copy(update={"layout": layout, "splits": load_card("folder").splits})


def test_images_without_a_label_are_left_out_and_counted_if_the_card_says_so(own, capsys):
    card = with_skipped(own)
    assert len(find_samples(card, own, CONFIG)) == 4
    assert "folder: left out 1 images that have no label\n" in capsys.readouterr().out
    off = card.model_copy(update={"layout": CARD.layout})
    with pytest.raises(RoadshiftError, match=r"'images/night/3\.png' has no 'labels/night/3\.png'"):
        find_samples(off, own, CONFIG)


def test_a_label_without_an_image_is_refused_all_the_same(own):
    card = with_skipped(own)
    (own / "images/day/1.png").unlink()
    with pytest.raises(RoadshiftError, match=r"'labels/day/1\.png' has no 'images/day/1\.\*' \(1 "):
        find_samples(card, own, CONFIG)


def test_labels_that_are_all_elsewhere_are_no_unlabelled_images(own):
    card = with_skipped(own)
    (own / "labels").rename(own / "masks")
    with pytest.raises(RoadshiftError, match=r"no label fits '\./labels/\{id\}\.png'"):
        find_samples(card, own, CONFIG)


def test_the_official_lists_of_camvid(mirror, tmp_path):
    """They name the images that the folders hold, by the paths of SegNet's authors."""
    with zipfile.ZipFile(mirror / "camvid.zip") as archive:
        archive.extractall(tmp_path)
    official = load_card("camvid")
    lists = SplitScheme(lists={"train": "train.txt", "val": "val.txt", "test": "test.txt"})
    splits = official.splits.model_copy(update={"named": {"lists": lists}})
    card = official.model_copy(update={"splits": splits})
    by_lists = CONFIG.model_copy(update={"by": "lists"})
    assert find_samples(card, tmp_path, by_lists) == find_samples(official, tmp_path, CONFIG)


FOLDERS = {"a/0001": "images/a/0001.png", "2": "images/2.png"}


def listed(folder, line):
    (folder / "t.txt").write_text(f"{line}\n0001\n", "utf-8")
    return read_split_lists({"train": "t.txt"}, folder, FOLDERS)


@pytest.mark.parametrize("line", ["b/0001", "b/0001.png", "images/b/0001.png", "b/2", "/x/2.jpg y"])
def test_a_line_with_folders_names_no_image_of_other_folders(tmp_path, line, capsys):
    assert listed(tmp_path, line) == {"a/0001": "train"}
    assert "1 of 2 images are not there, first line 1: " in capsys.readouterr().out


@pytest.mark.parametrize("line", ["2", "2.jpg", "images/2.png", "/set/images/2.png labels/2.png"])
def test_a_line_with_the_folders_of_an_image_names_it(tmp_path, line):
    assert listed(tmp_path, line) == {"a/0001": "train", "2": "train"}
