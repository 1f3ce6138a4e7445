"""Unpacking of archives from untrusted sources."""

import bz2
import gzip
import io
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Container, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from roadshift.atomic import no_room
from roadshift.datasets.card import TAR_SUFFIXES
from roadshift.download.disk import require_space
from roadshift.download.member_gate import Gate, short_name
from roadshift.errors import RoadshiftError
from roadshift.progress import progress_bar

LONGEST_TAR_EXTENSION = 1 << 20
"""Largest number of bytes in a tar header's extension, which is read into memory at once."""
TAR_EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
XZ_MEMORY = 256 << 20
"""Largest memory, in bytes, for unpacking xz; its strongest preset takes 65 MiB."""
ZIP, GZIP, BZIP2, XZ = "zip", "gzip", "bzip2", "xz"
SIGNATURES = {
    b"PK\3\4": ZIP,
    b"\x1f\x8b": GZIP,
    b"BZh": BZIP2,
    b"\xfd7zXZ\0": XZ,
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x28\xb5\x2f\xfd": "zstd",
}
"""Kinds of archives and compressed files by the bytes that they begin with."""
MOST_DEFLATED = 1032
"""Largest number of bytes that one byte of a deflated stream expands to."""

# Errors of `zipfile`, `tarfile` and their decompressors; RuntimeError is for unknown compression
# methods.
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
    MemoryError,
)


class Unpacked(NamedTuple):
    """Numbers of an archive's members, without folders.

    Attributes:
        members: all of them.
        left_out: those that are not used, and were not written.
    """

    members: int
    left_out: int


def require_archive(file: Path, name: str, shown: str) -> None:
    """Checks that a file is the kind of archive that its name says.

    Args:
        file: path of the file, under any name.
        name: file name of the archive; a name of `TAR_SUFFIXES` means tar, all others zip.
        shown: name of the file in the error message.

    Raises:
        RoadshiftError: the file is of another kind, or is cut short.
    """
    try:
        if not _is_tar(name):
            zipfile.ZipFile(file).close()
            return
        with _tar_stream(file) as stream, tarfile.open(fileobj=stream, mode="r|"):
            return
    except UNREADABLE as error:
        if why := _unsupported(file, name, error):
            raise RoadshiftError(f"{shown}: {why}") from None
    raise RoadshiftError(f"{shown}: not a complete {'tar' if _is_tar(name) else 'zip'} file")


def unpack(
    archive: Path,
    folder: Path,
    *,
    root: str,
    limit_bytes: int,
    used: Container[str],
) -> Unpacked:
    r"""Unpacks the members of a zip or tar file that lie under `root` into `folder`.

    An archive within the archive stays packed, and what is not used is not written.

    Args:
        archive: path of the file; a name of `TAR_SUFFIXES` means tar, all others zip. A zip file
            made on Windows may have '\' instead of '/' in the paths of all its members.
        folder: an existing folder; gets the members under their paths in the archive.
        root: path within the archive; members outside it are left out. '.' takes all members.
        limit_bytes: largest total size of the unpacked members.
        used: paths of members, with '/', that are unpacked. The text of it, for an error, says what
            they look like.

    Raises:
        RoadshiftError: the archive is damaged, of another kind or packed with a method that is not
            supported, or has nothing to unpack; or a member is absolute or climbs out with '..'; or
            a member to unpack is a link or a device, has a name that some file system would take
            for another's, is encrypted, or expands beyond the limit; or the disk is too small.
    """
    gate = Gate(archive, root=root, used=used, limit_bytes=limit_bytes)
    try:
        unpack_members = _unpack_tar if _is_tar(archive.name) else _unpack_zip
        unpack_members(archive, folder, gate)
    except UNREADABLE as error:
        if isinstance(error, OSError) and no_room(error):
            raise
        if why := _unsupported(archive, archive.name, error):
            raise RoadshiftError(f"{archive}: {why}") from None
        raise RoadshiftError(
            f"{archive}: cannot be unpacked ({error}); if the file is damaged, get it again"
        ) from None
    if not gate.files and gate.unused:
        raise RoadshiftError(
            f"{archive}: none of its {gate.seen} files is one that the layout uses ({used}), "
            f"the first is {short_name(gate.unused)}; get the publisher's archive, or correct the "
            "layout in the card"
        )
    if not gate.files:
        raise RoadshiftError(
            f"{archive}: has no files under '{root}'; get the publisher's archive, or correct "
            "layout.root in the card"
        )
    return Unpacked(members=gate.seen, left_out=gate.seen - len(gate.files))


