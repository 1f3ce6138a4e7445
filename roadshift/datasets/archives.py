"""Unpacking archives that came from outside."""

import gzip
import lzma
import re
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from roadshift.datasets.disk import require_space
from roadshift.errors import RoadshiftError
from roadshift.outputs import no_room
from roadshift.progress import progress_bar

MOST_MEMBERS = 1_000_000
LONGEST_NAME = 255
"""Bytes of a part of a path that common file systems take."""
LONGEST_PATH = 1000
"""Bytes of a member's path, which leaves some for the folder within the 4096 (1024) of Linux
(macOS)."""
LONGEST_TAR_EXTENSION = 1 << 20
"""Bytes of a tar header's extension, which is read into memory at once."""
TAR_EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
GZIPPED = (".tar.gz", ".tgz")
MOST_DEFLATED = 1032
"""Bytes that one byte of a deflated stream comes to at most."""

# What `zipfile`, `tarfile` and the decompressors behind them raise; RuntimeError is for methods
# of packing that they do not know.
UNREADABLE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
)


def require_archive(file: Path, name: str, shown: str) -> None:
    """Stops at a file that is not of the kind its name says, before it is taken for an archive.

    Args:
        file: the file, whatever it is called as yet.
        name: the archive's name.
        shown: how the message calls it.

    Raises:
        RoadshiftError: it begins, or as a zip file ends, otherwise.
    """
    tar = _is_tar(name)
    try:
        sound = tarfile.is_tarfile(file) if tar else zipfile.is_zipfile(file)
    except UNREADABLE:
        sound = False
    if not sound:
        raise RoadshiftError(f"{shown}: is not a {'tar' if tar else 'zip'} file, or cut short")


def unpack(
    archive: Path, folder: Path, root: str, limit_bytes: int, limit_members: int = MOST_MEMBERS
) -> None:
    """Unpacks the members of a zip or tar file that lie under `root` into `folder`.

    An archive within it is a file as any other, and stays packed.

    Args:
        archive: the file; a tar file's name says so ('.tar', '.tar.gz', '.tgz').
        folder: an existing folder; member paths are kept below it.
        root: members elsewhere in the archive are left out; '.' takes all of them.
        limit_bytes: what the members may come to in all.
        limit_members: how many there may be, those elsewhere included.

    Raises:
        RoadshiftError: the archive is damaged or has nothing under `root`; or a member is
            absolute, climbs out with '..', is a link or a device, has a name that some disk would
            take for another's, is encrypted, or expands beyond the limit; or the disk is too
            small.
    """
    gate = _Gate(archive, root, limit_bytes, limit_members)
    try:
        unpack_members = _unpack_tar if _is_tar(archive.name) else _unpack_zip
        unpack_members(archive, folder, gate)
    except UNREADABLE as error:
        if isinstance(error, OSError) and no_room(error):
            raise
        raise RoadshiftError(
            f"{archive}: cannot be unpacked ({error}); if the file is damaged, fetch it anew"
        ) from None
    if not gate.files:
        raise RoadshiftError(f"{archive}: has nothing under '{root}'")


