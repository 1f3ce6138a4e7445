"""Progress bars that suit a terminal and a log file alike."""

import sys

from tqdm import tqdm


def progress_bar(what: str, unit: str, total: int | None) -> tqdm:
    """A bar with rate and time left; in a log file it writes a line each half minute."""
    live = sys.stderr.isatty()
    return tqdm(
        desc=what, unit=unit, total=total, mininterval=0.1 if live else 30, dynamic_ncols=live
    )
