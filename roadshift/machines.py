"""The machines of one training: they meet, agree, and notice that one of them has ended.

`TF_CONFIG` names them, in the form of `tf.distribute`. TensorFlow itself waits for a machine that
never comes without a limit, deaf to every signal, and takes ten seconds to notice that one has
ended. So the machines meet over connections of their own first, and keep these until the end: the
system closes the connections of a process that is killed. No import of TensorFlow.
"""

import json
import os
import queue
import re
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType

from roadshift.errors import RoadshiftError
from roadshift.interruption import end_at_once

CLUSTER_VARIABLE = "TF_CONFIG"
WAIT_VARIABLE = "ROADSHIFT_WAIT_SECONDS"
DEFAULT_WAIT = 300
MAX_WAIT = 86_400
GRACE = 3.0
"""Seconds that a machine has to end by itself after another has ended; TensorFlow may hold it."""
RETRY = 0.2
KEEPALIVE = {"TCP_KEEPIDLE": 3, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 9000}
"""A machine that loses its power sends nothing: the system asks whether it is there (Linux). While
data are on their way to it, it does not ask, and the last limit, in milliseconds, holds."""
AGAIN = "start the stage again on all machines: a training resumes from its last finished epoch"

_FACTS, _VERDICT, _CONTENT, _DONE = b"F", b"V", b"C", b"D"


@dataclass(frozen=True)
class Cluster:
    """The machines of a training, and which of them this is.

    Attributes:
        addresses: host and port of each machine, 'host:port'.
        index: index of this machine; machine 0 validates, selects and writes.
    """

    addresses: tuple[str, ...]
    index: int

    def name(self, index: int) -> str:
        """Returns a machine's name for a message."""
        return f"machine {index} ({self.addresses[index]})"


def read_cluster() -> Cluster | None:
    """Reads `TF_CONFIG`.

    Returns:
        The machines; None if the variable is not set, or names this machine alone.

    Raises:
        RoadshiftError: the variable does not hold what `tf.distribute` expects.
    """
    given = os.environ.get(CLUSTER_VARIABLE, "").strip()
    if not given:
        return None
    form = (
        'expected {"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}'
    )

    def wrong(what: str) -> RoadshiftError:
        return RoadshiftError(
            f"{CLUSTER_VARIABLE}: {what}; {form}; correct the environment variable, or unset it"
        )

    try:
        content = json.loads(given)
    except ValueError as error:
        raise wrong(f"not JSON: {error}") from None
    cluster = content.get("cluster") if isinstance(content, dict) else None
    task = content.get("task") if isinstance(content, dict) else None
    addresses = cluster.get("worker") if isinstance(cluster, dict) else None
    if not isinstance(addresses, list) or not addresses or [*(cluster or ())] != ["worker"]:
        raise wrong("has no list 'worker' alone under 'cluster'")
    for address in addresses:
        if not _is_address(address):
            raise wrong(f"{address!r} is not a host and a port")
    if len(set(addresses)) < len(addresses):
        raise wrong("an address comes twice")
    index = task.get("index") if isinstance(task, dict) and task.get("type") == "worker" else None
    if type(index) is not int or not 0 <= index < len(addresses):
        raise wrong(f"'task' is not one of the {len(addresses)} workers, by an index from 0")
    return Cluster(tuple(addresses), index) if len(addresses) > 1 else None


def _is_address(given: object) -> bool:
    found = re.fullmatch(r"([^\s:]+):(\d{1,5})", given) if isinstance(given, str) else None
    with suppress(UnicodeError):  # of a host whose parts are empty or too long
        return bool(found and found[1].encode("idna") and 0 < int(found[2]) < 2**16)
    return False


def wait_seconds() -> int:
    """Returns the longest time in seconds that a machine waits for the others.

    Raises:
        RoadshiftError: the environment variable holds no number.
    """
    given = os.environ.get(WAIT_VARIABLE, "").strip()
    number = int(given) if re.fullmatch("[0-9]{1,5}", given) else 0
    if given and not 1 <= number <= MAX_WAIT:
        raise RoadshiftError(
            f"{WAIT_VARIABLE}: {given[:20]!r} is no whole number from 1 to {MAX_WAIT}; correct the "
            f"environment variable, or unset it for {DEFAULT_WAIT} seconds"
        )
    return number or DEFAULT_WAIT


class MachineLostError(BaseException):
    """Another machine has ended. It is raised anywhere, so no library must take it for its own."""


