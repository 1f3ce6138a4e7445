"""What all stages share on the command line: help, arguments, and errors on one line."""

import argparse
import fcntl
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from roadshift.errors import RoadshiftError
from roadshift.settings import nearest
from stages.params import Params, load_params
from stages.paths import LOCKS

SECTIONS = {"role": "domains", "mix": "mixes", "mixes": "mixes"}
"""The section of params.yaml that an argument is a key of."""


def run(main: Callable[..., None], *arguments: str) -> None:
    """Runs a stage with the parameters and its arguments; a RoadshiftError becomes one line.

    Args:
        main: the stage, which takes the parameters and the arguments; its docstring is the help.
        arguments: 'role', 'mix', or 'mixes' for one or more.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name in arguments:
        several = "+" if name == "mixes" else None
        parser.add_argument(name, help=f"key of {SECTIONS[name]} in params.yaml", nargs=several)
    given = vars(parser.parse_args())
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Through DVC's pipe too, what is printed comes when it is, and before an error.
        sys.stdout.reconfigure(line_buffering=True)
    # A batch system's way to end a job, and a terminal that is closed, are as Ctrl-C is.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        params = load_params()
        for name, value in given.items():
            for key in value if isinstance(value, list) else [value]:
                _check_key(params, SECTIONS[name], key)
        with _alone(Path(sys.argv[0]).stem, sys.argv[1:]):
            main(params, **given)
    except RoadshiftError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(f"error: {error.filename}: {error.strerror}")
    except KeyboardInterrupt as error:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(128 + error.args[0])  # as a shell has it


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


@contextmanager
def _alone(stage: str, arguments: list[str]) -> Iterator[None]:
    """Inside, no other process runs the same stage: the two would write to the same files.

    A `dvc` that is killed leaves the stage it has started running.
    """
    LOCKS.mkdir(parents=True, exist_ok=True)
    # A lock of the process, not of the open file: none that it starts can hold on to it.
    with (LOCKS / "-".join([stage, *arguments])).open("a+") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise RoadshiftError(
                f"this stage is running already, as process {lock.read()}; wait for its end, or "
                "stop it"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _check_key(params: Params, section: str, key: str) -> None:
    known = getattr(params, section)
    if key not in known:
        raise RoadshiftError(f"'{key}' is no key of {section} in params.yaml{nearest(key, known)}")
