"""Masks as run lengths, in the form of COCO's library."""

from typing import Any

from pycocotools import mask as masks

from roadshift.datasets.json_files import entry, expect
from roadshift.errors import RoadshiftError

RunLengths = dict[str, Any]
"""A mask as pycocotools has it."""


def run_lengths(shape: object, where: str, height: int, width: int) -> RunLengths:
    """Returns a mask of an image.

    Args:
        shape: the mask in a JSON file, with its size and its counts, packed or as a list.
        where: file and place, for errors.
        height: height of the image.
        width: width of the image.

    Raises:
        RoadshiftError: it has another size, or counts that do not fill it.
    """
    size = entry(shape, "size", list, where)
    if size != [height, width]:
        raise RoadshiftError(f"{where}: size {size!r:.60}, expected {[height, width]}; correct it")
    counts = expect(shape, dict, where).get("counts")
    runs = _unpacked(counts) if isinstance(counts, str) else expect(counts, list, where)
    if any(type(run) is not int or run < 0 for run in runs) or sum(runs) != height * width:
        raise RoadshiftError(
            f"{where}: counts are not the run lengths of {height * width} pixels; export it anew"
        )
    return masks.frPyObjects({"size": size, "counts": runs}, height, width)


def _unpacked(text: str) -> list[int]:
    """Returns the run lengths in COCO's compressed form, a negative one for damaged text.

    pycocotools does not check whether they sum to the size of the image.
    """
    runs: list[int] = []
    value, bits = 0, 0
    for character in text:
        digit = ord(character) - 48
        if not 0 <= digit < 64 or bits > 40:
            return [-1]
        value |= (digit & 31) << bits
        bits += 5
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << bits
        # From the fourth run on, the difference from the last run but one is stored.
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value, bits = 0, 0
    return [-1] if bits else runs
