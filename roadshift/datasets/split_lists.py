"""Lists of images that a publisher gives for each split, one image a line."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from roadshift.datasets.walk import is_image
from roadshift.errors import RoadshiftError, listed
from roadshift.settings import printable


def read_split_lists(
    lists: Mapping[str, str], root: Path, images: Mapping[str, str]
) -> dict[str, str]:
    """Reads which image is in which split.

    A line begins with an image's id or path; a space, tab or comma ends it, and a label's path may
    follow. Folders before the path of the image in the set, and the suffix, do not matter. First
    folders may be missing where no two images share the rest, but no other folders may stand in
    their place. A line is printed for each list with images that are not there.

    Args:
        lists: split to its text file, relative to the root.
        root: folder that the files and the images are relative to.
        images: id to path of the image, relative to the root.

    Returns:
        Id to split, of the images that are in a list.

    Raises:
        RoadshiftError: a file is missing or not text, names no image of the set, or an image is in
            two lists.
    """
    places = _Places(images)
    split_of: dict[str, str] = {}
    twice = []
    for split, name in lists.items():
        file = root / name
        lines = [*_lines(file)]
        unknown = []
        for number, line in lines:
            found = places.id_of(line)
            if found is None:
                unknown.append(f"line {number}: '{printable(line)[:200]}'")
            elif split_of.setdefault(found, split) != split:
                other = lists[split_of[found]]
                twice.append(f"{file}, line {number}: '{found}' is in '{other}' too")
        if len(unknown) == len(lines):
            first = unknown[0] if unknown else "it is empty"
            raise RoadshiftError(
                f"{file}: names no image of the set ({first}); expected an id or a path on each "
                "line: get the publisher's list, or choose another split"
            )
        if unknown:
            # A part of a set is usable, too, as with the publisher's own splits.
            print(
                f"{file}: {len(unknown)} of {len(lines)} images are not there, first {unknown[0]}"
            )
    if twice:
        raise RoadshiftError(listed(f"{twice[0]}; correct one of the lists", twice[1:]))
    return split_of


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yields the number and text of each line that is not empty."""
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except FileNotFoundError:
        raise RoadshiftError(
            f"{file}: missing; put the publisher's list of the split there, or choose another split"
        ) from None
    except ValueError:
        raise RoadshiftError(f"{file}: not a list of images in UTF-8; replace it") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, line.strip()


class _Places:
    """Finds an image by its id, or by a path of which one ends in the other."""

    def __init__(self, images: Mapping[str, str]) -> None:
        self._ids = {sample_id: sample_id for sample_id in images}
        self._paths = {_without_suffix(path): sample_id for sample_id, path in images.items()}
        # A line without the first folders of an image names it where no two images share it.
        ends = Counter(end for path in self._paths for end in _ends(path))
        self._unique = {
            end: sample_id
            for path, sample_id in self._paths.items()
            for end in _ends(path)
            if ends[end] == 1
        }

    def id_of(self, line: str) -> str | None:
        """Returns the id of the image that a line names, None if there is none."""
        for text in (line, re.split(r"[\s,]", line)[0]):
            for path in (text.replace("\\", "/"), _without_suffix(text.replace("\\", "/"))):
                if found := self._of_path(path.strip("/").removeprefix("./")):
                    return found
        return None

    def _of_path(self, path: str) -> str | None:
        if found := self._ids.get(path) or self._unique.get(path):
            return found
        # Folders may stand before those that the path in the set or the id begins with. A name
        # without folders tells nothing of theirs: b/0001 may be an image of another camera.
        for end in _ends(path):
            if "/" in end and (found := self._paths.get(end) or self._ids.get(end)):
                return found
        return None


def _ends(path: str) -> list[str]:
    """Returns a path, and the path without its first folders, the longest first."""
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _without_suffix(path: str) -> str:
    return os.path.splitext(path)[0] if is_image(path) else path
