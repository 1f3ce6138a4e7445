"""Getting a publisher's archive: from a mirror, from the publisher, or from the user's hands."""

import hashlib
from pathlib import Path

import requests
from tqdm import tqdm

from roadshift.datasets.card import Archive
from roadshift.errors import RoadshiftError

TIMEOUT_SECONDS = 30
MIRROR_VARIABLE = "ROADSHIFT_MIRROR"


def fetch(archive: Archive, folder: Path, mirror: str | None) -> Path:
    """Returns the archive's file, checked against the checksum that is known of it.

    Args:
        archive: what to get.
        folder: an existing folder where a download is put.
        mirror: a folder, or the URL of one, with archives and a `SHA256SUMS`.

    Raises:
        RoadshiftError: it is nowhere to be had, or it is not what its checksum says.
    """
    if mirror and not mirror.startswith(("http://", "https://")):
        return _from_folder(archive, Path(mirror).expanduser(), folder)
    if mirror:
        return _from_url_mirror(archive, mirror.rstrip("/"), folder)
    return _from_publisher(archive, folder)


def by_hand(archive: Archive) -> str:
    """What to do where no machine can fetch the archive."""
    origin = archive.url or archive.by_hand
    return (
        f"get it by hand ({origin}), put it as '{archive.name}' into a folder, and set the "
        f"environment variable {MIRROR_VARIABLE} to that folder's absolute path"
    )


def _from_folder(archive: Archive, mirror: Path, folder: Path) -> Path:
    if not mirror.is_dir():
        raise RoadshiftError(f"{MIRROR_VARIABLE}: '{mirror}' is not a folder")
    file = mirror / archive.name
    if not file.is_file():
        if archive.url:
            return _from_publisher(archive, folder)
        raise RoadshiftError(f"'{archive.name}' is not in {mirror}: {by_hand(archive)}")
    sums = mirror / "SHA256SUMS"
    expected = (
        _listed(archive, sums.read_text("utf-8", "replace"), str(sums)) if sums.is_file() else None
    )
    _verify(file, expected or archive.sha256)
    return file


def _from_url_mirror(archive: Archive, mirror: str, folder: Path) -> Path:
    sums = _get(f"{mirror}/SHA256SUMS", archive).text
    file = _download(f"{mirror}/{archive.name}", folder / archive.name, archive)
    _verify(file, _listed(archive, sums, f"{mirror}/SHA256SUMS"))
    return file


def _from_publisher(archive: Archive, folder: Path) -> Path:
    if archive.url is None:
        raise RoadshiftError(f"'{archive.name}' cannot be fetched by itself: {by_hand(archive)}")
    file = _download(archive.url, folder / archive.name, archive)
    _verify(file, archive.sha256)
    return file


def _listed(archive: Archive, sums: str, where: str) -> str:
    for line in sums.splitlines():
        checksum, _, name = line.partition(" ")
        if name.strip().lstrip("*") == archive.name:
            return checksum.lower()
    raise RoadshiftError(f"{where}: does not list '{archive.name}'; add its line (sha256sum)")


def _verify(file: Path, expected: str | None) -> None:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    found = digest.hexdigest()
    if expected is None:
        print(f"{file.name}: no checksum is known; sha256 {found}")
    elif found != expected:
        raise RoadshiftError(
            f"{file}: its sha256 is {found}, expected {expected}; fetch the file anew"
        )


def _get(url: str, archive: Archive, stream: bool = False) -> requests.Response:
    try:
        # Unencoded, so that the bytes are those of the checksum and of Content-Length.
        headers = {"Accept-Encoding": "identity"}
        response = requests.get(url, headers=headers, stream=stream, timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
    except requests.RequestException as error:
        reason = type(error).__name__ if error.response is None else error.response.status_code
        raise RoadshiftError(f"{url}: no answer ({reason}); {by_hand(archive)}") from None
    return response


def _download(url: str, file: Path, archive: Archive) -> Path:
    with _get(url, archive, stream=True) as response, file.open("wb") as sink:
        total = int(response.headers.get("Content-Length", 0)) or None
        try:
            with tqdm(desc=file.name, total=total, unit="B", unit_scale=True) as progress:
                for block in response.iter_content(1 << 20):
                    sink.write(block)
                    progress.update(len(block))
        except (requests.RequestException, OSError) as error:
            raise RoadshiftError(
                f"{url}: cut off ({error}); run the stage again, or {by_hand(archive)}"
            ) from None
    if total is not None and file.stat().st_size != total:
        raise RoadshiftError(
            f"{url}: cut off at {file.stat().st_size} of {total} bytes; run the stage again"
        )
    return file
