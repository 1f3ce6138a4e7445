"""The command line that ablations, searches and runs over seeds share: a lock, and signals."""

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from roadshift.errors import RoadshiftError
from roadshift.interruption import end_interrupted, raise_on_signals

WORK = Path(".dvc/tmp/ablation")
"""The sandbox, and the logs of the runs."""


def carry_out(work: Callable[[], None], *, folder: Path = WORK, what: str = "ablation") -> None:
    """Does the work of a command; ends the process with one line if it fails or is stopped.

    No other such command runs in the project meanwhile.

    Args:
        work: does the work.
        folder: folder of the sandbox, which has the lock.
        what: name of such a command's work, for the message.
    """
    raise_on_signals()
    try:
        with _alone(folder, what):
            work()
    except RoadshiftError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt as interrupt:
        print("stopped; the same command resumes", file=sys.stderr, end="")
        end_interrupted(interrupt)


@contextmanager
def _alone(folder: Path, what: str) -> Iterator[None]:
    """Context manager: no other work of this name runs in this project."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RoadshiftError(
                f"another {what}, or a process that a killed one started, is running in this "
                "project; wait until it ends, or stop it"
            ) from None
        yield
