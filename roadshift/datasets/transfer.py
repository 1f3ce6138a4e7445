"""Bringing a file over a network that cuts, stalls and refuses.

A transfer goes on where an earlier one was cut off, tries again what may pass, and ends either
with the whole and checked file under its name or in an error. Ours and not `urllib3.Retry` alone:
that one retries a request until its headers are there, but not a body that is cut off (urllib3
issue 2751), knows of no bound on the time in all, and cannot be woken from its sleep.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from threading import Event
from typing import TypeVar

import requests
from tqdm import tqdm
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from roadshift.datasets.disk import require_space
from roadshift.errors import RoadshiftError
from roadshift.outputs import whole_file
from roadshift.progress import progress_bar

BLOCK_BYTES = 1 << 15
"""What is read at once; a cut loses what has come of a block, so it is small."""
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be better a little later."""
ABSENT = frozenset({403, 404, 410})
"""Answers that the file is not there; some stores of objects say 403 where they hide that."""
HOPELESS = (
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.SSLError,
    requests.exceptions.TooManyRedirects,
)
SHARE = re.compile(r"https?://[^?#]+/s/[A-Za-z0-9]{6,}/?")
"""The page of a public share in Nextcloud, ownCloud and what is built on them, such as Sciebo."""
ARCHIVE_MAGIC = (b"PK", b"\x1f\x8b")

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How long a transfer waits, in seconds, and how often it tries. Nothing in it is random."""

    silence: float = 30
    """How long a server may be silent, when it is called and between bytes."""
    tries: int = 6
    """How often it is tried without a byte more than before."""
    first_wait: float = 1
    """The pause before the second try, which doubles with each that brings nothing."""
    longest_wait: float = 60
    total_wait: float = 900
    """What all pauses of a transfer may come to, those that a server asks for included."""


PATIENCE = Patience()


class TransferError(RoadshiftError):
    """The file cannot be had from there.

    Args:
        message: what happened.
        absent: whether the server says that there is no such file.
    """

    def __init__(self, message: str, absent: bool = False):
        super().__init__(message)
        self.absent = absent


class _PassingError(Exception):
    """What may be better at the next try, and the pause that the server asks for."""

    def __init__(self, reason: str, pause: float | None = None):
        super().__init__(reason)
        self.pause = pause


@dataclass(frozen=True)
class _Origin:
    """What a partial file is the beginning of."""

    url: str
    etag: str | None
    last_modified: str | None
    total: int | None

    @property
    def validator(self) -> str | None:
        """What If-Range takes: a strong ETag, or else a date."""
        weak = self.etag is None or self.etag.startswith("W/")
        return self.last_modified if weak else self.etag


@dataclass(frozen=True)
class _Kept:
    """The files that a transfer leaves beside its target: what has come, and what it is of."""

    target: Path

    @property
    def part(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def note(self) -> Path:
        return self.target.with_name(f"{self.target.name}.origin")

    def origin(self) -> _Origin | None:
        try:
            return _Origin(**json.loads(self.note.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def discard(self) -> None:
        for file in (self.target, self.part, self.note):
            file.unlink(missing_ok=True)

    def begin(self, origin: _Origin) -> None:
        """Starts a part anew; what there was goes first, so that no note is ever of other bytes."""
        self.discard()
        with whole_file(self.note) as file:
            file.write_text(json.dumps(asdict(origin)), "utf-8")


def download(
    url: str, target: Path, check: Callable[[Path], None], patience: Patience, stop: Event
) -> None:
    """Brings a URL's file, which is under its name only when it is whole and checked.

    What has come of it stays beside the target as `<name>.part`, with a note of its URL, ETag and
    date as `<name>.origin`, and a later call goes on from there.

    Args:
        url: where it is, or the page of a public share.
        target: the file, whose folder is made where it is missing.
        check: raises RoadshiftError where a whole file is not what it ought to be.
        patience: bounds on waiting and trying.
        stop: ends the transfer when another thread sets it.

    Raises:
        TransferError: it cannot be had from there.
        RoadshiftError: it fails the check, and is discarded; or the disk is too small.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    kept = _Kept(target)
    origin = kept.origin()
    if origin is None or origin.url != url:
        kept.discard()
    if target.exists():
        whole = target
    else:
        _persist(url, lambda: _go_on(url, kept, patience, stop), patience, stop, kept.size)
        whole = kept.part
    try:
        check(whole)
    except RoadshiftError as error:
        kept.discard()
        raise RoadshiftError(
            f"{error}; what was downloaded is discarded, run the stage again"
        ) from None
    os.replace(whole, target)


def read_text(url: str, patience: Patience) -> str:
    """The text of a small file.

    Raises:
        TransferError: it cannot be had.
    """

    def read() -> str:
        with _answer(url, {}, patience) as response:
            return response.content.decode("utf-8", "replace")

    return _persist(url, read, patience, Event(), lambda: 0)


def is_there(url: str, patience: Patience) -> bool:
    """Whether a server has a file.

    Raises:
        TransferError: it does not say so.
    """

    def ask() -> None:
        # Not HEAD, which not every server answers as it answers GET.
        with _answer(url, {}, patience):
            pass

    try:
        _persist(url, ask, patience, Event(), lambda: 0)
    except TransferError as error:
        if error.absent:
            return False
        raise
    return True


