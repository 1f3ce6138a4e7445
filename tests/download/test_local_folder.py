import numpy as np
import pytest

from roadshift.datasets.card import load_card
from roadshift.download.local_folder import copy_set
from roadshift.errors import RoadshiftError

TABLE = "kind: grey\nsource: me\nvalues:\n  - [0, road]\n  - [1, sky]\n"
CARD = load_card("folder")


@pytest.fixture
def own(tmp_path, save_image):
    """A user's folder as the card documents it, and an empty one to copy it to."""
    source, folder = tmp_path / "own", tmp_path / "raw"
    folder.mkdir()
    for name in ("images/monday/1.jpg", "images/monday/2.png", "images/3.png"):
        save_image(source / name, np.zeros((2, 3, 3)))
    for name in ("monday/1", "monday/2", "3"):
        save_image(source / f"labels/{name}.png", np.ones((2, 3)))
    (source / "encoding.yaml").write_text(TABLE, "utf-8")
    return source, folder


def listed(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def refuse(match, own):
    with pytest.raises(RoadshiftError, match=match) as caught:
        copy_set(CARD, *own)
    assert "\n" not in str(caught.value)
    assert not listed(own[1])


def refuse_lines(starts, own):
    with pytest.raises(RoadshiftError) as caught:
        copy_set(CARD, *own)
    lines = str(caught.value).split("\n")
    assert [line[: len(start)] for line, start in zip(lines, starts, strict=True)] == starts
    assert not listed(own[1])


def test_images_labels_and_table_are_copied_and_nothing_else(own):
    source, folder = own
    for beside in ("notes.txt", "labels/monday/1.json", "images/.DS_Store"):
        (source / beside).write_bytes(b"nobody reads this")
    copy_set(CARD, source, folder)
    assert listed(folder) == [
        "encoding.yaml",
        "images/3.png",
        "images/monday/1.jpg",
        "images/monday/2.png",
        "labels/3.png",
        "labels/monday/1.png",
        "labels/monday/2.png",
    ]
    for name in listed(folder):
        assert (folder / name).read_bytes() == (source / name).read_bytes()
        # DVC makes its own files read-only, which must not reach the user's.
        assert not (folder / name).samefile(source / name)


@pytest.mark.parametrize("part", ["", "/monday"])
def test_linked_folders_are_copied(own, part, tmp_path, capsys):
    source, folder = own
    for kind in ("images", "labels"):
        (source / f"{kind}{part}").rename(tmp_path / kind)
        (source / f"{kind}{part}").symlink_to(tmp_path / kind)
    copy_set(CARD, source, folder)
    assert {"images/monday/1.jpg", "labels/monday/2.png", "images/3.png"} <= {*listed(folder)}
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
    assert "3 images with labels" in capsys.readouterr().out


def test_a_linked_folder_of_a_disk_that_is_not_there(own, tmp_path):
    for kind in ("images", "labels"):
        (own[0] / kind / "tuesday").symlink_to(tmp_path / "disk")
    refuse_lines(["folder: 'images/tuesday' is a link to", "'labels/tuesday' is a link to"], own)


def test_hidden_files_and_files_beside_the_images_are_not_copied(own, save_image):
    source, folder = own
    for beside in ("images/Thumbs.db", "images/3.json", "images/._3.png", "labels/._3.png"):
        (source / beside).write_bytes(b"nobody reads this")
    for kind in ("images", "labels"):
        save_image(source / kind / ".ipynb_checkpoints/3-checkpoint.png", np.zeros((2, 3)))
    copy_set(CARD, source, folder)
    assert len(listed(folder)) == 7


def test_labels_with_a_suffix_in_upper_case_are_copied(own):
    source, folder = own
    (source / "labels/3.png").rename(source / "labels/3.PNG")
    copy_set(CARD, source, folder)
    assert "labels/3.PNG" in listed(folder)


def test_all_missing_labels_are_named(own):
    for name in ("3", "monday/1"):
        (own[0] / f"labels/{name}.png").unlink()
    refuse_lines(
        [
            "folder: 'images/3.png' has no 'labels/3.png' (2 such); add the missing files",
            "'images/monday/1.jpg' has no 'labels/monday/1.png'",
        ],
        own,
    )


def test_a_folder_that_is_not_there(own):
    refuse(
        r"there is no folder '.*nowhere' .*'images/{id}\.\*' and labels as 'labels/{id}\.png', "
        "and the encoding as 'encoding.yaml', or name another folder",
        (own[0] / "nowhere", own[1]),
    )


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("encoding.yaml", r"encoding\.yaml: missing; put the table"),
        ("labels/monday/1.png", r"'images/monday/1\.jpg' has no 'labels/monday/1\.png' \(1 such\)"),
        ("images/3.png", r"'labels/3\.png' has no 'images/3\.\*' \(1 such\)"),
    ],
)
def test_what_is_missing_is_named(own, missing, message):
    (own[0] / missing).unlink()
    refuse(message, own)


def test_a_folder_without_images(own):
    for file in (own[0] / "images").rglob("*.*"):
        file.unlink()
    refuse(r"folder: no image fits './images/{id}\.\*' in .*own", own)


def test_a_table_that_is_not_sound(own):
    (own[0] / "encoding.yaml").write_text(TABLE.replace("sky", "skye"), "utf-8")
    refuse(r"encoding\.yaml: .*'skye' is not a universal name; did you mean 'sky'", own)


BY_NAME = "kind: grey\nsource: me\nconfig: labels.json\nvalues:\n  - [flat, road]\n  - [up, sky]\n"


def test_the_config_of_a_table_by_names_is_copied(own):
    source, folder = own
    (source / "encoding.yaml").write_text(BY_NAME, "utf-8")
    (source / "labels.json").write_text('{"labels": [{"name": "up"}, {"name": "flat"}]}', "utf-8")
    copy_set(CARD, source, folder)
    assert {"encoding.yaml", "labels.json"} <= {*listed(folder)}
    table = CARD.table_in(folder)
    assert dict(zip(table.keys.tolist(), table.names, strict=True)) == {0: "sky", 1: "road"}


def test_a_table_by_names_without_its_config(own):
    (own[0] / "encoding.yaml").write_text(BY_NAME, "utf-8")
    refuse(r"own.labels\.json: missing; a label's id is its position in this file", own)


def test_the_config_lies_in_the_root_of_the_layout(tmp_path):
    layout = CARD.layout.model_copy(update={"root": "inner"})
    card = CARD.model_copy(update={"layout": layout, "encoding": "mapillary_vistas_v12"})
    assert card.table_files(tmp_path) == ["inner/config_v1.2.json"]
    with pytest.raises(RoadshiftError, match=r"inner.config_v1\.2\.json: missing"):
        card.table_in(tmp_path)