class _Header(tarfile.TarInfo):
    """A tar header; a damaged or missing one raises an error instead of ending the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise  # a block of zeros marks the end
            raise tarfile.ReadError(str(error)) from None
        if header.type in TAR_EXTENSIONS and header.size > LONGEST_TAR_EXTENSION:
            raise tarfile.ReadError("a header of more than 1 MiB")
        return header


def _unpack_zip(archive: Path, folder: Path, gate: Gate) -> None:
    with zipfile.ZipFile(archive) as file:
        members = file.infolist()
        if not any("/" in member.filename for member in members):
            for member in members:  # made on Windows, where a backslash separates folders
                member.filename = member.filename.replace("\\", "/")
        # All members are checked before the first is written.
        wanted = [member for member in members if _admit_zipped(member, gate)]
        require_space(folder, gate.bytes, str(archive))
        with progress_bar(f"unpack {archive.name}", "file", len(wanted)) as progress:
            for member in wanted:
                # `zipfile` reads no more than the size in the header, so the limit holds.
                with file.open(member) as source:
                    _write(source, folder / member.filename)
                progress.update()


def _admit_zipped(member: zipfile.ZipInfo, gate: Gate) -> bool:
    # The name as stored in the file: `zipfile` cuts its `filename` at a NUL.
    name = member.orig_filename if "\0" in member.orig_filename else member.filename
    mode = stat.S_IFMT(member.external_attr >> 16)
    if mode in (0, stat.S_IFREG, stat.S_IFDIR):  # archives made on Windows have no mode
        mode = stat.S_IFDIR if name.endswith("/") else stat.S_IFREG
    if not gate.admit(name, mode, member.file_size):
        return False
    if member.flag_bits & 1:
        raise gate.refusal(name, "is encrypted")
    return True


def _unpack_tar(archive: Path, folder: Path, gate: Gate) -> None:
    # A tar file has no list of members and may be very large, so it is read only once. Its unpacked
    # size is bounded by the card, and by the size that its bytes can expand to.
    expansion = {None: 1, GZIP: MOST_DEFLATED}.get(_signature(archive))
    limit = gate.limit_bytes
    if expansion is not None:
        limit = min(limit, expansion * archive.stat().st_size)
    require_space(folder, limit, str(archive))
    with (
        _tar_stream(archive) as stream,
        tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header) as file,
        progress_bar(f"unpack {archive.name}", "file", None) as progress,
    ):
        for member in file:
            mode = stat.S_IFREG if member.isfile() else stat.S_IFDIR if member.isdir() else 0
            if gate.admit(member.name, mode, member.size):
                source = file.extractfile(member)
                assert source is not None  # noqa: S101 - None is for members that are not files
                with source:
                    _write(source, folder / member.name)
                progress.update()
        # Reads to the end of the stream, where its checksum is: the tar file ends before.
        while stream.read(1 << 20):
            pass


def _write(source: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)


class _XzReader(io.RawIOBase):
    """The unpacked bytes of an xz file, in bounded memory; `lzma.open` takes what the file says."""

    def __init__(self, file: IO[bytes]):
        self._file = file
        self._decompressor = self._new()

    @staticmethod
    def _new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        target = memoryview(buffer)
        while True:
            packed = b""
            if self._decompressor.eof:
                # Another stream may follow, after a padding of zeros.
                packed = self._decompressor.unused_data.lstrip(b"\0")
                while not packed and (chunk := self._file.read(1 << 16)):
                    packed = chunk.lstrip(b"\0")
                if not packed:
                    return 0
                self._decompressor = self._new()
            elif self._decompressor.needs_input:
                packed = self._file.read(1 << 16)
                if not packed:
                    raise EOFError("the compressed file ends too early")
            if unpacked := self._decompressor.decompress(packed, len(target)):
                target[: len(unpacked)] = unpacked
                return len(unpacked)


@contextmanager
def _tar_stream(file: Path) -> Iterator[IO[bytes]]:
    """Context manager: opens a tar file for reading, without its compression, if any.

    The content tells the compression: some servers and browsers remove it, and leave the name.
    """
    signature = _signature(file)
    with ExitStack() as stack:
        stream: Any = stack.enter_context(file.open("rb"))
        if signature == GZIP:
            stream = stack.enter_context(gzip.open(stream))
        elif signature == BZIP2:
            stream = stack.enter_context(bz2.open(stream))
        elif signature == XZ:
            stream = stack.enter_context(io.BufferedReader(_XzReader(stream), 1 << 16))
        yield stream


def _is_tar(name: str) -> bool:
    return name.lower().endswith(TAR_SUFFIXES)


def _signature(file: Path) -> str | None:
    """The kind of archive or compressed file that a file's first bytes tell; None if unknown."""
    with file.open("rb") as stream:
        start = stream.read(max(map(len, SIGNATURES)))
    return next((kind for bytes_, kind in SIGNATURES.items() if start.startswith(bytes_)), None)


def _unsupported(file: Path, name: str, error: Exception) -> str | None:
    """Returns what is not supported about a file that cannot be read, and what to do about it.

    None for a file that is rather damaged, or that the system does not let one read.
    """
    if isinstance(error, OSError):
        return None
    wanted, kind = "tar" if _is_tar(name) else "zip", _signature(file)
    if kind not in ((None, GZIP, BZIP2, XZ) if wanted == "tar" else (None, ZIP)):
        why = f"is a {kind} file, not the {wanted} file that its name says"
    elif isinstance(error, NotImplementedError):
        why = f"is packed with a method that is not supported ({error})"
    elif isinstance(error, zipfile.BadZipFile) and "multiple disks" in str(error):
        why = "is one part of a zip file in several parts, which is not supported"
    elif isinstance(error, MemoryError):
        why = "needs more memory to unpack than there is"
    elif isinstance(error, lzma.LZMAError) and "emory" in str(error):
        why = f"needs more than {XZ_MEMORY >> 20} MiB of memory to unpack"
    else:
        return None
    return f"{why}; unpack it with another program and pack the files again as {wanted}"
