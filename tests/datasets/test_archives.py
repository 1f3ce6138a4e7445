import io
import stat
import tarfile
import warnings
import zipfile

import pytest

from roadshift.datasets.archives import unpack
from roadshift.errors import RoadshiftError

LIMIT = 10_000


def zip_of(file, members, compression=zipfile.ZIP_DEFLATED):
    """A zip file of (name, or ZipInfo as it is) and content."""
    with zipfile.ZipFile(file, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in members:
            archive.writestr(name, content)
    return file


def special(name, mode):
    member = zipfile.ZipInfo(name)
    member.create_system = 3
    member.external_attr = (mode | 0o777) << 16
    return member


@pytest.fixture
def inside(tmp_path):
    folder = tmp_path / "outer" / "inside"
    folder.mkdir(parents=True)
    return folder


def refuse(archive, inside, match, root="."):
    before = sorted(inside.parent.parent.rglob("*"))
    with pytest.raises(RoadshiftError, match=match) as caught:
        unpack(archive, inside, root, LIMIT)
    after = [p for p in sorted(inside.parent.parent.rglob("*")) if inside not in p.parents]
    assert after == before
    assert str(archive) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_members_under_the_root_and_no_others(tmp_path, inside):
    archive = zip_of(
        tmp_path / "a.zip",
        [("set/a.txt", b"one"), ("set/deep/b.txt", b"two"), ("settings.txt", b"x"), ("c", b"y")],
    )
    unpack(archive, inside, "set", LIMIT)
    found = {p.relative_to(inside).as_posix(): p.read_bytes() for p in inside.rglob("*.txt")}
    assert found == {"set/a.txt": b"one", "set/deep/b.txt": b"two"}


def test_the_root_dot_takes_everything(tmp_path, inside):
    unpack(zip_of(tmp_path / "a.zip", [("a", b"1"), ("b/c", b"2")]), inside, ".", LIMIT)
    assert (inside / "a").read_bytes() == b"1"
    assert (inside / "b/c").read_bytes() == b"2"


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "set/../../evil.txt", "/tmp/roadshift-evil.txt", "..\\evil.txt", "set\\e.txt"],  # noqa: S108
)
def test_members_that_leave_the_folder(tmp_path, inside, name):
    archive = zip_of(tmp_path / "a.zip", [("set/good.txt", b"good"), (name, b"evil")])
    refuse(archive, inside, "would leave its folder", root="set")
    assert not list(inside.iterdir())


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO])
def test_links_and_devices(tmp_path, inside, mode):
    archive = zip_of(tmp_path / "a.zip", [(special("set/passwd", mode), b"/etc/passwd")])
    refuse(archive, inside, "'set/passwd' is a link or a device")
    assert not list(inside.iterdir())


def test_a_bomb_is_stopped_at_the_limit(tmp_path, inside):
    archive = zip_of(tmp_path / "a.zip", [("a", bytes(LIMIT)), ("bomb", bytes(50 * LIMIT))])
    refuse(archive, inside, "beyond the size its card states, at 'bomb'")
    assert sum(p.stat().st_size for p in inside.rglob("*")) <= LIMIT


