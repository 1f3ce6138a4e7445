"""Publishers' archives, fetched by hand, from a mirror, or from the publisher."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from tqdm import tqdm

from roadshift.checksum import sha256_of
from roadshift.datasets.card import ARCHIVE_SUFFIXES, Archive
from roadshift.download.archives import require_archive
from roadshift.download.http import RetryPolicy, TransferError, download, is_there, read_text
from roadshift.errors import RoadshiftError

MIRROR_VARIABLE = "ROADSHIFT_MIRROR"
SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Places:
    """Places where archives are searched, and where downloads are kept.

    The archives in `by_hand` and in `mirror` must match a `SHA256SUMS` file there, if there is one.

    Attributes:
        by_hand: folder for archives that a person fetched, searched first; it need not exist.
        downloads: folder for complete and partial downloads of this set alone; it need not exist. A
            partial download of an earlier run is resumed.
        mirror: path or URL of a folder with archives, preferred to the publisher.
    """

    by_hand: Path
    downloads: Path
    mirror: str | None = None


@dataclass(frozen=True)
class ArchiveLocation:
    """The place where an archive was found.

    Attributes:
        archive: the archive.
        where: path of a file, or a URL.
        sha256: expected SHA-256, from the place's `SHA256SUMS` or else from the card; None if
            unknown.
    """

    archive: Archive
    where: Path | str
    sha256: str | None


def locate(
    archives: Iterable[Archive], places: Places, retry_policy: RetryPolicy
) -> list[ArchiveLocation]:
    """Finds each archive in the first place that has it, before any is fetched.

    Raises:
        RoadshiftError: archives are in no place, and the message says how to get all of them by
            hand; or a place cannot be searched.
    """
    found = {archive: _locate(archive, places, retry_policy) for archive in archives}
    missing = [archive for archive, source in found.items() if source is None]
    if missing:
        names = ", ".join(f"'{archive.name}'" for archive in missing)
        raise RoadshiftError(
            f"{names} {'is' if len(missing) == 1 else 'are'} not in "
            f"{places.mirror or places.by_hand.absolute()}, and cannot be downloaded "
            f"automatically; {explain_by_hand(missing, places)}"
        )
    return [source for source in found.values() if source is not None]


def fetch(
    source: ArchiveLocation, places: Places, *, retry_policy: RetryPolicy, stop: Event
) -> Path:
    """Downloads an archive unless it is on this machine, verifies it, and returns its path.

    Args:
        source: the archive, and the file or URL where it was found.
        places: the folders of the set; the download goes to `places.downloads`.
        retry_policy: bounds on waiting and retrying.
        stop: event that ends a download when another thread sets it.

    Raises:
        RoadshiftError: the archive cannot be downloaded, or does not match its checksum.
    """
    if isinstance(source.where, Path):
        _verify(source.where, source.sha256, str(source.where))
        return source.where
    url, name = source.where, source.archive.name

    def check(file: Path) -> None:
        _verify(file, source.sha256, url)
        require_archive(file, name, url)

    try:
        download(url, places.downloads / name, check=check, retry_policy=retry_policy, stop=stop)
    except TransferError as error:
        raise RoadshiftError(f"{error}; {explain_by_hand([source.archive], places)}") from None
    return places.downloads / name


def explain_by_hand(archives: Iterable[Archive], places: Places) -> str:
    """Tells in three lines where a person gets archives, where to put them, and what else helps."""
    origins: dict[str, list[str]] = {}
    for archive in archives:
        origins.setdefault(archive.by_hand or str(archive.url), []).append(archive.name)
    names = [name for group in origins.values() for name in group]
    listed = "; ".join(f"{', '.join(group)} ({origin})" for origin, group in origins.items())
    folder = places.by_hand.absolute()
    it, place = ("it", f"as {folder / names[0]}") if len(names) == 1 else ("them", f"into {folder}")
    return (
        f"download by hand {listed}\nand save {it} {place},\n"
        f"or set {MIRROR_VARIABLE} to the absolute path or URL of a folder that has {it}"
    )


def local_archive(archive: Archive, places: Places) -> Path | None:
    """Returns the file of an archive on this machine; None if it would be downloaded.

    A publisher may hand out the same files as a zip and as a tar file, so that the archive's name
    can have another suffix of `ARCHIVE_SUFFIXES`.
    """
    folders = [places.by_hand, *filter(None, [_mirror_folder(places)])]
    suffix = max((s for s in ARCHIVE_SUFFIXES if archive.name.lower().endswith(s)), key=len)
    stem = archive.name[: -len(suffix)]
    names = [archive.name, *(f"{stem}{other}" for other in ARCHIVE_SUFFIXES)]
    files = (folder / name for folder in folders for name in names)
    return next((file for file in files if file.is_file()), None)


def _mirror_folder(places: Places) -> Path | None:
    """The mirror's folder, which may not exist; None if there is no mirror, or if it is a URL."""
    if not places.mirror or places.mirror.startswith(("http://", "https://")):
        return None
    return Path(places.mirror).expanduser()


