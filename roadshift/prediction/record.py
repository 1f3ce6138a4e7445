"""The record beside predictions: of which network they are, and what their ids mean."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roadshift.errors import RoadshiftError
from roadshift.outputs import whole_file
from roadshift.prediction.network import class_list
from roadshift.taxonomy import Taxonomy

RECORD = "predictions.json"


@dataclass
class Record:
    """What a run predicted."""

    out: Path
    model: Path
    taxonomy: Taxonomy
    done: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """By file, why it could not be read."""

    def content(self) -> dict[str, Any]:
        """All of it, ready to be written as JSON."""
        return {
            "model": str(self.model),
            "taxonomy": self.taxonomy.name,
            "classes": class_list(self.taxonomy),
            "done": self.done,
            "failed": self.failed,
        }

    def write(self) -> None:
        """Writes it into the folder of outputs."""
        with whole_file(self.out / RECORD) as file:
            file.write_text(json.dumps(self.content(), indent=1) + "\n", "utf-8")


def open_record(out: Path, model: Path, taxonomy: Taxonomy) -> Record:
    """Begins a record, in a folder that is new, empty, or of predictions.

    Raises:
        RoadshiftError: the folder holds something else, which predictions might overwrite.
    """
    if out.is_dir() and any(out.iterdir()) and not (out / RECORD).is_file():
        raise RoadshiftError(
            f"{out}: holds files that are no predictions; name another folder with --out"
        )
    record = Record(out, model, taxonomy)
    record.write()
    return record