class _Gate:
    """Lets in the members that can do no harm, and stops at the first that could."""

    def __init__(self, archive: Path, root: str, limit_bytes: int, limit_members: int):
        self.archive, self.root = archive, root
        self.limit_bytes, self.limit_members = limit_bytes, limit_members
        self.members = self.bytes = 0
        self.files: dict[str, str] = {}
        self.folders: set[str] = set()

    def admit(self, name: str, mode: int, size: int) -> bool:
        """Whether a member is a file that is wanted.

        Args:
            name: as the archive has it.
            mode: its file type, as in `stat`.
            size: in bytes, as its header states it.
        """
        self.members += 1
        if self.members > self.limit_members:
            raise self.refusal(name, f"is one more than the {self.limit_members} there may be")
        path = self._safe_path(name)
        if mode not in (stat.S_IFREG, stat.S_IFDIR):
            raise self.refusal(name, "is a link or a device")
        if not path.is_relative_to(self.root):
            return False
        if not path.parts and mode == stat.S_IFREG:
            raise self.refusal(name, "has no name")
        self._require_place_of_its_own(path, name, is_folder=mode == stat.S_IFDIR)
        if mode == stat.S_IFDIR:
            return False
        self.bytes += size
        if size < 0 or self.bytes > self.limit_bytes:
            raise RoadshiftError(
                f"{self.archive}: expands beyond the size its card states, at {_short(name)}"
            )
        return True

    def refusal(self, name: str, why: str) -> RoadshiftError:
        return RoadshiftError(f"{self.archive}: member {_short(name)} {why}")

    def _safe_path(self, name: str) -> PurePosixPath:
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
            raise self.refusal(name, "has control or undecodable characters in its name")
        path = PurePosixPath(name)
        outside = path.is_absolute() or ".." in path.parts
        if outside or "\\" in name or re.match("[A-Za-z]:", name):
            raise self.refusal(name, "would leave its folder")
        if len(name.encode()) > LONGEST_PATH or any(
            len(part.encode()) > LONGEST_NAME for part in path.parts
        ):
            raise self.refusal(name, "has an over-long name")
        return path

    def _require_place_of_its_own(self, path: PurePosixPath, name: str, is_folder: bool) -> None:
        """Refuses what would come to lie on another member, on a disk that ignores case too."""
        key = _key(path)
        if key in self.files and not is_folder:
            other = self.files[key]
            raise self.refusal(
                name,
                "comes twice" if other == str(path) else f"differs from {other!r} in case only",
            )
        folders = {_key(folder) for folder in path.parents} | ({key} if is_folder else set())
        if (not is_folder and key in self.folders) or folders & self.files.keys():
            raise self.refusal(name, "makes a file and a folder of one name")
        self.folders |= folders
        if not is_folder:
            self.files[key] = str(path)


class _Header(tarfile.TarInfo):
    """A tar header; a damaged or missing one is an error, and not the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise  # the mark of the end
            raise tarfile.ReadError(str(error)) from None
        if header.type in TAR_EXTENSIONS and header.size > LONGEST_TAR_EXTENSION:
            raise tarfile.ReadError("a header of more than 1 MiB")
        return header


def _unpack_zip(archive: Path, folder: Path, gate: _Gate) -> None:
    with zipfile.ZipFile(archive) as file:
        # All are looked at before the first is written.
        wanted = [member for member in file.infolist() if _admit_zipped(member, gate)]
        require_space(folder, gate.bytes, str(archive))
        with progress_bar(f"unpack {archive.name}", "file", len(wanted)) as progress:
            for member in wanted:
                # The module reads no more than the size the header states, so the bound holds.
                with file.open(member) as source:
                    _write(source, folder / member.filename)
                progress.update()


def _admit_zipped(member: zipfile.ZipInfo, gate: _Gate) -> bool:
    # The name as it stands in the file: the module's own ends at a NUL.
    name = member.orig_filename if "\0" in member.orig_filename else member.filename
    mode = stat.S_IFMT(member.external_attr >> 16)
    if mode in (0, stat.S_IFREG, stat.S_IFDIR):  # archives made on Windows state none
        mode = stat.S_IFDIR if name.endswith("/") else stat.S_IFREG
    if not gate.admit(name, mode, member.file_size):
        return False
    if member.flag_bits & 1:
        raise gate.refusal(name, "is encrypted")
    return True


def _unpack_tar(archive: Path, folder: Path, gate: _Gate) -> None:
    # A tar file has no list of members and may be very large: it is read once, front to end. What
    # it takes is bounded by its card, and by what its bytes can hold.
    packed = archive.name.endswith(GZIPPED)
    most = archive.stat().st_size * (MOST_DEFLATED if packed else 1)
    require_space(folder, min(gate.limit_bytes, most), str(archive))
    with (
        gzip.open(archive) if packed else archive.open("rb") as stream,
        tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header) as file,
        progress_bar(f"unpack {archive.name}", "file", None) as progress,
    ):
        for member in file:
            mode = stat.S_IFREG if member.isfile() else stat.S_IFDIR if member.isdir() else 0
            if gate.admit(member.name, mode, member.size):
                source = file.extractfile(member)
                assert source is not None  # noqa: S101 - it is for members that are no files
                with source:
                    _write(source, folder / member.name)
                progress.update()
        # The checksum of what is gzipped stands at its end, behind the tar file's own.
        while stream.read(1 << 20):
            pass


def _write(source: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)


def _is_tar(name: str) -> bool:
    return name.endswith((".tar", *GZIPPED))


def _key(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()


def _short(name: str) -> str:
    return repr(name) if len(name) <= 100 else f"{name[:100]!r}..."
