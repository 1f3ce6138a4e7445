"""The tables of label tools that are text: CVAT's, Roboflow's and Labelme's."""

import re
from collections.abc import Iterator
from pathlib import Path

from roadshift.datasets.encoding import Encoding, Kind, Rows, checked_encoding
from roadshift.datasets.tool_names import ToolNames
from roadshift.settings import printable

LABELMAP = "labelmap.txt"
CLASSES = "_classes.csv"
CLASS_NAMES = "class_names.txt"
IGNORED = 255
"""Id that labelme2voc writes for its label '__ignore__', which its table leaves out."""
_LINE = re.compile(r"(?P<name>[^:]+):(?P<red>\d{1,3}),(?P<green>\d{1,3}),(?P<blue>\d{1,3})(:.*)?")
_ROW = re.compile(r"(?P<id>\d{1,5})\s*,\s*\"?(?P<name>[^,\"]+)\"?")


def read_labelmap(file: Path, folder: Path) -> Encoding:
    """Reads the colours of a 'Segmentation mask' of CVAT: `name:red,green,blue:parts:actions`.

    A label's name is a universal name, a word that stands for one, or a key of `names.yaml`; what
    is taken as another name is printed.

    Args:
        file: the table.
        folder: the set's folder, which may have a `names.yaml`.

    Raises:
        RoadshiftError: a line has another form, or a name stands for no universal name; all such
            lines are listed.
    """
    names = ToolNames(folder)
    values: Rows = []
    for number, text in _lines(file):
        found = _LINE.fullmatch(text)
        if text.startswith("#"):
            continue
        if not found:
            names.fault(f"line {number}: expected 'name:red,green,blue::', not {_shown(text)}")
        elif universal := names.universal(found["name"].strip(), f"line {number}"):
            channels = (int(found[colour]) for colour in ("red", "green", "blue"))
            values.append((*channels, universal))
    return _encoding(file, names, kind="colour", values=values, source="CVAT")


def read_classes(file: Path, folder: Path) -> Encoding:
    """Reads the ids of Roboflow's 'Semantic Segmentation Masks': `Pixel Value, Class`.

    Args, names and errors are those of `read_labelmap`.
    """
    names = ToolNames(folder)
    values: Rows = []
    for number, text in _lines(file):
        found = _ROW.fullmatch(text)
        if not found and not values and text.lower().startswith("pixel"):
            continue
        if not found:
            names.fault(f"line {number}: expected 'id, name', not {_shown(text)}")
        elif universal := names.universal(found["name"].strip(), f"line {number}"):
            values.append((int(found["id"]), universal))
    return _encoding(file, names, kind="grey", values=values, source="Roboflow")


def read_class_names(file: Path, folder: Path) -> Encoding:
    """Reads the names that labelme2voc writes in the order of the ids; 255 is unlabelled.

    Args, names and errors are those of `read_labelmap`.
    """
    names = ToolNames(folder)
    lines = [*_lines(file)]
    # The list of labels that the tool is given begins with a label that has no id.
    if lines and lines[0][1] == "__ignore__":
        lines = lines[1:]
    values: Rows = [(IGNORED, "unlabelled")]
    for label_id, (number, text) in enumerate(lines):
        if universal := names.universal(text, f"line {number}"):
            values.append((label_id, universal))
    if not lines:
        names.fault("it is empty; expected a name on each line")
    return _encoding(file, names, kind="grey", values=values, source="Labelme")


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yields the number and the text of each line that is not blank."""
    for number, line in enumerate(file.read_text("utf-8-sig", "replace").splitlines(), 1):
        if line.strip():
            yield number, line.strip()


def _shown(text: str) -> str:
    return repr(printable(text)[:80])


def _encoding(file: Path, names: ToolNames, *, kind: Kind, values: Rows, source: str) -> Encoding:
    names.check(file)
    return checked_encoding({"kind": kind, "values": values, "source": source}, str(file))
