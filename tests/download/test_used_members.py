"""Only what a card's layout fits is unpacked, and only that can do harm."""

import io
import stat
import tarfile
import warnings
import zipfile

import pytest

from roadshift.datasets.card import Archive, load_card
from roadshift.datasets.layout import Layout
from roadshift.datasets.splits import Splits
from roadshift.datasets.used_files import UsedFiles
from roadshift.download.archives import Unpacked, unpack
from roadshift.download.dataset import download_dataset
from roadshift.download.fetch import Places
from roadshift.errors import RoadshiftError

USED = {"images/7.png", "labels/7.png"}
PAIR = [("images/7.png", b"an image"), ("labels/7.png", b"a label")]
LIMIT = 10_000


def zip_of(file, members):
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two members with one name
        for name, content in members:
            archive.writestr(name, content)
    return file


def tar_of(file, members):
    with tarfile.open(file, "w") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name) if isinstance(name, str) else name
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file


@pytest.fixture(params=["zip", "tar"])
def pack(request, tmp_path):
    """members -> an archive of them, of each kind in turn."""
    make = zip_of if request.param == "zip" else tar_of
    return lambda members: make(tmp_path / f"a.{request.param}", members)


@pytest.fixture
def inside(tmp_path):
    folder = tmp_path / "inside"
    folder.mkdir()
    return folder


