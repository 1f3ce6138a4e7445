"""The command line of all stages: help, arguments, locks, and errors on one line."""

import argparse
import fcntl
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from roadshift.errors import RoadshiftError
from roadshift.interruption import end_at_once, end_interrupted, raise_on_signals
from roadshift.machines import read_cluster
from roadshift.settings import suggestion
from roadshift.streams import escape_unprintable
from stages.duration import Duration
from stages.git_index import look_into_files
from stages.params import Params, load_params
from stages.paths import LOCKS

SECTIONS = {"role": "domains", "mix": "mixes"}
"""The section of params.yaml whose keys are an argument's values."""
EXPERIMENT = "DVC_EXP_NAME"
"""The variable by which `dvc exp run` tells its stages the name of the experiment."""


def run(main: Callable[..., None], *arguments: str, on_machines: bool = False) -> None:
    """Runs a stage with the parameters and its arguments, and ends the process.

    A RoadshiftError is printed as one line.

    Args:
        main: function that takes the parameters and the arguments; its docstring is the help.
        arguments: names of the stage's arguments, 'role' or 'mix'.
        on_machines: whether several machines run the stage together, each with a lock of its own.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name in arguments:
        parser.add_argument(name, help=f"key of {SECTIONS[name]} in params.yaml")
    given = vars(parser.parse_args())
    escape_unprintable()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Output appears at once and before an error, through DVC's pipe too.
        sys.stdout.reconfigure(line_buffering=True)
    raise_on_signals()
    try:
        if EXPERIMENT in os.environ:
            look_into_files()
        params = load_params()
        for name, key in given.items():
            _check_key(params, SECTIONS[name], key)
        stage = "@".join([Path(sys.argv[0]).stem, *given.values()])
        cluster = read_cluster() if on_machines else None
        if cluster and cluster.index:
            stage += f"@{cluster.index}"
        with _alone(stage):
            started = time.monotonic()
            main(params, **given)
            Duration.since(started).write(stage)
        end_at_once(0)
    except RoadshiftError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(f"error: {error.filename}: {error.strerror}")
    except KeyboardInterrupt as interrupt:
        end_interrupted(interrupt)


@contextmanager
def _alone(stage: str) -> Iterator[None]:
    """Context manager: no other process runs the same stage, since both would write the same files.

    A killed `dvc` leaves its stage running.
    """
    LOCKS.mkdir(parents=True, exist_ok=True)
    # `lockf` locks belong to the process, not to the open file: no child process keeps one.
    with (LOCKS / stage).open("a+") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise RoadshiftError(
                f"this stage is already running as process {lock.read()}; wait until it ends, or "
                "stop it"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _check_key(params: Params, section: str, key: str) -> None:
    keys = getattr(params, section)
    if key not in keys:
        raise RoadshiftError(
            f"'{key}' is no key of {section} in params.yaml{suggestion(key, keys)}"
        )
