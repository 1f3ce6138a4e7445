"""The exception whose message is written for the user, and the form of a long one."""

from collections.abc import Sequence

LINES = 20
"""Most lines that an error lists below its first one."""


class RoadshiftError(Exception):
    """An error that the user can correct.

    The message names the file, value or key, says what was expected, and what to do. It is one
    line, three if a file has to be got by hand, or a line for each fault of a data set, at most a
    screenful. Stages and commands print it without a traceback and exit with status 1.
    """


def listed(head: str, further: Sequence[str], most: int = LINES) -> str:
    """Returns an error of several lines, which counts those that it does not list.

    Args:
        head: first line, which says what is wrong and how many there are.
        further: what else is wrong, one line each.
        most: most lines to list.
    """
    rest = len(further) - most
    return "\n".join([head, *further[:most], *([f"and {rest} more"] if rest > 0 else [])])
