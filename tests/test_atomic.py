import errno

import pytest

from roadshift.atomic import atomic_file, atomic_folder
from roadshift.errors import RoadshiftError


def everything(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()
    }


def fill(folder, name, error=None):
    """Writes a folder of one file; fails half-way with `error`, where there is one."""
    with atomic_folder(folder) as partial:
        (partial / name).write_text(name)
        if error:
            raise error


def put(file, text, error=None):
    """Writes a file; fails half-way with `error`, where there is one."""
    with atomic_file(file) as partial:
        partial.write_text(text)
        if error:
            raise error


def test_a_folder_appears_when_it_is_whole(tmp_path):
    final = tmp_path / "deep" / "out"
    with atomic_folder(final) as folder:
        (folder / "a.txt").write_text("a")
        assert not final.exists()
    assert everything(tmp_path) == {"deep/out/a.txt": "a"}


def test_a_folder_replaces_the_one_before(tmp_path):
    final = tmp_path / "out"
    fill(final, "old")
    fill(final, "new")
    assert everything(tmp_path) == {"out/new": "new"}
    assert list(tmp_path.iterdir()) == [final]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_folder_before_as_it_was(tmp_path, error):
    final = tmp_path / "out"
    fill(final, "old")
    with pytest.raises(error):
        fill(final, "half", error())
    assert everything(tmp_path) == {"out/old": "old"}
    assert list(tmp_path.iterdir()) == [final]


def test_a_failure_leaves_no_folder_where_there_was_none(tmp_path):
    with pytest.raises(ValueError, match="stop"):
        fill(tmp_path / "out", "half", ValueError("stop"))
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_does_not_get_into_the_folder(tmp_path):
    # Killed before the end of the block: what the block wrote still lies beside.
    killed = atomic_folder(tmp_path / "out")
    (killed.__enter__() / "half").write_text("half")
    assert not (tmp_path / "out").exists()
    with atomic_folder(tmp_path / "out") as folder:
        assert not list(folder.iterdir())
        (folder / "a").write_text("a")
    assert everything(tmp_path) == {"out/a": "a"}


def test_what_was_killed_while_it_was_replaced_does_not_stay(tmp_path):
    # Killed when the folder before was already aside, and the new one not yet in its place.
    aside = tmp_path / ".out.replaced.partial"
    aside.mkdir()
    (aside / "old").write_text("old")
    fill(tmp_path / "out", "new")
    assert everything(tmp_path) == {"out/new": "new"}
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


@pytest.mark.parametrize("write", [fill, put])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_an_error_that_names_what_cannot_be_written(tmp_path, write, number):
    write(tmp_path / "out", "old")
    before = everything(tmp_path)
    with pytest.raises(RoadshiftError, match=r"out: cannot be written, the disk is full \(.+\)"):
        write(tmp_path / "out", "half", OSError(number, "no room"))
    with pytest.raises(RoadshiftError, match=r"^some/file: cannot be written"):
        write(tmp_path / "out", "half", OSError(number, "no room", "some/file"))
    with pytest.raises(PermissionError):
        write(tmp_path / "out", "half", PermissionError(errno.EACCES, "not yours"))
    assert everything(tmp_path) == before


def test_a_file_appears_when_it_is_whole(tmp_path):
    final = tmp_path / "deep" / "a.txt"
    with atomic_file(final) as file:
        file.write_text("a")
        assert not final.exists()
    assert everything(tmp_path) == {"deep/a.txt": "a"}


def test_a_file_replaces_the_one_before(tmp_path):
    put(tmp_path / "a.txt", "old")
    put(tmp_path / "a.txt", "new")
    assert everything(tmp_path) == {"a.txt": "new"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_file_before_as_it_was(tmp_path, error):
    put(tmp_path / "a.txt", "old")
    with pytest.raises(error):
        put(tmp_path / "a.txt", "half", error())
    assert everything(tmp_path) == {"a.txt": "old"}


def test_a_file_and_a_folder_fail_together(tmp_path):
    with pytest.raises(ValueError, match="stop"), atomic_file(tmp_path / "audit.csv"):
        fill(tmp_path / "out", "half", ValueError("stop"))
    assert not list(tmp_path.iterdir())
