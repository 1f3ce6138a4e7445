import os
import tempfile
from pathlib import Path

import pytest
from PIL import Image

from roadshift.datasets.walk import IMAGE_SUFFIXES, find_files, is_image


def write(folder, *names):
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    return folder


def names(folder):
    return find_files(folder).files


def test_files_are_found_at_any_depth_in_order(tmp_path):
    deep = "/".join("d" * 100)
    write(tmp_path, "b.png", "a/2", "a/1", f"{deep}/x")
    assert names(tmp_path) == ["a/1", "a/2", "b.png", f"{deep}/x"]


def test_links_to_files_and_folders_are_followed(tmp_path):
    disk = write(tmp_path / "disk", "day/1.png", "2.png")
    folder = write(tmp_path / "own", "night/3.png")
    (folder / "day").symlink_to(disk / "day")
    (folder / "4.png").symlink_to(disk / "2.png")
    assert names(folder) == ["4.png", "day/1.png", "night/3.png"]
    assert find_files(folder).linked == [disk / "day"]


def test_a_link_to_the_folder_itself_and_a_link_in_a_linked_folder(tmp_path):
    disk = write(tmp_path / "disk", "1.png")
    (tmp_path / "middle").mkdir()
    (tmp_path / "middle/deep").symlink_to(disk)
    (tmp_path / "own").symlink_to(tmp_path / "middle")
    assert names(tmp_path / "own") == ["deep/1.png"]


def test_two_links_to_one_folder_are_both_followed(tmp_path):
    disk = write(tmp_path / "disk", "1.png")
    folder = write(tmp_path / "own", "0.png")
    for name in ("clear", "foggy"):
        (folder / name).symlink_to(disk)
    assert names(folder) == ["0.png", "clear/1.png", "foggy/1.png"]


@pytest.mark.parametrize("target", [".", "..", "../..", "a/b", "/", "a/b/loop"])
def test_a_link_to_a_folder_that_holds_it_ends(tmp_path, target):
    folder = write(tmp_path / "own/images", "1.png", "a/b/2.png")
    (folder / "a/b/loop").symlink_to(folder / target)
    assert names(folder) == ["1.png", "a/b/2.png"]
    assert find_files(folder).unread == {}


def test_two_folders_that_link_to_each_other(tmp_path):
    folder = write(tmp_path, "a/1", "b/2")
    (folder / "a/b").symlink_to(folder / "b")
    (folder / "b/a").symlink_to(folder / "a")
    assert names(folder) == ["a/1", "a/b/2", "b/2", "b/a/1"]


@pytest.mark.parametrize("place", ["own", "own/day", "own/1.png"])
def test_a_link_that_leads_nowhere_is_told(tmp_path, place):
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).symlink_to(tmp_path / "disk")
    found = find_files(tmp_path / "own")
    assert found.files == []
    assert found.unread == {
        tmp_path / place: f"is a link to '{tmp_path / 'disk'}', which is not there"
    }


def test_a_folder_that_may_not_be_read_is_told():
    with tempfile.TemporaryDirectory() as name:
        folder = write(Path(name), "day/1.png", "night/2.png")
        folder.chmod(0o755)
        (folder / "day").chmod(0)
        user = os.geteuid()
        try:
            if not user:
                os.seteuid(65534)  # root may read everything
            found = find_files(folder)
        finally:
            os.seteuid(user)
            (folder / "day").chmod(0o700)
    assert found.files == ["night/2.png"]
    assert found.unread == {folder / "day": "cannot be read (Permission denied)"}


def test_no_folder_has_no_files(tmp_path):
    write(tmp_path, "file")
    assert find_files(tmp_path / "nowhere") == find_files(tmp_path / "file") == ([], [], {})


LEFT_BEHIND = (
    *(".hidden.png", "._1.png", ".DS_Store", ".ipynb_checkpoints/1-checkpoint.png"),
    *("Thumbs.db", "desktop.ini", "Desktop.ini", "__MACOSX/a/1.png", "a/@eaDir/1.png/thumb.png"),
    *("$RECYCLE.BIN/1.png", "System Volume Information/1.png", "lost+found/1.png"),
)


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_hidden_files_and_what_systems_leave_behind_are_not_found(tmp_path, name):
    write(tmp_path / ".own", "1.png", "a/2.png", name)
    assert names(tmp_path / ".own") == ["1.png", "a/2.png"]


def test_images_are_told_by_their_suffix():
    assert all(is_image(file) for file in ("a/1.JPG", Path("b.x.png"), "1.tif"))
    assert not any(is_image(file) for file in ("1.json", "png", "a.png/b", ""))


def test_pillow_opens_every_format_that_is_taken_for_an_image():
    known = {suffix for suffix, name in Image.registered_extensions().items() if name in Image.OPEN}
    assert IMAGE_SUFFIXES - known <= {".mpo"}  # Pillow opens it as the JPEG that it is
