"""Parallel processes that do not outlive the process that started them.

`concurrent.futures` does not serve here: if its workers, too, receive the signal that ends the
process, a `ProcessPoolExecutor` may wait forever or end in a traceback (Python issue 94777).
"""

import gc
import math
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from roadshift.errors import RoadshiftError

Item = TypeVar("Item")
Result = TypeVar("Result")

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
"""Where Linux keeps control groups, and says which ones a process belongs to."""


def usable_cores() -> int:
    """Returns the number of cores that this process may use, at least 1.

    A batch system, `taskset` or a container may grant fewer than the machine has: some of its
    cores, or a share of their time (`docker run --cpus`, a limit in Kubernetes), which counts as
    that many cores, rounded up.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return min([cores, *_quotas()])


def _quotas() -> Iterator[int]:
    """Yields the quotas of this process's control groups (cgroups) and of those above, in cores."""
    try:
        lines = OWN_CGROUPS.read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        # A controller's number, the names of the controllers, the path of the group: version 2 has
        # the number 0 and no name.
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if names and "cpu" not in names.split(","):
            continue
        for mounted in ("cpu", names) if names else ("",):
            own = CGROUPS / mounted / path.lstrip("/")
            for folder in (own, *own.parents):
                if not folder.is_relative_to(CGROUPS / mounted):
                    break
                # Inside a container the path may be that outside, so a folder may be missing.
                with suppress(OSError, ValueError, ZeroDivisionError):
                    yield _quota(folder, 1 if names else 2)


def _quota(folder: Path, version: int) -> int:
    """Returns the quota of a group in cores, rounded up; that of a group without one is huge."""
    if version == 1:
        files = (folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")
        quota, period = (int(file.read_text("utf-8")) for file in files)
    else:
        given, period_text = (folder / "cpu.max").read_text("utf-8").split()
        quota, period = -1 if given == "max" else int(given), int(period_text)
    return math.ceil(quota / period) if quota > 0 else sys.maxsize


@contextmanager
def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], processes: int
) -> Iterator[Iterator[Result]]:
    """Context manager: yields the results of a function on items, from parallel processes.

    Does what `worker_processes` does, for items that are known before the processes start.
    """
    with worker_processes(function, min(processes, len(items))) as results_of:
        yield results_of(items)


@contextmanager
def worker_processes(
    function: Callable[[Item], Result], processes: int
) -> Iterator[Callable[[Sequence[Item]], Iterator[Result]]]:
    """Context manager: starts processes, and yields a function from items to their results.

    The function returns an iterator, and is to be called once: the items of a second call would mix
    with those of the first. The results have the order of the items. The processes are killed when
    the block ends, for whatever reason. They also end when this process is killed; otherwise they
    could write into the files of the next run.

    A forked process shares the memory that this process had, and gets a copy of each page that
    either then writes to: a long list takes the least memory if it is made in the block.

    Args:
        function: function of one item. It, the items and the results must be picklable.
        processes: number of processes.

    Raises:
        RoadshiftError: a process was killed.
        Exception: the function raised it.
    """
    workers: list[multiprocessing.Process] = []
    answers: list[Connection] = []
    senders: list[Connection] = []
    feeders: list[Thread] = []

    def results_of(items: Sequence[Item]) -> Iterator[Result]:
        for first, sender in enumerate(senders):
            own = range(first, len(items), processes)
            feeders.append(Thread(target=_send_all, args=(items, own, sender), daemon=True))
            feeders[-1].start()
        return (_receive(answers[index % processes]) for index in range(len(items)))

    try:
        with _shared_memory():
            for _ in range(processes):
                answer, answering = multiprocessing.Pipe(duplex=False)
                receiver, sender = multiprocessing.Pipe(duplex=False)
                worker = multiprocessing.Process(
                    target=_work, args=(function, receiver, answering), daemon=True
                )
                # Until the worker has handlers of its own, it has those of this process.
                before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
                try:
                    worker.start()
                finally:
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)
                workers.append(worker)
                answers.append(answer)
                senders.append(sender)
                # The worker then holds the only other ends, so the pipes close when it ends.
                receiver.close()
                answering.close()
        yield results_of
    finally:
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.join()
        for feeder in feeders:
            feeder.join()
        for connection in (*answers, *senders):
            connection.close()


@contextmanager
def _shared_memory() -> Iterator[None]:
    """Context manager: the garbage collector of a process that is forked now leaves objects alone.

    It would write to each object of this process, which copies the memory.
    """
    frozen = gc.get_freeze_count()
    gc.freeze()
    try:
        yield
    finally:
        if not frozen:  # else it would thaw what was frozen before
            gc.unfreeze()


def _send_all(items: Sequence[Item], places: range, sender: Connection) -> None:
    """Sends a worker its items, as fast as it takes them."""
    for place in places:
        try:
            sender.send((items[place], None))
        except BrokenPipeError:  # the worker has been killed
            return
        except Exception as error:  # the item cannot be pickled, and maybe the error neither
            sender.send((None, TypeError(f"items[{place}]: {error}")))
            return


def _receive(answer: Connection) -> Any:
    try:
        result, error = answer.recv()
    except EOFError:
        raise RoadshiftError(
            "a worker process was killed, perhaps for lack of memory; run it again"
        ) from None
    if error is not None:
        raise error
    return result


def _work(function: Callable[[Item], Result], receiver: Connection, answering: Connection) -> None:
    # A signal may be sent to all processes of a job. The parent alone heeds it, and kills its
    # workers; one that ended before would look like a fault.
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            item, error = receiver.recv()
            if error is not None:
                raise error
            answering.send((function(item), None))
        except Exception as error:
            if not isinstance(error, RoadshiftError | OSError):
                traceback.print_exc()  # the pipe does not carry the traceback
            answering.send((None, error))
            return


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