def _locate(archive: Archive, places: Places, retry_policy: RetryPolicy) -> ArchiveLocation | None:
    file, folder = local_archive(archive, places), _mirror_folder(places)
    if file is not None:
        sums = file.with_name(SUMS)
        text = sums.read_text("utf-8", "replace") if sums.is_file() else None
        by_card = archive.sha256 if file.name == archive.name else None
        expected = by_card if text is None else _listed(file.name, text, str(sums))
        return ArchiveLocation(archive, file, expected)
    if folder is not None and not folder.is_dir():
        raise RoadshiftError(
            f"{MIRROR_VARIABLE}: '{folder}' is not a folder; give the path or URL of one"
        )
    source = None
    if places.mirror and folder is None:
        url = places.mirror.rstrip("/")
        source = _in_url(archive, url, places=places, retry_policy=retry_policy)
    if source is None and archive.url:
        return ArchiveLocation(archive, archive.url, archive.sha256)
    return source


def _in_url(
    archive: Archive, mirror: str, *, places: Places, retry_policy: RetryPolicy
) -> ArchiveLocation | None:
    url, sums = f"{mirror}/{archive.name}", f"{mirror}/{SUMS}"
    try:
        if not is_there(url, retry_policy):
            return None
        text = read_text(sums, retry_policy) if is_there(sums, retry_policy) else None
    except TransferError as error:
        raise RoadshiftError(f"{error}; {explain_by_hand([archive], places)}") from None
    expected = archive.sha256 if text is None else _listed(archive.name, text, sums)
    return ArchiveLocation(archive, url, expected)


def _listed(archive: str, sums: str, where: str) -> str:
    """Returns the checksum of an archive's name in the text of a SHA256SUMS file."""
    for line in sums.lstrip("\ufeff").splitlines():
        digest, name = _digest_and_name(line)
        if name != archive:
            continue
        if not re.fullmatch("[0-9a-f]{64}", digest):
            raise RoadshiftError(
                f"{where}: expected the 64 hexadecimal digits of a SHA-256 for '{archive}', "
                f"found {digest[:80]!r}; write the line that sha256sum prints for it"
            )
        return digest
    raise RoadshiftError(
        f"{where}: does not list '{archive}'; add the line that sha256sum prints for it"
    )


def _digest_and_name(line: str) -> tuple[str, str]:
    """Splits a line of checksums into the digest, in small letters, and the file's name.

    The line is one that sha256sum prints ('digest  name', 'digest *name'), or one in BSD's form
    ('SHA256 (name) = digest'). The name may begin with './'.
    """
    if bsd := re.fullmatch(r"\s*SHA256 ?\((.+)\) ?= ?(\S+)\s*", line):
        name, digest = bsd.groups()
    else:
        # A line begins with '\\' if sha256sum escaped the name.
        words = line.strip().removeprefix("\\").split(maxsplit=1)
        digest, name = words if len(words) == 2 else ("", "")
        name = name.removeprefix("*")
    return digest.lower(), re.sub(r"^(\.[/\\]+)+", "", name)


def _verify(file: Path, expected: str | None, shown: str) -> None:
    found = sha256_of(file)
    if expected is None:
        tqdm.write(f"{shown}: the card gives no checksum; its SHA-256 is {found}")
    elif found != expected:
        raise RoadshiftError(
            f"{shown}: its SHA-256 is {found}, expected {expected}; get the file again"
        )
