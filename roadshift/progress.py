"""Progress bars that suit a terminal and a log file alike."""

import sys

from tqdm import tqdm


def progress_bar(what: str, unit: str, total: int | None, done: int = 0) -> tqdm:
    """A bar with rate and time left; in a log file it writes a line each half minute.

    Args:
        what: what the bar is called.
        unit: what is counted; bytes ('B') are shown in kB, MB and so on.
        total: how many there are, if that is known.
        done: how many an earlier run did already.
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
