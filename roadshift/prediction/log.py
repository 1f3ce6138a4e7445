"""The log beside predictions: the network that made them, and the meaning of their ids."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roadshift.atomic import atomic_file
from roadshift.errors import RoadshiftError
from roadshift.taxonomy import Taxonomy

LOG = "predictions.json"
QUICK, SHARE = 0.1, 0.05
"""Seconds in which a log is written after each input; a longer one takes this share of the time."""


@dataclass
class PredictionLog:
    """The inputs that a run predicted, and those that failed.

    Attributes:
        out: folder of the outputs.
        model: file of the network.
        taxonomy: taxonomy of the network's classes.
        inputs: number of inputs; those that are neither predicted nor failed were not reached.
        done: metadata of each predicted input, from `Predictor.predict`.
        failed: reason of the failure of each input that was not predicted, by file.
    """

    out: Path
    model: Path
    taxonomy: Taxonomy
    inputs: int
    done: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    _next: float = field(default=0.0, init=False, repr=False)

    def content(self) -> dict[str, Any]:
        """Returns the whole log, ready to be written as JSON."""
        return {
            "model": str(self.model),
            "taxonomy": self.taxonomy.name,
            "classes": self.taxonomy.class_list,
            "inputs": self.inputs,
            "done": self.done,
            "failed": self.failed,
        }

    def write(self) -> None:
        """Writes the log into the folder of the outputs."""
        start = time.monotonic()
        with atomic_file(self.out / LOG) as file:
            file.write_text(json.dumps(self.content(), indent=1) + "\n", "utf-8")
        end = time.monotonic()
        self._next = end + (end - start) / SHARE if end - start > QUICK else end

    def update(self) -> None:
        """Writes the log, but a long one only now and then."""
        if time.monotonic() >= self._next:
            self.write()


def open_log(out: Path, model: Path, taxonomy: Taxonomy, *, inputs: int) -> PredictionLog:
    """Begins a log in a folder that is new, empty or holds predictions.

    Args:
        out: folder of the outputs.
        model: file of the network.
        taxonomy: taxonomy of the network's classes.
        inputs: number of inputs.

    Raises:
        RoadshiftError: the folder holds other files, which predictions might overwrite.
    """
    if out.is_dir() and any(out.iterdir()) and not (out / LOG).is_file():
        raise RoadshiftError(
            f"{out}: holds files that are not predictions; name another folder with --out"
        )
    log = PredictionLog(out, model, taxonomy, inputs)
    log.write()
    return log