def test_many_small_members_count_together(tmp_path, inside):
    archive = zip_of(tmp_path / "a.zip", [(f"{i}", bytes(LIMIT // 4)) for i in range(5)])
    refuse(archive, inside, "at '4'")


def test_exactly_the_limit_is_allowed(tmp_path, inside):
    unpack(zip_of(tmp_path / "a.zip", [("a", bytes(LIMIT))]), inside, ".", LIMIT)
    assert (inside / "a").stat().st_size == LIMIT


def test_a_header_that_understates_its_size_does_not_write_more(tmp_path, inside):
    archive = zip_of(tmp_path / "a.zip", [("a", bytes(9 * LIMIT))])
    understated = archive.read_bytes().replace((9 * LIMIT).to_bytes(4, "little"), b"\5\0\0\0")
    archive.write_bytes(understated)
    refuse(archive, inside, "cannot be unpacked")
    assert sum(p.stat().st_size for p in inside.rglob("*")) <= 5


def test_nothing_under_the_root(tmp_path, inside):
    refuse(zip_of(tmp_path / "a.zip", [("other/a", b"1")]), inside, "nothing under 's'", root="s")


@pytest.mark.parametrize("content", [b"", b"no zip at all" * 100])
def test_no_zip_at_all(tmp_path, inside, content):
    archive = tmp_path / "a.zip"
    archive.write_bytes(content)
    refuse(archive, inside, "cannot be unpacked")


def test_an_encrypted_member(tmp_path, inside):
    archive = zip_of(tmp_path / "a.zip", [("a", b"secret")])
    data = bytearray(archive.read_bytes())
    for signature, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + place] |= 1
    archive.write_bytes(data)
    refuse(archive, inside, "encrypted")


def test_a_member_that_is_a_file_and_a_folder(tmp_path, inside):
    archive = zip_of(tmp_path / "a.zip", [("a", b"file"), ("a/b", b"inside it")])
    refuse(archive, inside, "cannot be unpacked")


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA]
)
def test_cut_short_or_flipped_anywhere(tmp_path, inside, compression):
    content = {"set/a": b"some text " * 20, "set/b": bytes(range(256))}
    buffer = io.BytesIO()
    zip_of(buffer, content.items(), compression)
    good = buffer.getvalue()
    archive = tmp_path / "a.zip"
    refused = 0
    for n in range(0, len(good), 5):
        for damaged in (good[:n], good[:n] + bytes([good[n] ^ 32]) + good[n + 1 :]):
            archive.write_bytes(damaged)
            try:
                unpack(archive, inside, "set", LIMIT)
            except RoadshiftError:
                refused += 1
            else:
                # Names, dates and comments have no checksum; what a file holds has one.
                found = {p.read_bytes() for p in inside.rglob("*") if p.is_file()}
                assert found <= set(content.values())
            for file in [p for p in inside.rglob("*") if p.is_file()]:
                file.unlink()
    assert refused > len(good) / 5


@pytest.mark.parametrize(
    ("member", "match"),
    [
        ({"name": "/etc/passwd"}, "would leave its folder"),
        ({"name": "../x"}, "would leave its folder"),
        ({"name": "link", "type": tarfile.SYMTYPE, "linkname": "/etc"}, "link or a device"),
        ({"name": "link", "type": tarfile.LNKTYPE, "linkname": "a"}, "link or a device"),
        ({"name": "pipe", "type": tarfile.FIFOTYPE}, "link or a device"),
        ({"name": "large", "size": 5001}, "beyond the size its card states, at 'large'"),
    ],
)
def test_a_hostile_tar_file(tmp_path, member, match):
    file, inside = tmp_path / "a.tar.gz", tmp_path / "in"
    inside.mkdir()
    entry = tarfile.TarInfo()
    for key, value in member.items():
        setattr(entry, key, value)
    with tarfile.open(file, "w:gz") as tar:
        tar.addfile(entry, io.BytesIO(b"x" * entry.size))
    with pytest.raises(RoadshiftError, match=match):
        unpack(file, inside, ".", 5000)
    assert not any(inside.iterdir())


def test_a_tar_file_that_is_cut_short_or_has_nothing_wanted(tmp_path):
    file = tmp_path / "a.tar"
    entry = tarfile.TarInfo("set/a")
    entry.size = 5000
    with tarfile.open(file, "w") as tar:
        tar.addfile(entry, io.BytesIO(b"x" * 5000))
    unpack(file, tmp_path, "set", 5000)
    assert (tmp_path / "set/a").read_bytes() == b"x" * 5000
    with pytest.raises(RoadshiftError, match="has nothing under 'other'"):
        unpack(file, tmp_path, "other", 10_000)
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(RoadshiftError, match="cannot be unpacked"):
        unpack(file, tmp_path, "set", 10_000)
