"""The YAML files of this package: cards and label encodings, by name."""

from importlib import resources
from typing import Any

from roadshift.errors import RoadshiftError
from roadshift.settings import load_yaml, suggestion


def packaged_names(folder: str) -> tuple[str, ...]:
    """Returns the names of the files in a folder of this package, without '.yaml', sorted."""
    files = (resources.files(__package__) / folder).iterdir()
    return tuple(sorted(f.name.removesuffix(".yaml") for f in files if f.name.endswith(".yaml")))


def load_packaged(folder: str, name: str, what: str) -> Any:
    """Reads a file of this package; returns its content.

    Args:
        folder: folder in this package.
        name: name of the file, without '.yaml'.
        what: what the file is, for errors.

    Raises:
        RoadshiftError: there is no such file, or it is not YAML.
    """
    known = packaged_names(folder)
    if name not in known:
        raise RoadshiftError(f"'{name}' is not a {what}{suggestion(name, known)}")
    try:
        return load_yaml((resources.files(__package__) / folder / f"{name}.yaml").read_bytes())
    except RoadshiftError as error:
        raise RoadshiftError(f"{what} '{name}': {error}") from None