def _persist(
    url: str, attempt: Callable[[], T], patience: Patience, stop: Event, size: Callable[[], int]
) -> T:
    """Tries until it is done, or until the patience ends."""
    failures, waited, most = 0, 0.0, size()
    while True:
        try:
            return attempt()
        except _PassingError as error:
            failures = 1 if size() > most else failures + 1
            most = max(most, size())
            pause = min(patience.first_wait * 2 ** (failures - 1), patience.longest_wait)
            pause = pause if error.pause is None else error.pause
            waited += pause
            if failures >= patience.tries:
                raise TransferError(f"{url}: {error}, {failures} times in a row") from None
            if waited > patience.total_wait:
                raise TransferError(
                    f"{url}: {error}, and to try again means to wait {pause:.0f} s; "
                    "run the stage again later"
                ) from None
            tqdm.write(f"{url}: {error}; trying again in {pause:g} s")
        if stop.wait(pause):
            raise TransferError(f"{url}: stopped")


def _go_on(url: str, kept: _Kept, patience: Patience, stop: Event) -> None:
    """Brings what is missing of a part, or all of it where it cannot be gone on with."""
    begun, start = kept.origin(), kept.size()
    headers = {}
    if begun is not None and begun.validator is not None and start:
        if start == begun.total:
            return
        headers = {"Range": f"bytes={start}-", "If-Range": begun.validator}
    with _answer(url, headers, patience) as response:
        found = _origin_of(url, response)
        blocks = response.iter_content(BLOCK_BYTES)
        if response.status_code == 200:
            first = next(blocks, b"")
            _refuse_page(url, response, first)
            if start:
                tqdm.write(f"{url}: has changed, or cannot be gone on with; starting anew")
            start = 0
            kept.begin(found)
            blocks = chain([first], blocks)
        elif begun is None or not _goes_on(response, start, begun, found):
            kept.discard()
            raise _PassingError("what is there is not what was begun")
        require_space(kept.target.parent, (found.total or start) - start, url)
        _append(kept, blocks, start, found.total, stop)
    if found.total is not None and kept.size() != found.total:
        raise _PassingError(f"cut off at {kept.size()} of {found.total} bytes")


def _append(
    kept: _Kept, blocks: Iterable[bytes], start: int, total: int | None, stop: Event
) -> None:
    try:
        with (
            kept.part.open("ab") as sink,
            progress_bar(kept.target.name, "B", total, start) as progress,
        ):
            for block in blocks:
                sink.write(block)
                sink.flush()
                progress.update(len(block))
                if stop.is_set():
                    raise TransferError(f"{kept.target.name}: stopped")
    except requests.RequestException:  # an OSError too, but one of the network
        raise
    except OSError as error:
        raise RoadshiftError(f"{kept.part}: cannot be written ({error.strerror})") from None


@contextmanager
def _answer(url: str, headers: dict[str, str], patience: Patience) -> Iterator[requests.Response]:
    """A server's answer, whose body is yet to be read; what goes wrong is told apart."""
    expected = (200, 206, 416) if "Range" in headers else (200,)
    # Unencoded, so that the bytes are those of the checksum and of Content-Length.
    headers = {"Accept-Encoding": "identity", **headers}
    place = f"{url.rstrip('/')}/download" if SHARE.fullmatch(url) else url
    try:
        with requests.get(
            place, headers=headers, stream=True, timeout=patience.silence
        ) as response:
            status = f"answers {response.status_code} {response.reason}".rstrip()
            if response.status_code in PASSING:
                raise _PassingError(status, _asked_pause(response))
            if response.status_code not in expected:
                raise TransferError(f"{url}: {status}", response.status_code in ABSENT)
            yield response
    except HOPELESS as error:
        raise TransferError(f"{url}: no answer ({type(error).__name__})") from None
    except requests.exceptions.ChunkedEncodingError:
        raise _PassingError("cut off") from None
    except requests.RequestException as error:
        # A silence within the body comes as a ConnectionError that holds urllib3's.
        silent = isinstance(error, requests.Timeout) or "timed out" in str(error)
        reason = f"silent for {patience.silence:g} s" if silent else type(error).__name__
        raise _PassingError(f"no answer ({reason})") from None


def _asked_pause(response: requests.Response) -> float | None:
    asked = response.headers.get("Retry-After")
    try:
        return Retry().parse_retry_after(asked) if asked else None
    except (InvalidHeader, ValueError, OverflowError):
        return None


def _origin_of(url: str, response: requests.Response) -> _Origin:
    headers = response.headers
    whole = re.fullmatch(r"bytes \d+-\d+/(\d+)", headers.get("Content-Range", ""))
    length = headers.get("Content-Length", "")
    total = int(whole[1]) if whole else int(length) if length.isdecimal() else None
    if headers.get("Content-Encoding", "identity") != "identity":
        # Asked not to, it packs all the same: bytes on the way are not those of the file.
        return _Origin(url, None, None, None)
    return _Origin(url, headers.get("ETag"), headers.get("Last-Modified"), total)


def _goes_on(response: requests.Response, start: int, begun: _Origin, found: _Origin) -> bool:
    """Whether it is the part that was asked for, of the same file, however If-Range was taken."""
    if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        return False
    pairs = (
        (begun.total, found.total),
        (begun.etag, found.etag),
        (begun.last_modified, found.last_modified),
    )
    return all(before is None or now is None or before == now for before, now in pairs)


def _refuse_page(url: str, response: requests.Response, block: bytes) -> None:
    begins = block[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    kind = response.headers.get("Content-Type", "").lower()
    typed = kind.startswith(("text/html", "application/xhtml"))
    if begins.startswith(b"<") or (typed and not begins.startswith(ARCHIVE_MAGIC)):
        raise TransferError(
            f"{url}: answers with a web page and not with the archive (it may ask for a login or "
            "a password, or the share may have ended)"
        )
