from pathlib import Path

import pytest

from roadshift.errors import RoadshiftError
from roadshift.prediction.inputs import find_inputs


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "images"
    names = ("b.JPG", "a.png", "a.jpg", "deep/c.mp4", "notes.txt", ".hidden.png", ".x/d.png")
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    return folder


def test_images_and_videos_are_found_in_order_and_named_apart(folder, tmp_path):
    inputs, others = find_inputs(folder, tmp_path / "out")
    assert [(str(each.file.relative_to(folder)), str(each.name)) for each in inputs] == [
        ("a.jpg", "a.jpg"),
        ("a.png", "a.png"),
        ("b.JPG", "b"),
        ("deep/c.mp4", "deep/c"),
    ]
    assert [each.is_video for each in inputs] == [False, False, False, True]
    assert others == [folder / "notes.txt"]


def test_a_file_is_its_own_name(folder, tmp_path):
    (given,), others = find_inputs(folder / "a.png", tmp_path / "out")
    assert (given.name, others) == (Path("a"), [])


@pytest.mark.parametrize("out", ["images", "images/out", "images/deep/../out", "."])
def test_outputs_never_lie_among_inputs_nor_inputs_among_outputs(folder, tmp_path, out):
    with pytest.raises(RoadshiftError, match="name another folder with --out"):
        find_inputs(folder, tmp_path / out)


def test_an_image_among_the_outputs_is_refused(folder):
    with pytest.raises(RoadshiftError, match="where the outputs go"):
        find_inputs(folder / "deep/c.mp4", folder)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(RoadshiftError, match="there is no such file or folder"):
        find_inputs(tmp_path / "nowhere", tmp_path / "out")


def test_a_folder_without_images_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RoadshiftError, match="holds no image and no video"):
        find_inputs(tmp_path / "empty", tmp_path / "out")