def contents(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def link(name, kind):
    """A symbolic link to /etc/passwd."""
    if kind == ".zip":
        member = zipfile.ZipInfo(name)
        member.create_system = 3
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        return member, b"/etc/passwd"
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return entry, b""


def test_only_what_is_used_is_written(pack, inside):
    archive = pack([("README", b"a"), *PAIR, ("lidar/7.npz", b"b"), ("images/8.json", b"c")])
    unpacked = unpack(archive, inside, root=".", limit_bytes=LIMIT, used=USED)
    assert unpacked == Unpacked(members=5, left_out=3)
    assert contents(inside) == dict(PAIR)


@pytest.mark.parametrize(
    "member",
    [
        ("a" * 300, b""),
        ("lidar/\a", b""),
        ("images", b"a file in a folder's place"),
        ("labels/7.PNG/x", b"a folder in a file's place"),
        ("IMAGES/7.png", b"differs only in case"),
        ("bomb.bin", bytes(LIMIT + 1)),
    ],
)
def test_what_could_do_harm_and_is_not_used_is_not_written(pack, inside, member):
    archive = pack([member, *PAIR, member if member[0] == "lidar/\a" else ("x", b"")])
    assert unpack(archive, inside, root=".", limit_bytes=LIMIT, used=USED).left_out == 2
    assert contents(inside) == dict(PAIR)


@pytest.mark.parametrize("name", ["link.png", "images", "labels/8.png"])
def test_links_that_are_not_used_are_not_written(tmp_path, inside, name):
    for make, suffix in ((zip_of, ".zip"), (tar_of, ".tar")):
        archive = make(tmp_path / f"a{suffix}", [link(name, suffix), *PAIR])
        unpack(archive, inside, root=".", limit_bytes=LIMIT, used=USED)
        assert contents(inside) == dict(PAIR)
        assert not any(path.is_symlink() for path in inside.rglob("*"))


def test_a_link_in_the_place_of_an_image_is_refused(tmp_path, inside):
    for make, suffix in ((zip_of, ".zip"), (tar_of, ".tar")):
        archive = make(tmp_path / f"a{suffix}", [link("images/7.png", suffix), PAIR[1]])
        with pytest.raises(RoadshiftError, match=r"'images/7\.png' is a link or a device"):
            unpack(archive, inside, root=".", limit_bytes=LIMIT, used=USED)


def test_used_members_are_still_counted_and_compared(pack, inside):
    with pytest.raises(RoadshiftError, match="more than the card's unpacked_megabytes"):
        unpack(pack([("a.png", bytes(90))]), inside, root=".", limit_bytes=80, used={"a.png"})
    twice = pack([("a.png", b"1"), ("A.png", b"2")])
    with pytest.raises(RoadshiftError, match=r"differs from 'a\.png' only in case"):
        unpack(twice, inside, root=".", limit_bytes=80, used={"a.png", "A.png"})


def test_a_member_that_leaves_the_folder_is_refused_though_nothing_uses_it(pack, inside):
    with pytest.raises(RoadshiftError, match="would be written outside the folder"):
        unpack(pack([("../x", b""), *PAIR]), inside, root=".", limit_bytes=LIMIT, used=USED)


def test_an_archive_of_which_nothing_is_used_is_named_with_the_layout(pack, inside):
    card = load_card("kitti")
    archive = pack([("kitti/training/image_2/000000_10.png", b""), ("x", b"")])
    with pytest.raises(RoadshiftError) as caught:
        unpack(archive, inside, root=".", limit_bytes=LIMIT, used=UsedFiles(card))
    assert str(caught.value) == (
        f"{archive}: none of its 2 files is one that the layout uses ('training/image_2/{{id}}.png'"
        " or 'training/semantic_rgb/{id}.png'), the first is "
        "'kitti/training/image_2/000000_10.png'; get the publisher's archive, or correct the "
        "layout in the card"
    )
    assert not list(inside.iterdir())


@pytest.mark.parametrize(
    ("name", "path", "used"),
    [
        ("cityscapes", "gtFine/val/ulm/ulm_0_gtFine_labelIds.png", True),
        ("cityscapes", "gtFine/val/ulm/ulm_0_gtFine_instanceIds.png", False),
        # No labels are published of it.
        ("cityscapes", "leftImg8bit/test/bonn/bonn_0_leftImg8bit.png", False),
        ("bdd100k", "bdd100k/labels/sem_seg/masks/val/a-b.png", True),
        ("bdd100k", "bdd100k/labels/sem_seg/colormaps/val/a-b.png", False),
        ("bdd100k", "labels/sem_seg/masks/val/a-b.png", False),
        ("mapillary_vistas_v20", "config_v2.0.json", True),
        ("mapillary_vistas_v20", "config_v1.2.json", False),
        ("idd_lite", "idd20k_lite/gtFine/train/0/024541_label.png", True),
        ("idd_lite", "idd20k_lite/gtFine/train/0/024541_inst_label.png", False),
        # Named where the image lacks its label.
        ("kitti", "training/Semantic_RGB/000000_10.PNG", True),
        # Which ids are left out may change without another download.
        ("gta5", "images/15188.png", True),
    ],
)
def test_what_a_card_uses(name, path, used):
    assert (path in UsedFiles(load_card(name))) is used


def test_lists_of_splits_are_used():
    splits = Splits(lists={"train": "lists/a.txt", "test": "b.txt"})
    card = load_card("kitti").model_copy(update={"splits": splits})
    assert "lists/a.txt" in UsedFiles(card)
    assert "lists/b.txt" not in UsedFiles(card)


@pytest.mark.parametrize("root", ["set/", "./set", "set//"])
def test_a_root_is_a_path_however_it_is_written(root, pack, inside):
    layout = Layout(root=root, image="images/{id}.png", label="labels/{id}.png")
    splits = Splits(lists={"test": "./lists//test.txt"})
    card = load_card("kitti").model_copy(update={"layout": layout, "splits": splits})
    members = [(f"set/{name}", b"") for name in (*USED, "lists/test.txt", "x")]
    unpacked = unpack(pack(members), inside, root=root, limit_bytes=LIMIT, used=UsedFiles(card))
    assert unpacked == Unpacked(members=4, left_out=1)


def test_all_splits_are_used_where_the_cards_own_scheme_is_not_the_publishers():
    layout = Layout(image="{split}/{id}.png", label="{split}/{id}_label.png")
    named = {"publisher": {"official": {"train": "train", "val": "test"}}}
    splits = Splits.model_validate({"random": {"test": 1.0}, "named": named})
    card = load_card("kitti").model_copy(update={"layout": layout, "splits": splits})
    assert "extra/7.png" in UsedFiles(card)
    own = splits.model_copy(update={"random": None, "official": {"train": "test"}})
    used = UsedFiles(card.model_copy(update={"splits": own}))
    assert [f"{split}/7.png" in used for split in ("train", "val", "extra")] == [True, True, False]


def test_a_line_says_how_many_members_were_left_out(tmp_path, inside, capsys):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    zip_of(mirror / "a.zip", [PAIR[0], ("README", b"")])
    zip_of(mirror / "b.zip", [PAIR[1], ("README", b""), ("lidar/", b""), ("lidar/7.npz", b"")])
    archives = [
        Archive(name=name, by_hand="x", unpacked_megabytes=1) for name in ("a.zip", "b.zip")
    ]
    layout = Layout(image="images/{id}.png", label="labels/{id}.png")
    fields = {"archive": None, "archives": archives, "layout": layout}
    card = load_card("kitti").model_copy(update=fields)
    places = Places(tmp_path / "none", tmp_path / "downloads", str(mirror))
    download_dataset(card, inside, places=places, processes=1)
    assert capsys.readouterr().out.splitlines()[-1] == (
        "kitti: left out 3 of 5 members that the layout does not use"
    )
    assert contents(inside) == dict(PAIR)
