"""Names of a label tool's labels, turned into universal names."""

from functools import cache
from pathlib import Path
from typing import Any

from roadshift.errors import RoadshiftError, listed
from roadshift.settings import load_yaml, printable
from roadshift.taxonomy import meant_name, not_universal, universal_names

NAMES = "names.yaml"
"""A user's file beside a tool's export: the universal name of each label that stands for none."""


class ToolNames:
    """Turns the names in a tool's table into universal names, and keeps what is wrong with them.

    A name is a universal name, a word that stands for one, or a key of `names.yaml` in the set's
    folder, whose value is the universal name.
    """

    def __init__(self, folder: Path) -> None:
        """Reads names.yaml, if the folder has one.

        Raises:
            RoadshiftError: it is not YAML, or has other values than universal names.
        """
        self._own = _read_names(folder / NAMES)
        self._faults: list[str] = []
        self._unknown: list[str] = []
        self._understood: list[str] = []

    def universal(self, name: str, where: str) -> str | None:
        """Returns the universal name of a label; keeps a name that stands for none as a fault.

        Args:
            name: name in the tool's table.
            where: its place in the table, such as 'line 3'.
        """
        shown = printable(name)[:80]
        # Labelme puts underscores around the names of what is no object.
        universal = self._own.get(name) or meant_name(name.strip(" _"))
        if universal is None:
            self._faults.append(f"{where}: {not_universal(shown, list_known=False)}")
            self._unknown.append(shown)
        elif universal != name:
            self._understood.append(f"{shown} as {universal}")
        return universal

    def fault(self, line: str) -> None:
        """Keeps another fault of the table."""
        self._faults.append(line)

    def check(self, file: Path) -> None:
        """Refuses a table with faults; prints once which names were taken as which.

        Raises:
            RoadshiftError: there are faults, all of which are listed.
        """
        if self._faults:
            todo = "correct it there"
            if self._unknown:
                todo += f", or put what it means into {NAMES}, as '{self._unknown[0]}: road'"
            raise RoadshiftError(listed(f"{file}: {self._faults[0]}; {todo}", self._faults[1:]))
        if self._understood:
            _say_once(f"{file}: read {', '.join(self._understood)}")


def _read_names(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    try:
        content: Any = load_yaml(file.read_bytes())
    except RoadshiftError as error:
        raise RoadshiftError(f"{file}: {error}") from None
    if not isinstance(content, dict):
        raise RoadshiftError(f"{file}: expected lines 'label: universal name', not {content!r}")
    wrong = [
        f"{name}: {not_universal(value, list_known=False)}"
        for name, value in content.items()
        if not isinstance(value, str) or value not in universal_names()
    ]
    if wrong:
        todo = "the list of them is roadshift/taxonomy/names/universal.yaml"
        raise RoadshiftError(listed(f"{file}: {wrong[0]}; {todo}", wrong[1:]))
    return {str(name): value for name, value in content.items()}


@cache
def _say_once(line: str) -> None:
    print(line)
