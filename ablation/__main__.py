"""The command line of ablations: `python -m ablation FILE`."""

import argparse
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ablation.runner import run_all
from ablation.variants import load_ablation, only
from roadshift.errors import RoadshiftError

WORK = Path(".dvc/tmp/ablation")
"""The sandbox, and the logs of the runs."""


def main() -> None:
    """Run the variants of a file as DVC experiments, one after the other, and compare them.

    An interrupted ablation resumes: a variant whose parameters, code and data are those of its
    experiment does not run again. The workspace is left alone.
    """
    parser = argparse.ArgumentParser(prog="python -m ablation", description=main.__doc__)
    parser.add_argument("file", type=Path, help="YAML file with the variants")
    parser.add_argument(
        "--only", nargs="+", metavar="VARIANT", help="run and compare only the baseline and these"
    )
    given = parser.parse_args()
    # SIGTERM, by which batch systems end a job, and a closed terminal act as Ctrl-C does.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        with _alone():
            ablation = load_ablation(given.file)
            run_all(only(ablation, given.only) if given.only else ablation, WORK)
    except RoadshiftError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("stopped; the same command resumes", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


@contextmanager
def _alone() -> Iterator[None]:
    """Context manager: no other ablation runs in this project."""
    WORK.mkdir(parents=True, exist_ok=True)
    with (WORK / "lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RoadshiftError(
                "another ablation, or a process that a killed one started, is running in this "
                "project; wait until it ends, or stop it"
            ) from None
        yield


if __name__ == "__main__":
    main()
