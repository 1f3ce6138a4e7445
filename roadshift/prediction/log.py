"""The log beside predictions: the network that made them, and the meaning of their ids."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roadshift.atomic import atomic_file
from roadshift.errors import RoadshiftError
from roadshift.taxonomy import Taxonomy

LOG = "predictions.json"


@dataclass
class PredictionLog:
    """The inputs that a run predicted, and those that failed.

    Attributes:
        out: folder of the outputs.
        model: file of the network.
        taxonomy: taxonomy of the network's classes.
        done: metadata of each predicted input, from `Predictor.predict`.
        failed: reason of the failure of each input that was not predicted, by file.
    """

    out: Path
    model: Path
    taxonomy: Taxonomy
    done: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """Returns the whole log, ready to be written as JSON."""
        return {
            "model": str(self.model),
            "taxonomy": self.taxonomy.name,
            "classes": self.taxonomy.class_list,
            "done": self.done,
            "failed": self.failed,
        }

    def write(self) -> None:
        """Writes the log into the folder of the outputs."""
        with atomic_file(self.out / LOG) as file:
            file.write_text(json.dumps(self.content(), indent=1) + "\n", "utf-8")


def open_log(out: Path, model: Path, taxonomy: Taxonomy) -> PredictionLog:
    """Begins a log in a folder that is new, empty or holds predictions.

    Raises:
        RoadshiftError: the folder holds other files, which predictions might overwrite.
    """
    if out.is_dir() and any(out.iterdir()) and not (out / LOG).is_file():
        raise RoadshiftError(
            f"{out}: holds files that are not predictions; name another folder with --out"
        )
    log = PredictionLog(out, model, taxonomy)
    log.write()
    return log
