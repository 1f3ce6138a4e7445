"""Git's index, which DVC leaves such that git overlooks changed files of equal size.

docs/explanation/dvc-index-report.md has the cause, and a reproduction without this project.
"""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

LONG_AGO = 1
"""A time before that of any file, in seconds; git takes 0 for no time at all."""


def look_into_files() -> None:
    """Lets git compare the content of every file whose time and size its index already knows.

    An experiment that fails later, or is interrupted, otherwise leaves files that git takes for
    those of the last commit, although they are another run's. Nothing is staged or unstaged.
    """
    # An entry of the index that is not older than the index is compared by content, and git marks
    # it in the index if the content differs.
    with suppress(OSError, subprocess.CalledProcessError):
        place = _git("rev-parse", "--git-path", "index").stdout.strip()
        os.utime(Path(place), (LONG_AGO, LONG_AGO))
        _git("status", "--porcelain", "--untracked-files=no")


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    # The marks are written only with this lock, which a user may have switched off.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "1"}
    return subprocess.run(  # noqa: S603 - Git
        (shutil.which("git") or "git", *arguments),
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
