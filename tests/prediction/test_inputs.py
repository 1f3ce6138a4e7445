import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def found(folder, tmp_path):
    inputs, others = find_inputs(folder, tmp_path / "out")
    assert not others
    return {str(each.file.relative_to(folder)): str(each.name) for each in inputs}


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_what_is_linked_is_predicted(tmp_path):
    disk, folder = write(tmp_path / "disk", "1.png", "deep/2.mp4"), tmp_path / "in"
    folder.mkdir()
    (folder / "day").symlink_to(disk)
    (folder / "loop").symlink_to(folder)
    assert found(folder, tmp_path) == {"day/1.png": "day/1", "day/deep/2.mp4": "day/deep/2"}


def test_a_link_that_leads_nowhere_is_an_input_that_fails(tmp_path):
    folder = write(tmp_path / "in", "1.png")
    for name in ("day", "2.png"):
        (folder / name).symlink_to(tmp_path / "disk" / name)
    assert found(folder, tmp_path) == {"1.png": "1", "2.png": "2", "day": "day"}


@pytest.mark.parametrize(
    "name", ["Thumbs.db", "desktop.ini", "__MACOSX/1.png", "@eaDir/1.png/t.png", "._1.png"]
)
def test_what_systems_leave_behind_is_neither_an_input_nor_told(tmp_path, name):
    assert found(write(tmp_path / "in", "1.png", name), tmp_path) == {"1.png": "1"}


@pytest.mark.parametrize("out", ["disk", "disk/out", "out"])
def test_outputs_never_lie_in_a_linked_folder_nor_the_reverse(tmp_path, out):
    write(tmp_path / "disk", "1.png")
    write(tmp_path / "out/labels", "1.png")
    folder = write(tmp_path / "in", "2.png")
    (folder / "day").symlink_to(tmp_path / ("out/labels" if out == "out" else "disk"))
    with pytest.raises(RoadshiftError, match="name another folder with --out"):
        find_inputs(folder, tmp_path / out)


@pytest.mark.parametrize("place", ["in", "in/1.png"])
def test_a_link_to_an_output_is_no_input(tmp_path, place):
    write(tmp_path / "out/labels", "1.png")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/1.png").symlink_to(tmp_path / "out/labels/1.png")
    with pytest.raises(RoadshiftError, match="where the outputs go"):
        find_inputs(tmp_path / place, tmp_path / "out")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        # The frames of a video go into a folder of its name.
        (("d/0.png", "d.mp4"), ("d/0", "d.mp4")),
        (("d/e/0.png", "d.mp4", "d/e.avi"), ("d/e/0", "d.mp4", "d/e.avi")),
        (("d/e.mp4", "d.mp4"), ("d/e", "d.mp4")),
        # File systems of macOS and Windows ignore letter case and forms of accents.
        (("A.png", "a.png"), ("A.png", "a.png-2")),
        (("A.png", "a.jpg"), ("A.png", "a.jpg")),
        (("D/0.png", "d.mp4"), ("D/0", "d.mp4")),
        (("\u00fc.png", "u\u0308.jpg"), ("\u00fc.png", "u\u0308.jpg")),
        # One input's name is another's output.
        (("a.png", "a.jpg", "a.png.bmp"), ("a.png", "a.jpg", "a.png.bmp")),
        (("a.jpg", "a.png/b.jpg"), ("a.jpg", "a.png/b")),
        (("a.mp4", "a.mp4.png/b.jpg"), ("a", "a.mp4.png/b")),
        (("x.mp4", "x.avi", "x.png"), ("x.mp4", "x.avi", "x.png")),
    ],
)
def test_no_two_inputs_write_one_file_or_folder(tmp_path, names, expected):
    inputs = found(write(tmp_path / "in", *names), tmp_path)
    assert tuple(inputs[name] for name in names) == expected
    check_apart(inputs)


def check_apart(inputs):
    """No output is another's, or lies in a folder that a video has for itself."""
    files, folders = [], []
    for name, made in inputs.items():
        video = name.endswith((".mp4", ".avi"))
        labels = f"labels/{made}" + "/000000.png" * video + ".png" * (not video)
        files += [labels.casefold(), f"overlays/{made}.{'mp4' if video else 'png'}".casefold()]
        folders += [f"labels/{made}/".casefold()] * video
    assert len({*files}) == len(files)
    for folder in folders:
        assert sum(file.startswith(folder) for file in files) == 1
    for file in files:
        assert not any(other.startswith(f"{file}/") for other in files)


PARTS = st.sampled_from(["a", "A", "b", "a.png", "a.mp4", "a.png.png"])
SUFFIXES = st.sampled_from([".png", ".jpg", ".mp4", ".avi"])


@given(st.sets(st.builds(lambda p, s: "/".join(p) + s, st.lists(PARTS, min_size=1, max_size=3),
                         SUFFIXES), min_size=1, max_size=8))  # fmt: skip
def test_outputs_are_apart_whatever_the_names(names):
    with tempfile.TemporaryDirectory() as folder:
        made = []
        for name in sorted(names):
            with contextlib.suppress(OSError):  # a folder cannot have the name of a file
                write(Path(folder) / "in", name)
                made.append(name)
        inputs = found(Path(folder) / "in", Path(folder))
        assert {*inputs} == {*made}
        check_apart(inputs)
