"""Parallel processes that do not outlive the process that started them.

`concurrent.futures` does not serve here: if its workers, too, receive the signal that ends the
process, a `ProcessPoolExecutor` may wait forever or end in a traceback (Python issue 94777).
"""

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any, TypeVar

from roadshift.errors import RoadshiftError

Item = TypeVar("Item")
Result = TypeVar("Result")


def usable_cores() -> int:
    """Returns the number of cores that this process may use, at least 1.

    A batch system or `taskset` may grant fewer than the machine has.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], processes: int
) -> Iterator[Iterator[Result]]:
    """Context manager: yields the results of a function on items, from parallel processes.

    The results have the order of the items. The processes are killed when the block ends, for
    whatever reason. They also end when this process is killed; otherwise they could write into the
    files of the next run.

    Args:
        function: function of one item. It, the items and the results must be picklable.
        items: the items.
        processes: number of processes at most.

    Raises:
        RoadshiftError: a process was killed.
        Exception: the function raised it.
    """
    number = min(processes, len(items))
    workers, answers = [], []
    try:
        for first in range(number):
            answer, sender = multiprocessing.Pipe(duplex=False)
            worker = multiprocessing.Process(
                target=_work, args=(function, items[first::number], sender), daemon=True
            )
            worker.start()
            workers.append(worker)
            answers.append(answer)
            # The worker then holds the only sender, so the pipe closes when the worker ends.
            sender.close()
        yield (_receive(answers[index % number]) for index in range(len(items)))
    finally:
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.join()
        for answer in answers:
            answer.close()


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


def _work(function: Callable[[Item], Result], items: Sequence[Item], sender: Connection) -> None:
    # Replaces the inherited handlers: the parent alone reports a signal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    Thread(target=_end_with_parent, daemon=True).start()
    for item in items:
        try:
            sender.send((function(item), None))
        except Exception as error:
            if not isinstance(error, RoadshiftError | OSError):
                traceback.print_exc()  # the pipe does not carry the traceback
            sender.send((None, error))
            return


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
