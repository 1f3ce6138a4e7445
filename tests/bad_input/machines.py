"""Environment variables that name the machines of a training, and the command that starts it there.

What needs several devices, a GPU or a DVC remote is in `tests/stages/test_several_machines.py`,
`tests/test_devices.py` and `tests/stages/test_remotes.py`.
"""

import json
from pathlib import Path

from tests.bad_input.project import Case
from tests.bad_input.records import TRAIN

UNREACHED = ["127.0.0.1:1", "127.0.0.1:2"]
"""Addresses at which nobody listens."""
SCRIPT = Path("launch.sh")
FORM = (
    'expected {"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}; '
    "correct the environment variable, or unset it"
)


def cluster(index: int, **further: str) -> dict[str, str]:
    content = {"cluster": {"worker": UNREACHED}, "task": {"type": "worker", "index": index}}
    return {"TF_CONFIG": json.dumps(content), **further}


def script_without_its_first_line() -> None:
    SCRIPT.write_text('exec srun "$@"\n', "utf-8")
    SCRIPT.chmod(0o755)


MACHINES = (
    Case(
        "`TF_CONFIG` is not JSON",
        bool,
        TRAIN,
        f"TF_CONFIG: not JSON: …; {FORM}",
        environment={"TF_CONFIG": "{"},
    ),
    Case(
        "`TF_CONFIG` without a list of machines",
        bool,
        TRAIN,
        f"TF_CONFIG: has no list 'worker' alone under 'cluster'; {FORM}",
        environment={"TF_CONFIG": "{}"},
    ),
    Case(
        "an index that is no machine's",
        bool,
        TRAIN,
        f"TF_CONFIG: 'task' is not one of the 2 workers, by an index from 0; {FORM}",
        environment=cluster(2),
    ),
    Case(
        "a machine that cannot be reached",
        bool,
        TRAIN,
        "machine 0 (127.0.0.1:1) was not reached within 1 s (…); start the stage there, too, or "
        "set ROADSHIFT_WAIT_SECONDS to wait longer",
        environment=cluster(1, ROADSHIFT_WAIT_SECONDS="1"),
    ),
    Case(
        "a time to wait that is no number",
        bool,
        TRAIN,
        "ROADSHIFT_WAIT_SECONDS: 'long' is no whole number from 1 to 86400; correct the "
        "environment variable, or unset it for 300 seconds",
        environment=cluster(1, ROADSHIFT_WAIT_SECONDS="long"),
    ),
    Case(
        "memory for images that is no number",
        bool,
        TRAIN,
        "ROADSHIFT_IMAGE_CACHE: 'much' is no number of GiB, 0 or more; correct the environment "
        "variable, or unset it for 1 GiB",
        environment={"ROADSHIFT_IMAGE_CACHE": "much"},
    ),
    Case(
        "a launcher that is not installed",
        bool,
        TRAIN,
        "ROADSHIFT_LAUNCHER: there is no program 'no-such-program'; correct the environment "
        "variable, or unset it to train on this machine",
        environment={"ROADSHIFT_LAUNCHER": "no-such-program --nodes=2"},
    ),
    Case(
        "a launcher that is no command",
        bool,
        TRAIN,
        'ROADSHIFT_LAUNCHER: "srun \'" is not a command (No closing quotation); correct it',
        environment={"ROADSHIFT_LAUNCHER": "srun '"},
    ),
    Case(
        "a launcher that is a script without its first line",
        script_without_its_first_line,
        TRAIN,
        "ROADSHIFT_LAUNCHER: './launch.sh' cannot be run (Exec format error); name another "
        "program, or give a script its first line, #!/bin/sh",
        environment={"ROADSHIFT_LAUNCHER": f"./{SCRIPT}"},
    ),
)
