"""Unpacking archives that came from outside."""

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from roadshift.errors import RoadshiftError
from roadshift.progress import progress_bar

# What `zipfile`, `tarfile` and the decompressors behind them raise; RuntimeError is for encrypted
# members.
UNREADABLE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)


def unpack(archive: Path, folder: Path, root: str, limit_bytes: int) -> None:
    """Unpacks the members of a zip or tar file that lie under `root` into `folder`.

    Args:
        archive: the file; a tar file's name says so ('.tar', '.tar.gz', '.tgz').
        folder: an existing folder; member paths are kept below it.
        root: members elsewhere in the archive are left out; '.' takes all of them.
        limit_bytes: what the members may come to in all.

    Raises:
        RoadshiftError: the archive is damaged or has nothing under `root`; or a member is
            absolute, climbs out with '..', is a link or a device, or expands beyond the limit.
    """
    try:
        if archive.name.endswith((".tar", ".tar.gz", ".tgz")):
            _unpack_tar(archive, folder, root, limit_bytes)
            return
        with zipfile.ZipFile(archive) as file:
            members = [m for m in file.infolist() if _wanted(archive, m, root)]
            if not members:
                raise RoadshiftError(f"{archive}: has nothing under '{root}'")
            left = limit_bytes
            with progress_bar(f"unpack {archive.name}", "file", len(members)) as progress:
                for member in members:
                    left = _unpack_one(file, member, folder, left, archive)
                    progress.update()
    except UNREADABLE as error:
        raise RoadshiftError(
            f"{archive}: cannot be unpacked ({error}); if the file is damaged, fetch it anew"
        ) from None


def _unpack_tar(archive: Path, folder: Path, root: str, left: int) -> None:
    count = 0
    # Read once from front to end: a tar file has no list of members, and may be very large.
    with (
        tarfile.open(archive, "r|*") as file,
        progress_bar(f"unpack {archive.name}", "file", None) as progress,
    ):
        for member in file:
            if not (member.isfile() or member.isdir()):
                raise RoadshiftError(f"{archive}: member {member.name!r} is a link or a device")
            if not _lies_under(archive, member.name, root) or member.isdir():
                continue
            source = file.extractfile(member)
            assert source is not None  # noqa: S101 - it is for members that are no files
            with source:
                left = _write(source, member.name, member.size, folder, left, archive)
            count += 1
            progress.update()
    if not count:
        raise RoadshiftError(f"{archive}: has nothing under '{root}'")


def _lies_under(archive: Path, name: str, root: str) -> bool:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise RoadshiftError(f"{archive}: member {name!r} would leave its folder")
    return path.is_relative_to(root)


def _wanted(archive: Path, member: zipfile.ZipInfo, root: str) -> bool:
    mode = member.external_attr >> 16
    wanted = _lies_under(archive, member.filename, root)
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise RoadshiftError(f"{archive}: member {member.filename!r} is a link or a device")
    return not member.is_dir() and wanted


def _unpack_one(
    file: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, left: int, archive: Path
) -> int:
    # The module reads no more than the size the header states, so the bound holds.
    with file.open(member) as source:
        return _write(source, member.filename, member.file_size, folder, left, archive)


def _write(source: IO[bytes], name: str, size: int, folder: Path, left: int, archive: Path) -> int:
    if size > left:
        raise RoadshiftError(f"{archive}: expands beyond the size its card states, at {name!r}")
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
    return left - size
