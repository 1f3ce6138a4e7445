"""CVAT's labelmap.txt, the label encoding in an export as 'Segmentation mask'."""

import re
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from roadshift.datasets.encoding import Encoding
from roadshift.errors import RoadshiftError, listed
from roadshift.settings import format_validation_error
from roadshift.taxonomy import meant_name, not_universal

LABELMAP = "labelmap.txt"
_LINE = re.compile(r"(?P<name>[^:]+):(?P<red>\d{1,3}),(?P<green>\d{1,3}),(?P<blue>\d{1,3})(:.*)?")


def read_labelmap(file: Path) -> Encoding:
    """Reads the colours of an export; its lines are `name:red,green,blue:parts:actions`.

    A label's name is a universal name, or a word that stands for one; the latter are printed.

    Raises:
        RoadshiftError: a line has another form, or a name stands for no universal name; all such
            lines are listed.
    """
    values: list[tuple[int | str, ...]] = []
    faults, understood = [], []
    for number, line in enumerate(file.read_text("utf-8-sig", "replace").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _LINE.fullmatch(text)
        if not found:
            faults.append(f"line {number}: expected 'name:red,green,blue::', not {text[:80]!r}")
            continue
        name = found["name"].strip()
        universal = meant_name(name)
        if universal is None:
            faults.append(f"line {number}: {not_universal(name)}")
            continue
        if universal != name:
            understood.append(f"{name} as {universal}")
        values.append((int(found["red"]), int(found["green"]), int(found["blue"]), universal))
    if faults:
        head = f"{file}: {faults[0]}; correct it there"
        raise RoadshiftError(listed(head, faults[1:]))
    if understood:
        _say_once(f"{file}: read {', '.join(understood)}")
    try:
        return Encoding(kind="colour", values=values, source="CVAT")
    except ValidationError as error:
        raise RoadshiftError(f"{file}: {format_validation_error(error, Encoding)}") from None


@cache
def _say_once(line: str) -> None:
    print(line)
