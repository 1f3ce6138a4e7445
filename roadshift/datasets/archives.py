"""Unpacking archives that came from outside."""

import lzma
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from roadshift.errors import RoadshiftError
from roadshift.progress import progress_bar

# What `zipfile` and the decompressors behind it raise; RuntimeError is for encrypted members.
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)


def unpack(archive: Path, folder: Path, root: str, limit_bytes: int) -> None:
    """Unpacks the members of a zip file that lie under `root` into `folder`.

    Args:
        archive: the zip file.
        folder: an existing folder; member paths are kept below it.
        root: members elsewhere in the archive are left out; '.' takes all of them.
        limit_bytes: what the members may come to in all.

    Raises:
        RoadshiftError: the archive is damaged or has nothing under `root`; or a member is
            absolute, climbs out with '..', is a link or a device, or expands beyond the limit.
    """
    try:
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


def _wanted(archive: Path, member: zipfile.ZipInfo, root: str) -> bool:
    path = PurePosixPath(member.filename)
    mode = member.external_attr >> 16
    if path.is_absolute() or ".." in path.parts or "\\" in member.filename:
        raise RoadshiftError(f"{archive}: member {member.filename!r} would leave its folder")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise RoadshiftError(f"{archive}: member {member.filename!r} is a link or a device")
    return not member.is_dir() and path.is_relative_to(root)


def _unpack_one(
    file: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, left: int, archive: Path
) -> int:
    target = folder / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.file_size > left:
        raise RoadshiftError(
            f"{archive}: expands beyond the size its card states, at {member.filename!r}"
        )
    # The module reads no more than the size the header states, so the bound above holds.
    with file.open(member) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
    return left - member.file_size
