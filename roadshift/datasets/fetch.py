"""Getting a publisher's archives: from the user's hands, from a mirror, or from the publisher."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from tqdm import tqdm

from roadshift.checksum import sha256_of
from roadshift.datasets.archives import require_archive
from roadshift.datasets.card import Archive
from roadshift.datasets.transfer import Patience, TransferError, download, is_there, read_text
from roadshift.errors import RoadshiftError

MIRROR_VARIABLE = "ROADSHIFT_MIRROR"
SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Places:
    """Where archives are looked for, and where downloads are kept."""

    by_hand: Path
    """A folder where a person puts archives, looked at first; it need not exist."""
    downloads: Path
    """A folder of this set's own for downloads, whole or partial; it need not exist. An unfinished
    download goes on from what an earlier run left in it."""
    mirror: str | None = None
    """A folder, or the URL of one, with archives, preferred to the publisher. As in `by_hand`, a
    `SHA256SUMS` that lies there is held to."""


@dataclass(frozen=True)
class Source:
    """Where an archive was found."""

    archive: Archive
    where: Path | str
    """A file, or a URL."""
    sha256: str | None
    """What is known of it, by the place's `SHA256SUMS` or else by the card."""


def locate(archives: Iterable[Archive], places: Places, patience: Patience) -> list[Source]:
    """Finds each archive in the first place that has it, before any is fetched.

    Raises:
        RoadshiftError: some are nowhere, and the message says of all of them what to do by hand;
            or a place cannot be searched.
    """
    found = {archive: _locate(archive, places, patience) for archive in archives}
    missing = [archive for archive, source in found.items() if source is None]
    if missing:
        names = ", ".join(f"'{archive.name}'" for archive in missing)
        raise RoadshiftError(
            f"{names} {'is' if len(missing) == 1 else 'are'} not in "
            f"{places.mirror or places.by_hand.absolute()}, and no program may fetch "
            f"{'it' if len(missing) == 1 else 'them'}; {explain_by_hand(missing, places)}"
        )
    return [source for source in found.values() if source is not None]


def fetch(source: Source, places: Places, patience: Patience, stop: Event) -> Path:
    """Returns an archive's file, checked; one that lies on this machine is used where it is.

    Args:
        source: where it is.
        places: where a download is kept.
        patience: bounds on waiting and trying.
        stop: ends a download when another thread sets it.

    Raises:
        RoadshiftError: it cannot be had, or it is not what its checksum says.
    """
    if isinstance(source.where, Path):
        _verify(source.where, source.sha256, str(source.where))
        return source.where
    url, name = source.where, source.archive.name

    def check(file: Path) -> None:
        _verify(file, source.sha256, url)
        require_archive(file, name, url)

    try:
        download(url, places.downloads / name, check, patience, stop)
    except TransferError as error:
        raise RoadshiftError(f"{error}; {explain_by_hand([source.archive], places)}") from None
    return places.downloads / name


def explain_by_hand(archives: Iterable[Archive], places: Places) -> str:
    """What a person has to do, in three lines: where from, where to, and what else would do."""
    origins: dict[str, list[str]] = {}
    for archive in archives:
        origins.setdefault(archive.by_hand or str(archive.url), []).append(archive.name)
    names = [name for group in origins.values() for name in group]
    ways = "; ".join(f"{', '.join(group)} ({origin})" for origin, group in origins.items())
    folder = places.by_hand.absolute()
    it, place = ("it", f"as {folder / names[0]}") if len(names) == 1 else ("them", f"into {folder}")
    return (
        f"get by hand {ways}\nand put {it} {place},\n"
        f"or set {MIRROR_VARIABLE} to the absolute path or URL of a folder that has {it}"
    )


def _locate(archive: Archive, places: Places, patience: Patience) -> Source | None:
    source = _in_folder(archive, places.by_hand)
    mirror = places.mirror
    if source is None and mirror and mirror.startswith(("http://", "https://")):
        source = _in_url(archive, mirror.rstrip("/"), places, patience)
    elif source is None and mirror:
        folder = Path(mirror).expanduser()
        if not folder.is_dir():
            raise RoadshiftError(f"{MIRROR_VARIABLE}: '{folder}' is not a folder")
        source = _in_folder(archive, folder)
    if source is None and archive.url:
        return Source(archive, archive.url, archive.sha256)
    return source


def _in_folder(archive: Archive, folder: Path) -> Source | None:
    file, sums = folder / archive.name, folder / SUMS
    if not file.is_file():
        return None
    text = sums.read_text("utf-8", "replace") if sums.is_file() else None
    return Source(archive, file, _expected(archive, text, str(sums)))


def _in_url(archive: Archive, mirror: str, places: Places, patience: Patience) -> Source | None:
    url, sums = f"{mirror}/{archive.name}", f"{mirror}/{SUMS}"
    try:
        if not is_there(url, patience):
            return None
        text = read_text(sums, patience) if is_there(sums, patience) else None
    except TransferError as error:
        raise RoadshiftError(f"{error}; {explain_by_hand([archive], places)}") from None
    return Source(archive, url, _expected(archive, text, sums))


def _expected(archive: Archive, sums: str | None, where: str) -> str | None:
    if sums is None:
        return archive.sha256
    for line in sums.splitlines():
        checksum, _, name = line.partition(" ")
        if name.strip().lstrip("*") == archive.name:
            return checksum.lower()
    raise RoadshiftError(f"{where}: does not list '{archive.name}'; add its line (sha256sum)")


def _verify(file: Path, expected: str | None, shown: str) -> None:
    found = sha256_of(file)
    if expected is None:
        tqdm.write(f"{shown}: no checksum is known; sha256 {found}")
    elif found != expected:
        raise RoadshiftError(
            f"{shown}: its sha256 is {found}, expected {expected}; fetch the file anew"
        )
