"""Ctrl-C and the signals that batch systems end a job by: where they are raised, and how to end."""

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn

RETRY_SECONDS = 0.05


def raise_on_signals() -> None:
    """Lets Ctrl-C, SIGTERM and a closed terminal raise KeyboardInterrupt with the signal's number.

    Python drops an exception that is raised while it frees an object; there, it is raised again a
    moment later. Signals that the process ignores stay ignored.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise)
    sys.unraisablehook = _unraisable


def end_interrupted(interrupt: KeyboardInterrupt) -> NoReturn:
    """Says that a signal interrupted the process, and ends it by `end_at_once`.

    Args:
        interrupt: the exception; the exit status is its signal's number and 128, as a shell's is.
    """
    print("\ninterrupted", file=sys.stderr)
    end_at_once(128 + _number(interrupt))


def end_at_once(status: int) -> NoReturn:
    """Ends the process without freeing its objects; what had to be written or removed has been.

    Freeing TensorFlow's objects waits for its threads, for minutes on busy cores, and a signal
    meanwhile would end a process that has done its work as if it had not.

    Args:
        status: the exit status.
    """
    for stream in (sys.stdout, sys.stderr):
        # Whoever reads it may have ended.
        with suppress(OSError):
            stream.flush()
    os._exit(status)


def _number(interrupt: BaseException | None) -> int:
    arguments = interrupt.args if interrupt is not None else ()
    return int(arguments[0]) if arguments else signal.SIGINT


def _raise(number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(number)


def _unraisable(dropped: "sys.UnraisableHookArgs") -> None:
    if not issubclass(dropped.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)
        return
    number = _number(dropped.exc_value)
    signal.signal(signal.SIGALRM, lambda _number, frame: _raise(number, frame))
    signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)
