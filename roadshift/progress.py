"""Progress bars for terminals and log files."""

import sys

from tqdm import tqdm


def progress_bar(what: str, unit: str, total: int | None, *, done: int = 0) -> tqdm:
    """Returns a bar with rate and time left; a log file gets one line every half minute.

    Args:
        what: label of the bar.
        unit: unit that is counted; bytes ('B') are shown in kB, MB and so on.
        total: number of units; None if unknown.
        done: number of units that an earlier run completed.
    """
    live = sys.stderr.isatty()
    return tqdm(
        desc=what,
        unit=unit,
        unit_scale=unit == "B",
        total=total,
        initial=done,
        mininterval=0.1 if live else 30,
        dynamic_ncols=live,
    )
