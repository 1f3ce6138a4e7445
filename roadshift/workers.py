"""Processes that work side by side and do not outlive the one that started them.

Ours and not `concurrent.futures`: a `ProcessPoolExecutor` whose workers get the signal that ends
the process, too, may wait for them for ever, or end in a traceback (Python issue 94777).
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


@contextmanager
def results_of(
    function: Callable[[Item], Result], items: Sequence[Item], processes: int
) -> Iterator[Iterator[Result]]:
    """What a function makes of items, in their order, each worked out by one of some processes.

    When the block ends, for whatever reason, the processes are ended at once. They end, too, when
    this one is killed: what they would go on to write could fall into the files of the run that
    comes after.

    Args:
        function: it, the items and the results have to be such that they can be pickled.
        items: what it is called with.
        processes: how many.

    Raises:
        RoadshiftError: a process was killed; or what the function raises.
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
            # The worker's own is then the only one, and its end that of the pipe.
            sender.close()
        yield (_receive(answers[place % number]) for place in range(len(items)))
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
            "a worker process was killed, perhaps for want of memory; run it again"
        ) from None
    if error is not None:
        raise error
    return result


def _work(function: Callable[[Item], Result], items: Sequence[Item], sender: Connection) -> None:
    # Not the handlers of the process that started this one, which says once what has happened.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    Thread(target=_end_with_parent, daemon=True).start()
    for item in items:
        try:
            sender.send((function(item), None))
        except Exception as error:
            if not isinstance(error, RoadshiftError | OSError):
                traceback.print_exc()  # where it was raised does not travel with it
            sender.send((None, error))
            return


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
