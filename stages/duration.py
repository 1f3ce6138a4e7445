"""The duration of a stage's last run, which the stage writes to a file beside its lock."""

import json
import os
import time
from pathlib import Path
from typing import NamedTuple

from stages.paths import LOCKS


class Duration(NamedTuple):
    """The duration of a run of a stage.

    Attributes:
        seconds: wall-clock time.
        processor_seconds: processor time on all cores, with that of the child processes that it
            waited for, from the start of the process, so with its imports. Other work on the
            machine changes it little. The time of a GPU and of other machines is not in it.
    """

    seconds: float
    processor_seconds: float

    @classmethod
    def since(cls, started: float) -> "Duration":
        """Returns the duration of this process until now.

        Args:
            started: value of `time.monotonic()` when the work began.
        """
        used = os.times()
        processor = used.user + used.system + used.children_user + used.children_system
        return cls(round(time.monotonic() - started, 3), round(processor, 3))

    def write(self, stage: str) -> None:
        """Writes the file of a stage's last run."""
        duration_file(stage).write_text(json.dumps(self._asdict()) + "\n", "utf-8")

    @classmethod
    def read(cls, file: Path) -> "Duration":
        """Reads a file of `write`."""
        return cls(**json.loads(file.read_text("utf-8")))


def duration_file(stage: str) -> Path:
    """The file with the duration of a stage's last run; stages are named as in dvc.yaml."""
    return LOCKS / f"{stage}.duration.json"
