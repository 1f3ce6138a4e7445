"""HTTP downloads that resume and retry.

A download resumes an earlier partial one, retries failures that may pass, and ends with an error or
with the complete, checked file under its name. `urllib3.Retry` alone does not serve: it retries a
request until the headers arrive, but not a body that is cut off (urllib3 issue 2751), does not
bound the total time, and cannot be woken from its sleep.
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

from roadshift.atomic import atomic_file
from roadshift.download.disk import require_space
from roadshift.errors import RoadshiftError
from roadshift.progress import progress_bar

BLOCK_BYTES = 1 << 15
"""Number of bytes read at once. It is small because a cut connection loses a partial block."""
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Status codes of failures that may pass."""
ABSENT = frozenset({403, 404, 410})
"""Status codes of an absent file; some object stores answer 403 to hide that it is absent."""
PERMANENT = (
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.SSLError,
    requests.exceptions.TooManyRedirects,
)
SHARE = re.compile(r"https?://[^?#]+/s/[A-Za-z0-9]{6,}/?")
"""URL of a public share in Nextcloud, ownCloud or services based on them, such as Sciebo."""
ARCHIVE_MAGIC = (b"PK", b"\x1f\x8b")

T = TypeVar("T")


@dataclass(frozen=True)
class RetryPolicy:
    """Bounds on the waiting and retrying of a transfer. Pauses are not random.

    Attributes:
        timeout: longest silence of the server, on connecting and between bytes, in seconds.
        max_attempts: largest number of attempts in a row that bring no new byte.
        backoff: pause before the second attempt, in seconds; it doubles with each attempt that
            brings no new byte.
        max_backoff: longest pause, in seconds, unless the server asks for another.
        deadline: longest sum of all pauses of a transfer, in seconds, including those that the
            server asks for.
    """

    timeout: float = 30
    max_attempts: int = 6
    backoff: float = 1
    max_backoff: float = 60
    deadline: float = 900


RETRY_POLICY = RetryPolicy()


class TransferError(RoadshiftError):
    """The server does not provide the file.

    Args:
        message: text of the error.
        absent: whether the server says that there is no such file.
    """

    def __init__(self, message: str, absent: bool = False):
        super().__init__(message)
        self.absent = absent


class _TransientError(Exception):
    """A failure that may pass, and the pause in seconds that the server asks for, if any."""

    def __init__(self, reason: str, pause: float | None = None):
        super().__init__(reason)
        self.pause = pause


@dataclass(frozen=True)
class _Origin:
    """The file on a server that a partial download belongs to."""

    url: str
    etag: str | None
    last_modified: str | None
    total: int | None

    @property
    def validator(self) -> str | None:
        """Value for the header If-Range: a strong ETag, or else a date; None without either."""
        weak = self.etag is None or self.etag.startswith("W/")
        return self.last_modified if weak else self.etag


@dataclass(frozen=True)
class _Kept:
    """The files of a transfer beside its target: the partial download and its metadata."""

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
        """Starts a new part; the old one is removed first, so the metadata match the bytes."""
        self.discard()
        with atomic_file(self.note) as file:
            file.write_text(json.dumps(asdict(origin)), "utf-8")


