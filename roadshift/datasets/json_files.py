"""Strict reading of the JSON files of publishers and label tools."""

import json
import math
import re
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from roadshift.errors import RoadshiftError
from roadshift.settings import printable

MOST_COORDINATE = 100_000
"""Largest coordinate of a point, in pixels; larger ones are damage, and slow to draw."""
_DRIVE = re.compile("[A-Za-z]:|//")
_FORMS: dict[Any, str] = {
    dict: "keys with values",
    list: "a list",
    int: "an integer",
    str: "a text",
    (int, float): "a number",
}


def load_json(file: Path) -> Any:
    """Reads a JSON file of UTF-8.

    Raises:
        RoadshiftError: the file is missing, not JSON, or nested too deeply; numbers that are none
            (NaN, Infinity) are no JSON.
    """
    try:
        return json.loads(file.read_bytes(), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing; add the file of the export or archive") from None
    except OSError as error:
        raise RoadshiftError(f"{file}: cannot be read ({error.strerror})") from None
    except RecursionError:
        raise RoadshiftError(f"{file}: not JSON: nested too deeply; export it anew") from None
    except ValueError as error:
        reason = printable(" ".join(str(error).split()))
        raise RoadshiftError(f"{file}: not JSON: {reason}; export it anew") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def expect(value: Any, form: Any, where: str) -> Any:
    """Returns a value of a JSON file, if it has a form.

    Args:
        value: the value.
        form: dict, list, int, str, or (int, float).
        where: file and place, for errors.

    Raises:
        RoadshiftError: it has another form.
    """
    if not isinstance(value, form) or isinstance(value, bool):
        raise RoadshiftError(f"{where}: expected {_FORMS[form]}, not {_shown(value)}")
    return value


def entry(content: Any, key: str, form: Any, where: str) -> Any:
    """Returns the value of a key of a JSON file; as `expect`.

    Raises:
        RoadshiftError: `content` has no keys, lacks this one, or the value has another form.
    """
    if key not in expect(content, dict, where):
        raise RoadshiftError(f"{where}: '{key}' is missing; export it anew")
    return expect(content[key], form, f"{where}: {key}")


def points(values: Any, where: str) -> list[tuple[float, float]]:
    """Reads a polygon, a list of points `[x, y]`.

    Raises:
        RoadshiftError: a point has another form, or there are fewer than three.
    """
    found = []
    for index, point in enumerate(expect(values, list, where)):
        place = f"{where}[{index}]"
        if len(expect(point, list, place)) != 2:
            raise RoadshiftError(f"{place}: expected a point [x, y], not {_shown(point)}")
        found.append((coordinate(point[0], place), coordinate(point[1], place)))
    return checked_polygon(found, where)


def checked_polygon(found: list[tuple[float, float]], where: str) -> list[tuple[float, float]]:
    """Returns a polygon.

    Raises:
        RoadshiftError: it has fewer than three points.
    """
    if len(found) < 3:
        raise RoadshiftError(
            f"{where}: a polygon of {len(found)} points, expected 3 or more; correct or delete it"
        )
    return found


def coordinate(value: Any, where: str) -> float:
    """Returns a coordinate in pixels.

    Raises:
        RoadshiftError: it is no number, or a huge one.
    """
    number: float = expect(value, (int, float), where)
    if not (abs(number) <= MOST_COORDINATE and math.isfinite(number)):
        raise RoadshiftError(f"{where}: {_shown(value)} is not a coordinate in pixels; correct it")
    return number


def inner_path(name: str, where: str) -> str:
    """Returns the path of an image in a JSON file, with forward slashes.

    Raises:
        RoadshiftError: it leads out of the set's folder.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    is_absolute = path.is_absolute() or _DRIVE.match(name)
    if is_absolute or ".." in path.parts or not path.parts or "\0" in name:
        raise RoadshiftError(
            f"{where}: the path {_shown(name)} leads out of the set's folder; export the set with "
            "its images"
        )
    return path.as_posix()


def _shown(value: Any) -> str:
    text = printable(repr(value) if not isinstance(value, int) else str(value)[:80])
    return text if len(text) <= 80 else f"{text[:77]}..."