@dataclass
class _Link:
    """The connection to another machine; a thread reads it."""

    index: int
    socket: socket.socket
    frames: "queue.Queue[bytes]" = field(default_factory=queue.Queue)
    ended: threading.Event = field(default_factory=threading.Event)

    def send(self, kind: bytes, content: bytes = b"") -> None:
        try:
            self.socket.sendall(struct.pack("!Q", len(content) + 1) + kind + content)
        except OSError:
            # The thread that reads notices, too, and interrupts this one.
            self.ended.wait(GRACE)
            time.sleep(GRACE)
            raise

    def receive(self, kind: bytes) -> bytes:
        frame = self.frames.get()
        if frame[:1] != kind:
            raise RuntimeError(f"machine {self.index} sent {frame[:1]!r} instead of {kind!r}")
        return frame[1:]


class Machines:
    """The connections between this machine and the others; each has one to the first."""

    def __init__(self, cluster: Cluster) -> None:
        """Waits for the other machines, `wait_seconds` at most.

        Raises:
            RoadshiftError: a machine did not come, or this machine's port is taken.
        """
        self._cluster = cluster
        self._closing = False
        self._lost = ""
        self._told = False
        limit = wait_seconds()
        deadline = time.monotonic() + limit
        sockets = self._accept(deadline, limit) if self.first else {0: self._join(deadline, limit)}
        self._links = [_Link(index, each) for index, each in sorted(sockets.items())]
        signal.signal(signal.SIGURG, self._raise)
        for link in self._links:
            _keep_alive(link.socket)
            threading.Thread(target=self._read, args=(link,), daemon=True).start()

    @property
    def count(self) -> int:
        """Number of machines."""
        return len(self._cluster.addresses)

    @property
    def index(self) -> int:
        """Index of this machine, from 0."""
        return self._cluster.index

    @property
    def first(self) -> bool:
        """Whether this is the first machine, the only one that validates, selects and writes."""
        return self._cluster.index == 0

    def agree(self, facts: Mapping[str, object]) -> None:
        """Checks that a fact is the same on all machines, and waits for all.

        Args:
            facts: name of each fact to its value, which `str` shows.

        Raises:
            RoadshiftError: a fact differs, on all machines alike.
        """
        ours = {name: str(value) for name, value in facts.items()}
        if not self.first:
            (link,) = self._links
            link.send(_FACTS, json.dumps(ours).encode())
            verdict = link.receive(_VERDICT).decode()
        else:
            theirs = [(link.index, json.loads(link.receive(_FACTS))) for link in self._links]
            verdict = next(
                (
                    f"{self._cluster.name(index)} has {name} {found.get(name, 'none')}, "
                    f"{self._cluster.name(0)} has {ours.get(name, 'none')}; all machines need the "
                    "same commit, parameters, data, libraries and settings"
                    for index, found in theirs
                    for name in {**ours, **found}
                    if found.get(name) != ours.get(name)
                ),
                "",
            )
            self._closing = bool(verdict)
            for link in self._links:
                link.send(_VERDICT, verdict.encode())
        if verdict:
            self._wait_for_ends()
            raise RoadshiftError(verdict)

    def share(self, content: bytes | None) -> bytes:
        """Returns on all machines the content that the first gives; the others give None."""
        if content is None:
            return self._links[0].receive(_CONTENT)
        for link in self._links:
            link.send(_CONTENT, content)
        return content

    def end(self) -> None:
        """Waits until the first machine has come here, and then for the others to end."""
        if self.first:
            self._closing = True
            for link in self._links:
                with suppress(OSError):
                    link.send(_DONE)
            self._wait_for_ends()
        else:
            self._links[0].receive(_DONE)

    def stop_watching(self) -> None:
        """Lets other machines end without a word: this one is about to end by itself."""
        self._closing = self._told = True

    def lost(self) -> str:
        """Returns the message about a machine that has ended; empty if all are there.

        Waits for it a little: TensorFlow may have noticed before.
        """
        try:
            if not self._lost:
                time.sleep(GRACE)
        except MachineLostError:
            pass
        return self._lost

    def _wait_for_ends(self) -> None:
        """Lets the first machine end last: the others' TensorFlow would miss it."""
        if self.first:
            deadline = time.monotonic() + GRACE
            for link in self._links:
                link.ended.wait(max(0, deadline - time.monotonic()))

    def _accept(self, deadline: float, limit: int) -> dict[int, socket.socket]:
        _, _, port = self._cluster.addresses[0].rpartition(":")
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        try:
            listener = socket.create_server(
                ("", int(port)), family=family, dualstack_ipv6=both, backlog=128
            )
        except OSError as error:
            raise RoadshiftError(
                f"{CLUSTER_VARIABLE}: port {port} of this machine cannot be used "
                f"({error.strerror}); end the other process, or choose another port"
            ) from None
        found: dict[int, socket.socket] = {}
        others = {*range(1, len(self._cluster.addresses))}
        with listener:
            while missing := others - {i for i, each in found.items() if _is_open(each)}:
                left = deadline - time.monotonic()
                listener.settimeout(max(left, 0.01))
                try:
                    if left <= 0:  # whoever else may still connect
                        raise TimeoutError
                    connection, _ = listener.accept()
                except TimeoutError:
                    raise RoadshiftError(
                        f"{self._cluster.name(min(missing))} did not come within {limit} s; start "
                        f"the stage there, too, or set {WAIT_VARIABLE} to wait longer"
                    ) from None
                # What else may connect says nothing, or something else.
                connection.settimeout(5.0)
                with suppress(OSError, EOFError, ValueError, TypeError):
                    addresses, index = json.loads(_read_frame(connection, most=2**16))
                    if index in others and tuple(addresses) == self._cluster.addresses:
                        # One that was started again takes the place of its former self.
                        connection.settimeout(None)
                        found[index] = connection
                        continue
                connection.close()
        for connection in found.values():
            with suppress(OSError):
                connection.sendall(_DONE)
        return found

    def _join(self, deadline: float, limit: int) -> socket.socket:
        host, _, port = self._cluster.addresses[0].rpartition(":")
        content = json.dumps([self._cluster.addresses, self._cluster.index]).encode()
        reason, met = "no answer", False
        while (left := deadline - time.monotonic()) > 0:
            try:
                connection = socket.create_connection((host, int(port)), timeout=min(left, 5.0))
                connection.sendall(struct.pack("!Q", len(content)) + content)
                connection.settimeout(max(deadline - time.monotonic(), 0.01))
                met = True
                if connection.recv(1) == _DONE:
                    connection.settimeout(None)
                    return connection
                connection.close()
                met, reason = False, "it names other machines, or something else listens there"
            except TimeoutError:
                reason = "no answer"
            except OSError as error:
                met, reason = False, error.strerror or str(error)
            time.sleep(RETRY)
        what = f"was not reached within {limit} s ({reason}); start the stage there, too"
        if met:
            what = f"still waits for another machine after {limit} s; start the stage on all"
        raise RoadshiftError(
            f"{self._cluster.name(0)} {what}, or set {WAIT_VARIABLE} to wait longer"
        )

    def _read(self, link: _Link) -> None:
        try:
            while True:
                frame = _read_frame(link.socket)
                if frame[:1] == _DONE or (frame[:1] == _VERDICT and len(frame) > 1):
                    self._closing = True
                link.frames.put(frame)
        except (OSError, EOFError):
            if not self._closing:
                name = self._cluster.name(link.index)
                self._lost = f"{name} has ended: see what it printed, then {AGAIN}"
            link.ended.set()
        if not self._lost:
            return
        # TensorFlow may hold the main thread in a call that waits for the other machine.
        main = threading.main_thread().ident
        if main is not None:
            signal.pthread_kill(main, signal.SIGURG)
        time.sleep(GRACE)
        print(f"error: {self._lost}", file=sys.stderr)
        end_at_once(1)

    def _raise(self, _number: int, _frame: FrameType | None) -> None:
        if self._lost and not self._told:
            self._told = True
            # Python drops, and prints, what is raised while it frees an object. The thread that
            # reads ends the process then.
            sys.unraisablehook = lambda _: None
            raise MachineLostError(self._lost)


def _is_open(connection: socket.socket) -> bool:
    """Whether the other side of a silent connection is still there."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _read_frame(connection: socket.socket, most: int | None = None) -> bytes:
    (size,) = struct.unpack("!Q", _read_bytes(connection, 8))
    if most is not None and size > most:
        raise ValueError(f"{size} bytes")
    return _read_bytes(connection, size)


def _read_bytes(connection: socket.socket, count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        part = connection.recv(min(count, 2**20))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