def download(
    url: str,
    target: Path,
    *,
    check: Callable[[Path], None],
    retry_policy: RetryPolicy,
    stop: Event,
) -> None:
    """Downloads a file atomically: it gets its name only when it is complete and checked.

    A partial download stays beside the target as `<name>.part`, with its URL, ETag and date as
    `<name>.origin`; a later call resumes it.

    Args:
        url: URL of the file, or of the page of a public share.
        target: path of the file; its folder is created if missing.
        check: function of the complete file's path that raises RoadshiftError for a wrong file.
        retry_policy: bounds on waiting and retrying.
        stop: event that ends the transfer when another thread sets it.

    Raises:
        TransferError: the server does not provide the file.
        RoadshiftError: the file fails the check, and is discarded; or the disk is too small.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    kept = _Kept(target)
    origin = kept.origin()
    if origin is None or origin.url != url:
        kept.discard()
    if target.exists():
        complete = target
    else:
        _with_retries(
            url,
            lambda: _resume(url, kept, retry_policy=retry_policy, stop=stop),
            retry_policy=retry_policy,
            stop=stop,
            size=kept.size,
        )
        complete = kept.part
    try:
        check(complete)
    except RoadshiftError as error:
        kept.discard()
        raise RoadshiftError(f"{error}; the download is discarded, run the stage again") from None
    os.replace(complete, target)


def read_text(url: str, retry_policy: RetryPolicy) -> str:
    """Downloads a small text file and returns its content.

    Raises:
        TransferError: the server does not provide the file.
    """

    def read() -> str:
        with _answer(url, {}, retry_policy) as response:
            return response.content.decode("utf-8", "replace")

    return _with_retries(url, read, retry_policy=retry_policy, stop=Event(), size=lambda: 0)


def is_there(url: str, retry_policy: RetryPolicy) -> bool:
    """Returns whether a server has a file.

    Raises:
        TransferError: the server does not tell.
    """

    def ask() -> None:
        # Not HEAD: some servers answer it differently from GET.
        with _answer(url, {}, retry_policy):
            pass

    try:
        _with_retries(url, ask, retry_policy=retry_policy, stop=Event(), size=lambda: 0)
    except TransferError as error:
        if error.absent:
            return False
        raise
    return True


def _with_retries(
    url: str,
    attempt: Callable[[], T],
    *,
    retry_policy: RetryPolicy,
    stop: Event,
    size: Callable[[], int],
) -> T:
    """Repeats an attempt until it succeeds or the retry policy is exhausted."""
    failures, waited, largest = 0, 0.0, size()
    while True:
        try:
            return attempt()
        except _TransientError as error:
            failures = 1 if size() > largest else failures + 1
            largest = max(largest, size())
            pause = min(retry_policy.backoff * 2 ** (failures - 1), retry_policy.max_backoff)
            pause = pause if error.pause is None else error.pause
            waited += pause
            if failures >= retry_policy.max_attempts:
                raise TransferError(f"{url}: {error}, {failures} times in a row") from None
            if waited > retry_policy.deadline:
                raise TransferError(
                    f"{url}: {error}; the next attempt would be in {pause:.0f} s, which is too "
                    "long to wait; run the stage again later"
                ) from None
            tqdm.write(f"{url}: {error}; retrying in {pause:g} s")
        if stop.wait(pause):
            raise TransferError(f"{url}: stopped")


def _resume(url: str, kept: _Kept, *, retry_policy: RetryPolicy, stop: Event) -> None:
    """Resumes a partial download, or restarts it if it cannot be resumed."""
    earlier, start = kept.origin(), kept.size()
    headers = {}
    if earlier is not None and earlier.validator is not None and start:
        if start == earlier.total:
            return
        headers = {"Range": f"bytes={start}-", "If-Range": earlier.validator}
    with _answer(url, headers, retry_policy) as response:
        found = _origin_of(url, response)
        blocks = response.iter_content(BLOCK_BYTES)
        if response.status_code == 200:
            first = next(blocks, b"")
            _refuse_page(url, response, first)
            if start:
                tqdm.write(
                    f"{url}: changed on the server, or the download cannot resume; starting again"
                )
            start = 0
            kept.begin(found)
            blocks = chain([first], blocks)
        elif earlier is None or not _continues(response, start=start, earlier=earlier, found=found):
            kept.discard()
            raise _TransientError("the answer does not continue the partial download")
        require_space(kept.target.parent, (found.total or start) - start, url)
        _append(kept, blocks, start=start, total=found.total, stop=stop)
    if found.total is not None and kept.size() != found.total:
        raise _TransientError(f"connection closed after {kept.size()} of {found.total} bytes")


def _append(
    kept: _Kept, blocks: Iterable[bytes], *, start: int, total: int | None, stop: Event
) -> None:
    try:
        with (
            kept.part.open("ab") as sink,
            progress_bar(kept.target.name, "B", total, done=start) as progress,
        ):
            for block in blocks:
                sink.write(block)
                sink.flush()
                progress.update(len(block))
                if stop.is_set():
                    raise TransferError(f"{kept.target.name}: stopped")
    except requests.RequestException:  # an OSError, too, but from the network
        raise
    except OSError as error:
        raise RoadshiftError(f"{kept.part}: cannot be written ({error.strerror})") from None


@contextmanager
def _answer(
    url: str, headers: dict[str, str], retry_policy: RetryPolicy
) -> Iterator[requests.Response]:
    """Context manager: yields an answer with unread body; separates passing from final errors."""
    expected = (200, 206, 416) if "Range" in headers else (200,)
    # Unencoded, so that the bytes match the checksum and Content-Length.
    headers = {"Accept-Encoding": "identity", **headers}
    address = f"{url.rstrip('/')}/download" if SHARE.fullmatch(url) else url
    try:
        with requests.get(
            address, headers=headers, stream=True, timeout=retry_policy.timeout
        ) as response:
            status = f"answers {response.status_code} {response.reason}".rstrip()
            if response.status_code in TRANSIENT:
                raise _TransientError(status, _asked_pause(response))
            if response.status_code not in expected:
                raise TransferError(f"{url}: {status}", response.status_code in ABSENT)
            yield response
    except PERMANENT as error:
        raise TransferError(f"{url}: no answer ({type(error).__name__})") from None
    except requests.exceptions.ChunkedEncodingError:
        raise _TransientError("connection closed early") from None
    except requests.RequestException as error:
        # A timeout within the body arrives as a ConnectionError that wraps urllib3's error.
        timed_out = isinstance(error, requests.Timeout) or "timed out" in str(error)
        reason = f"silent for {retry_policy.timeout:g} s" if timed_out else type(error).__name__
        raise _TransientError(f"no answer ({reason})") from None


def _asked_pause(response: requests.Response) -> float | None:
    asked = response.headers.get("Retry-After")
    try:
        return Retry().parse_retry_after(asked) if asked else None
    except (InvalidHeader, ValueError, OverflowError):
        return None


def _origin_of(url: str, response: requests.Response) -> _Origin:
    headers = response.headers
    content_range = re.fullmatch(r"bytes \d+-\d+/(\d+)", headers.get("Content-Range", ""))
    length = headers.get("Content-Length", "")
    total = int(content_range[1]) if content_range else int(length) if length.isdecimal() else None
    if headers.get("Content-Encoding", "identity") != "identity":
        # The server compresses in spite of the request: these bytes are not those of the file.
        return _Origin(url, None, None, None)
    return _Origin(url, headers.get("ETag"), headers.get("Last-Modified"), total)


def _continues(
    response: requests.Response, *, start: int, earlier: _Origin, found: _Origin
) -> bool:
    """Returns whether an answer is the requested part of the same file; If-Range is not trusted."""
    if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        return False
    pairs = (
        (earlier.total, found.total),
        (earlier.etag, found.etag),
        (earlier.last_modified, found.last_modified),
    )
    return all(before is None or now is None or before == now for before, now in pairs)


def _refuse_page(url: str, response: requests.Response, block: bytes) -> None:
    beginning = block[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    kind = response.headers.get("Content-Type", "").lower()
    says_html = kind.startswith(("text/html", "application/xhtml"))
    if beginning.startswith(b"<") or (says_html and not beginning.startswith(ARCHIVE_MAGIC)):
        raise TransferError(
            f"{url}: answers with a web page instead of the archive (it may require a login or a "
            "password, or the link may have expired)"
        )
