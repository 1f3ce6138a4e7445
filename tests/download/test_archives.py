import bz2
import gzip
import io
import lzma
import stat
import tarfile
import warnings
import zipfile
import zlib

import pytest

from roadshift.datasets.card import TAR_SUFFIXES
from roadshift.download import member_gate
from roadshift.download.archives import require_archive, unpack
from roadshift.errors import RoadshiftError
from tests.everything import EVERYTHING

LIMIT = 10_000
MODES = {"tar": "w", "tar.gz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}
KINDS = ("zip", *MODES)
TAR_TYPES = {
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
}


def zip_of(file, members, compression=zipfile.ZIP_DEFLATED):
    """A zip file of (name, or ZipInfo as it is) and content."""
    with zipfile.ZipFile(file, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in members:
            archive.writestr(name, content)
    return file


def tar_of(file, members, mode="w"):
    """A tar file of (name, or TarInfo as it is) and content."""
    with tarfile.open(file, mode, format=tarfile.PAX_FORMAT) as archive:
        for name, content in members:
            entry = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            entry.size = len(content)
            if str(entry.name).endswith("/"):
                entry.type = tarfile.DIRTYPE
            archive.addfile(entry, io.BytesIO(content))
    return file


def special(name, mode):
    """A zip file's member that is no file."""
    member = zipfile.ZipInfo(name)
    member.create_system = 3
    member.external_attr = (mode | 0o777) << 16
    return member


def special_in_tar(name, kind, linkname=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, linkname
    return member


@pytest.fixture
def inside(tmp_path):
    folder = tmp_path / "outer" / "inside"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(params=KINDS)
def pack(request, tmp_path):
    """members -> an archive of them, of each kind in turn."""

    def make(members):
        file = tmp_path / f"a.{request.param}"
        if request.param == "zip":
            return zip_of(file, members)
        return tar_of(file, members, MODES[request.param])

    return make


def contents(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def refuse(archive, inside, match, root="."):
    def outside():
        return {p for p in inside.parent.parent.rglob("*") if inside not in p.parents}

    before = outside()
    with pytest.raises(RoadshiftError, match=match) as caught:
        unpack(archive, inside, root=root, limit_bytes=LIMIT, used=EVERYTHING)
    assert outside() == before
    assert str(archive) in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600
    return caught.value


def test_members_under_the_root_and_no_others(pack, inside):
    archive = pack(
        [("set/a.txt", b"one"), ("set/deep/b.txt", b"two"), ("settings.txt", b"x"), ("c", b"y")]
    )
    unpack(archive, inside, root="set", limit_bytes=LIMIT, used=EVERYTHING)
    assert contents(inside) == {"set/a.txt": b"one", "set/deep/b.txt": b"two"}


def test_the_root_dot_takes_everything(pack, inside):
    unpack(
        pack([("a", b"1"), ("b/", b""), ("b/c", b"2"), ("./d", b"3")]),
        inside,
        root=".",
        limit_bytes=LIMIT,
        used=EVERYTHING,
    )
    assert contents(inside) == {"a": b"1", "b/c": b"2", "d": b"3"}


def test_an_archive_within_an_archive_is_left_alone(pack, inside, tmp_path):
    inner = zip_of(tmp_path / "inner.zip", [("../evil", bytes(LIMIT * 50))]).read_bytes()
    unpack(pack([("inner.zip", inner)]), inside, root=".", limit_bytes=LIMIT, used=EVERYTHING)
    assert contents(inside) == {"inner.zip": inner}


@pytest.mark.parametrize(
    "name",
    [
        "../evil.txt",
        "set/../../evil.txt",
        "set/..",
        "/tmp/roadshift-evil.txt",  # noqa: S108
        "//server/share/evil.txt",
        "..\\evil.txt",
        "set\\..\\..\\evil.txt",
        "\\\\server\\share",
        "C:\\evil.txt",
        "C:/evil.txt",
        "c:evil.txt",
    ],
)
def test_members_that_leave_the_folder(pack, inside, name):
    archive = pack([(name, b"evil"), ("set/good.txt", b"good")])
    error = refuse(archive, inside, "would be written outside the folder", root="set")
    assert repr(name) in str(error)
    assert not list(inside.iterdir())


def windows_zip(file, members):
    """A zip file with '\\' between folders, as .NET's older libraries write it."""
    return zip_of(file, [(name.replace("/", "\\"), content) for name, content in members])


def test_a_zip_file_with_backslashes_is_unpacked_into_folders(tmp_path, inside):
    members = [("set/", b""), ("set/a.txt", b"one"), ("set/deep/b.txt", b"two"), ("c.txt", b"x")]
    archive = windows_zip(tmp_path / "a.zip", members)
    with zipfile.ZipFile(archive) as file:
        assert file.namelist() == ["set\\", "set\\a.txt", "set\\deep\\b.txt", "c.txt"]
    unpack(archive, inside, root="set", limit_bytes=LIMIT, used=EVERYTHING)
    assert contents(inside) == {"set/a.txt": b"one", "set/deep/b.txt": b"two"}


@pytest.mark.parametrize(
    ("members", "match"),
    [
        ([("../evil", b"")], "would be written outside the folder"),
        ([("a/../../evil", b"")], "would be written outside the folder"),
        ([("/server/share", b"")], "would be written outside the folder"),
        ([("C:/evil", b"")], "would be written outside the folder"),
        ([("set/a", b"1"), ("SET/A", b"2")], "member 'SET/A' differs from 'set/a' only in case"),
        ([("set/a", b"1"), ("set/a/b", b"2")], "gives a file and a folder the same path"),
        ([("set/a", bytes(2 * LIMIT))], "more than the card's unpacked_megabytes"),
    ],
)
def test_a_zip_file_with_backslashes_is_as_safe(tmp_path, inside, members, match):
    refuse(windows_zip(tmp_path / "a.zip", members), inside, match)
    assert not list(inside.iterdir())


def test_a_backslash_beside_slashes_is_named(pack, inside):
    archive = pack([("set/good.txt", b"good"), ("set\\e.txt", b"?")])
    refuse(archive, inside, "has '.*' in its name instead of '/'; pack the files again", root="set")


@pytest.mark.parametrize("mode", TAR_TYPES)
@pytest.mark.parametrize("target", ["/etc/passwd", "../../evil", "good.txt"])
def test_links_and_devices_whatever_they_lead_to(tmp_path, inside, mode, target):
    link = special("set/passwd", mode)
    in_zip = zip_of(tmp_path / "a.zip", [("set/good.txt", b""), (link, target.encode())])
    entry = special_in_tar("set/passwd", TAR_TYPES[mode], target)
    in_tar = tar_of(tmp_path / "a.tar", [(entry, b""), ("set/passwd/x", b"evil")])
    for archive in (in_zip, in_tar):
        refuse(archive, inside, "'set/passwd' is a link or a device")
        assert not list(inside.iterdir())


@pytest.mark.parametrize("target", ["/etc/passwd", "../../evil", "good.txt"])
def test_hard_links(tmp_path, inside, target):
    entry = special_in_tar("set/passwd", tarfile.LNKTYPE, target)
    archive = tar_of(tmp_path / "a.tar", [("good.txt", b"good"), (entry, b"")])
    refuse(archive, inside, "'set/passwd' is a link or a device")
    assert contents(inside) == {"good.txt": b"good"}


@pytest.mark.parametrize("mode", TAR_TYPES)
def test_links_and_devices_beside_the_root_are_left_out(tmp_path, inside, mode):
    in_zip = zip_of(
        tmp_path / "a.zip", [(special("latest", mode), b"/etc"), ("set/good.txt", b"good")]
    )
    members = [
        (special_in_tar("latest", TAR_TYPES[mode], "/etc"), b""),
        (special_in_tar("settings", tarfile.LNKTYPE, "/etc/passwd"), b""),
        ("set/good.txt", b"good"),
        ("latest/evil", b"evil"),
    ]
    for archive in (in_zip, tar_of(tmp_path / "a.tar", members)):
        unpack(archive, inside, root="set", limit_bytes=LIMIT, used=EVERYTHING)
        assert contents(inside) == {"set/good.txt": b"good"}
        assert [path.name for path in inside.iterdir()] == ["set"]
        (inside / "set/good.txt").unlink()
        (inside / "set").rmdir()


def test_a_link_in_the_roots_place_is_refused(tmp_path, inside):
    entry = special_in_tar("set", tarfile.SYMTYPE, "/etc")
    archive = tar_of(tmp_path / "a.tar", [(entry, b""), ("set/passwd", b"evil")])
    refuse(archive, inside, "'set' is a link or a device", root="set")


def test_a_link_above_the_root_is_not_followed(tmp_path, inside):
    entry = special_in_tar("outer", tarfile.SYMTYPE, str(tmp_path))
    archive = tar_of(tmp_path / "a.tar", [(entry, b""), ("outer/set/a", b"1")])
    unpack(archive, inside, root="outer/set", limit_bytes=LIMIT, used=EVERYTHING)
    assert contents(inside) == {"outer/set/a": b"1"}
    assert not (inside / "outer").is_symlink()


def test_odd_names_beside_the_root_are_left_out(pack, inside):
    # macOS gives a folder's icon the name 'Icon\r'.
    archive = pack([("Icon\r", b"x"), ("x" * 256, b"x"), ("a\\b", b"x"), ("set/a", b"1")])
    unpack(archive, inside, root="set", limit_bytes=LIMIT, used=EVERYTHING)
    assert contents(inside) == {"set/a": b"1"}


def test_a_member_of_a_type_that_is_not_known(tmp_path, inside):
    archive = tar_of(tmp_path / "a.tar", [(special_in_tar("a", b"Z"), b"what is it")])
    refuse(archive, inside, "'a' is a link or a device")


def test_a_link_that_calls_itself_a_folder(tmp_path, inside):
    archive = zip_of(tmp_path / "a.zip", [(special("a/", stat.S_IFLNK), b"/etc")])
    refuse(archive, inside, "'a/' is a link or a device")


def test_a_bomb_is_stopped_at_the_limit(pack, inside):
    archive = pack([("a", bytes(LIMIT)), ("bomb", bytes(50 * LIMIT))])
    refuse(archive, inside, "more than the card's unpacked_megabytes, at 'bomb'")
    assert sum(map(len, contents(inside).values())) <= LIMIT


def test_many_small_members_count_together(pack, inside):
    archive = pack([(f"{i}", bytes(LIMIT // 4)) for i in range(5)])
    refuse(archive, inside, "at '4'")


def test_exactly_the_limit_is_allowed(pack, inside):
    unpack(pack([("a", bytes(LIMIT))]), inside, root=".", limit_bytes=LIMIT, used=EVERYTHING)
    assert (inside / "a").stat().st_size == LIMIT


def test_too_many_members(pack, inside, monkeypatch):
    members = [(f"{i}/", b"") for i in range(5)] + [(f"{i}/x", b"") for i in range(5)]
    monkeypatch.setattr(member_gate, "MOST_MEMBERS", 10)
    unpack(pack(members), inside, root=".", limit_bytes=LIMIT, used=EVERYTHING)
    monkeypatch.setattr(member_gate, "MOST_MEMBERS", 9)
    refuse(pack(members), inside, "'4/x' exceeds the limit of 9 members")


def test_a_zip_header_that_understates_its_size_does_not_write_more(tmp_path, inside):
    archive = zip_of(tmp_path / "a.zip", [("a", bytes(9 * LIMIT))])
    understated = archive.read_bytes().replace((9 * LIMIT).to_bytes(4, "little"), b"\5\0\0\0")
    archive.write_bytes(understated)
    refuse(archive, inside, "cannot be unpacked")
    assert sum(map(len, contents(inside).values())) <= 5


def with_header_size(content, size):
    """A tar file whose first header states another size, its checksum put right."""
    block = bytearray(content[:512])
    block[124:136] = size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + content[512:]


def test_a_tar_header_that_overstates_its_size_is_cut_short(tmp_path, inside):
    archive = tar_of(tmp_path / "a.tar", [("a", bytes(100))])
    archive.write_bytes(with_header_size(archive.read_bytes()[:1536], b"%011o\0" % 9000))
    refuse(archive, inside, "cannot be unpacked")


def test_a_tar_header_that_understates_its_size_has_no_sound_header_after_it(tmp_path, inside):
    archive = tar_of(tmp_path / "a.tar", [("a", b"x" * 5000)])
    archive.write_bytes(with_header_size(archive.read_bytes(), b"%011o\0" % 5))
    refuse(archive, inside, "cannot be unpacked")
    assert sum(map(len, contents(inside).values())) <= 5


def test_a_tar_header_of_a_negative_size(tmp_path, inside):
    archive = tar_of(tmp_path / "a.tar", [("a", b"x" * 5000)])
    archive.write_bytes(with_header_size(archive.read_bytes(), b"\xff" * 11 + b"\0"))
    refuse(archive, inside, "cannot be unpacked|more than the card's unpacked_megabytes")


def test_a_tar_header_whose_extension_would_fill_the_memory(tmp_path, inside):
    name = "x" * (1 << 21)
    archive = tar_of(tmp_path / "a.tar.gz", [(name, b"")], "w:gz")
    refuse(archive, inside, "a header of more than 1 MiB")


@pytest.mark.parametrize("first", ["a", "set/A.png", "set/./a", "set//a"])
def test_a_member_that_comes_twice(pack, inside, first):
    again = first.replace("./", "").replace("//", "/")
    refuse(pack([(first, b"1"), (again, b"2")]), inside, f"member '{again}' comes twice")


@pytest.mark.parametrize(
    ("one", "other"),
    [("set/a.png", "set/A.png"), ("SET/a.png", "set/a.png"), ("Straße", "STRASSE")],
)
def test_names_that_some_disks_take_for_one(pack, inside, one, other):
    archive = pack([(one, b"1"), (other, b"2")])
    refuse(archive, inside, f"member '{other}' differs from '{one}' only in case")


def test_folders_that_differ_in_case_only_do_no_harm(pack, inside):
    unpack(
        pack([("SET/a", b"1"), ("set/b", b"2")]),
        inside,
        root=".",
        limit_bytes=LIMIT,
        used=EVERYTHING,
    )
    assert sorted(contents(inside).values()) == [b"1", b"2"]


@pytest.mark.parametrize(
    "names",
    [("a", "a/b"), ("a/b", "a"), ("a", "A/b/c"), ("a/b/c", "a/b"), ("a/", "a"), ("a", "a/")],
)
def test_a_name_of_a_file_and_a_folder(pack, inside, names):
    archive = pack([(name, b"" if name.endswith("/") else b"x") for name in names])
    refuse(archive, inside, f"member '{names[1].rstrip('/')}/?' gives a file and a folder the same")


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\x7fb", "\x9b31m", "set/\rb"])
def test_names_with_control_characters(pack, inside, name):
    archive = pack([(name, b"x")])
    error = refuse(archive, inside, "has control or undecodable characters in its name")
    assert repr(name) in str(error)


def test_a_name_with_a_nul(tmp_path, inside):
    # The modules that write archives cut such names short: it is put into the bytes.
    in_zip = zip_of(tmp_path / "a.zip", [("good.txt_evil", b"x")])
    in_zip.write_bytes(in_zip.read_bytes().replace(b"good.txt_evil", b"good.txt\0evil"))
    entry = tarfile.TarInfo("a")
    entry.pax_headers = {"path": "good.txt_evil"}
    in_tar = tar_of(tmp_path / "a.tar", [(entry, b"x")])
    in_tar.write_bytes(in_tar.read_bytes().replace(b"good.txt_evil", b"good.txt\0evil"))
    for archive in (in_zip, in_tar):
        refuse(archive, inside, r"'good.txt\\x00evil' has control or undecodable characters")


def test_a_name_that_is_not_of_its_encoding(tmp_path, inside):
    file = tmp_path / "a.tar"
    with tarfile.open(file, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as tar:
        tar.addfile(tarfile.TarInfo("strasse_\xdf"))
    refuse(file, inside, r"'strasse_\\udcdf' has control or undecodable characters")


@pytest.mark.parametrize("name", ["x" * 256, "ä" * 128, "x/" * 600 + "x"])
def test_over_long_names(pack, inside, name):
    refuse(pack([(name, b"x")]), inside, f"member '{name[:100]}'... has too long a name")


def test_names_as_long_as_may_be(pack, inside):
    name = "x" * 255 + "/" + "ä" * 127
    unpack(pack([(name, b"x")]), inside, root=".", limit_bytes=LIMIT, used=EVERYTHING)
    assert contents(inside) == {name: b"x"}


def test_a_member_without_a_name(pack, inside):
    refuse(pack([("a", b"1"), (".", b"x")]), inside, "'.' has no name")


def test_a_zip_member_without_even_a_dot(tmp_path, inside):
    refuse(zip_of(tmp_path / "a.zip", [(zipfile.ZipInfo(""), b"x")]), inside, "'' has no name")


def test_nothing_under_the_root(pack, inside):
    refuse(pack([("other/a", b"1")]), inside, "no files under 's'", root="s")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "content", [b"", b"no archive at all" * 100, b"<html>Sign in</html>"], ids=["", "text", "page"]
)
def test_no_archive_at_all(tmp_path, inside, kind, content):
    archive = tmp_path / f"a.{kind}"
    archive.write_bytes(content)
    refuse(archive, inside, "cannot be unpacked")
    with pytest.raises(RoadshiftError, match=f"^here: not a complete {kind[:3]} file$"):
        require_archive(archive, archive.name, "here")


@pytest.mark.parametrize(
    ("kind", "start"),
    [
        ("7z", b"7z\xbc\xaf\x27\x1c\0\4"),
        ("rar", b"Rar!\x1a\x07\1\0"),
        ("zstd", b"\x28\xb5\x2f\xfd\4"),
        ("gzip", gzip.compress(b"nor this", mtime=0)),
        ("bzip2", bz2.compress(b"nor this")),
        ("xz", lzma.compress(b"nor this")),
        ("zip", b"PK\3\4"),
    ],
    ids=["7z", "rar", "zstd", "gzip", "bzip2", "xz", "zip"],
)
def test_a_file_of_another_kind_than_its_name_says_is_not_called_damaged(
    tmp_path, inside, kind, start
):
    for named in ("tar",) if kind == "zip" else ("zip",):
        archive = tmp_path / f"a.{named}"
        archive.write_bytes(start + bytes(1000))
        match = f"is a {kind} file, not the {named} file that its name says; unpack it with another"
        error = refuse(archive, inside, match)
        assert "damaged" not in str(error)
        with pytest.raises(RoadshiftError, match=f"^here: {match}"):
            require_archive(archive, archive.name, "here")


@pytest.mark.parametrize("mode", MODES.values())
@pytest.mark.parametrize("suffix", TAR_SUFFIXES)
def test_a_tar_file_is_read_by_its_content_whatever_its_compression(tmp_path, inside, suffix, mode):
    # Some servers and browsers undo the compression, and leave the name.
    archive = tar_of(tmp_path / f"a{suffix.upper()}", [("a", b"1")], mode)
    require_archive(archive, archive.name, "here")
    unpack(archive, inside, root=".", limit_bytes=LIMIT, used=EVERYTHING)
    assert contents(inside) == {"a": b"1"}


def test_an_xz_file_of_several_streams(tmp_path, inside):
    tar = tar_of(tmp_path / "a.tar", [("a", bytes(9000)), ("b", b"2")]).read_bytes()
    parts = [lzma.compress(tar[:5000]), bytes(8), lzma.compress(tar[5000:]), bytes(4)]
    archive = tmp_path / "a.tar.xz"
    archive.write_bytes(b"".join(parts))
    unpack(archive, inside, root=".", limit_bytes=LIMIT, used=EVERYTHING)
    assert contents(inside) == {"a": bytes(9000), "b": b"2"}


def test_an_xz_file_that_would_fill_the_memory(tmp_path, inside):
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
    tar = tar_of(tmp_path / "a.tar", [("a", b"1")]).read_bytes()
    packed = bytearray(lzma.compress(tar, filters=filters))
    block = 12  # after the header of the stream
    end = block + 4 * (packed[block] + 1) - 4
    packed[packed.index(b"\x21\1", block) + 2] = 38  # a dictionary of 2 GiB
    packed[end : end + 4] = zlib.crc32(packed[block:end]).to_bytes(4, "little")
    archive = tmp_path / "a.tar.xz"
    archive.write_bytes(packed)
    match = "needs more than 256 MiB of memory to unpack; unpack it with another program"
    refuse(archive, inside, match)
    with pytest.raises(RoadshiftError, match=f"^here: {match}"):
        require_archive(archive, archive.name, "here")


def test_a_part_of_a_zip_file_is_not_called_damaged(tmp_path, inside):
    data = bytearray(zip_of(tmp_path / "a.zip", [("a", b"1")]).read_bytes())
    # A zip64 locator that counts two disks, before the end of the central directory.
    locator = b"PK\6\7" + bytes(12) + (2).to_bytes(4, "little")
    end = data.index(b"PK\5\6")
    data[end:end] = bytes(56) + locator
    (tmp_path / "a.zip").write_bytes(data)
    refuse(tmp_path / "a.zip", inside, "is one part of a zip file in several parts, which is not")


def test_a_gzipped_archive_that_ends_within_its_first_header(tmp_path):
    good = tar_of(tmp_path / "a.tar.gz", [("a", b"1")], "w:gz").read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(good[:40])
    with pytest.raises(RoadshiftError, match="not a complete tar file"):
        require_archive(tmp_path / "a.tar.gz", "a.tar.gz", "here")


def test_what_is_an_archive(pack):
    archive = pack([("a", b"1")])
    require_archive(archive.rename(archive.with_name("a.part")), archive.name, "here")


def test_an_encrypted_member(tmp_path, inside):
    archive = zip_of(tmp_path / "a.zip", [("good", b"1"), ("a", b"secret")])
    data = bytearray(archive.read_bytes())
    for signature, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.rindex(signature) + place] |= 1
    archive.write_bytes(data)
    refuse(archive, inside, "member 'a' is encrypted")
    assert not list(inside.iterdir())


def test_a_method_of_packing_that_is_not_known(tmp_path, inside):
    archive = zip_of(tmp_path / "a.zip", [("a", b"1")])
    data = bytearray(archive.read_bytes())
    for signature, place in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        data[data.index(signature) + place] = 97
    archive.write_bytes(data)
    error = refuse(archive, inside, "is packed with a method that is not supported .*; unpack it")
    assert "damaged" not in str(error)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_content_that_fails_its_checksum(tmp_path, inside, kind):
    archive = tmp_path / f"a.{kind}"
    if kind == "zip":
        data = bytearray(zip_of(archive, [("a", b"some text")], zipfile.ZIP_STORED).read_bytes())
        data[data.index(b"some text")] ^= 1
    else:
        tar = tar_of(tmp_path / "a.tar", [("a", b"some text")]).read_bytes()
        data = bytearray(gzip.compress(tar, compresslevel=0))
        data[data.index(b"some text")] ^= 1
    archive.write_bytes(data)
    refuse(archive, inside, "cannot be unpacked .*(CRC|checksum)")


def flipped_and_cut(good, step):
    for n in range(0, len(good), step):
        yield good[:n]
        yield good[:n] + bytes([good[n] ^ 32]) + good[n + 1 :]


def test_a_zip_file_cut_short_or_flipped_anywhere(tmp_path, inside):
    content = {"set/a": b"some text " * 20, "set/b": bytes(range(256))}
    archive = tmp_path / "a.zip"
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        buffer = io.BytesIO()
        zip_of(buffer, content.items(), compression)
        good = buffer.getvalue()
        refused = 0
        for damaged in flipped_and_cut(good, 5):
            archive.write_bytes(damaged)
            try:
                unpack(archive, inside, root="set", limit_bytes=LIMIT, used=EVERYTHING)
            except RoadshiftError:
                refused += 1
            else:
                # Names, dates and comments have no checksum; what a file holds has one.
                assert set(contents(inside).values()) <= set(content.values())
            for file in [p for p in inside.rglob("*") if p.is_file()]:
                file.unlink()
        assert refused > len(good) / 5


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2", "tar.xz"])
def test_a_packed_tar_file_cut_short_or_flipped_anywhere(tmp_path, inside, kind):
    content = {"set/a": b"some text " * 20, "set/b": bytes(range(256))}
    archive = tmp_path / f"a.{kind}"
    good = tar_of(archive, content.items(), MODES[kind]).read_bytes()
    for damaged in flipped_and_cut(good, 3):
        archive.write_bytes(damaged)
        try:
            unpack(archive, inside, root="set", limit_bytes=LIMIT, used=EVERYTHING)
        except RoadshiftError:
            continue
        assert contents(inside) == {name: content[name] for name in content}


def test_a_tar_file_cut_short_anywhere_is_not_a_shorter_set(tmp_path, inside):
    archive = tar_of(tmp_path / "a.tar", [("set/a", b"1" * 600), ("set/b", b"2" * 512)])
    good = archive.read_bytes()
    end = 512 + 2 * 512 + 512 + 512  # a header and 600 bytes, a header and 512 bytes
    assert good[end:] == bytes(len(good) - end)
    for n in range(0, end + 1, 64):
        archive.write_bytes(good[:n])
        refuse(archive, inside, "cannot be unpacked|has nothing")


def test_a_damaged_tar_header_is_not_the_end_of_the_set(tmp_path, inside):
    archive = tar_of(tmp_path / "a.tar", [("set/a", b"1"), ("set/b", b"2"), ("set/c", b"3")])
    good = archive.read_bytes()
    second = good.index(b"set/b")
    archive.write_bytes(good[:second] + b"?" + good[second + 1 :])
    refuse(archive, inside, "cannot be unpacked")
