"""Starts a stage on several machines by the command that a cluster has for it.

DVC runs the stage's command on the first machine, and knows nothing of the others: the process
replaces itself by the launcher, `srun` for example, which runs the same command on each machine.
"""

import os
import shlex
import shutil
import sys

LAUNCHER_VARIABLE = "ROADSHIFT_LAUNCHER"


def start_on_machines() -> None:
    """Replaces this process by `$ROADSHIFT_LAUNCHER python -m stages.…`, if the variable is set."""
    given = os.environ.pop(LAUNCHER_VARIABLE, "")
    try:
        launcher = shlex.split(given)
    except ValueError as error:
        sys.exit(f"error: {LAUNCHER_VARIABLE}: {given!r} is not a command ({error}); correct it")
    if not launcher:
        return
    if shutil.which(launcher[0]) is None:
        sys.exit(
            f"error: {LAUNCHER_VARIABLE}: there is no program {launcher[0]!r}; correct the "
            "environment variable, or unset it to train on this machine"
        )
    spec = sys.modules["__main__"].__spec__
    module = spec.name if spec else "stages.train"
    # The environment no longer has the variable: what the launcher starts trains.
    command = [*launcher, sys.executable, "-m", module, *sys.argv[1:]]
    try:
        os.execvp(launcher[0], command)  # noqa: S606 - the user's own command
    except OSError as error:
        sys.exit(
            f"error: {LAUNCHER_VARIABLE}: {launcher[0]!r} cannot be run ({error.strerror}); name "
            "another program, or give a script its first line, #!/bin/sh"
        )
