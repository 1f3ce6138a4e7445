"""Hashes the code of every stage, so that a changed comment makes no stage run again."""

import json
from functools import cache
from pathlib import Path

import nbformat

from roadshift.atomic import atomic_folder
from roadshift.source_code import code_digest, is_program, modules_of_program
from stages.entry import run
from stages.params import Params
from stages.paths import CODE_DIGESTS, NOTEBOOK

STAGES = Path("stages")
PACKAGES = ("roadshift", "stages")
NEUTRAL = (
    *("roadshift/atomic.py", "roadshift/checksum.py", "roadshift/environment.py"),
    *("roadshift/errors.py", "roadshift/interruption.py", "roadshift/progress.py"),
    *("roadshift/settings.py", "roadshift/source_code.py", "roadshift/streams.py"),
    *("roadshift/tensorflow_log.py", "roadshift/workers.py"),
    *("stages/entry.py", "stages/git_index.py", "stages/params.py", "stages/paths.py"),
)
"""Modules that change no result: messages, progress bars, how files are put in place, and the
schema of params.yaml, whose values are dependencies of their own."""


def main(_params: Params) -> None:
    """Write, for every stage, a digest of each module that it runs, comments left out."""
    digest = cache(lambda file: code_digest(file.read_text("utf-8")))
    with atomic_folder(CODE_DIGESTS) as folder:
        for script in sorted(STAGES.glob("[!_]*.py")):
            text = script.read_text("utf-8")
            if not is_program(text):
                continue
            modules = modules_of_program(
                text + _notebook_code(script.stem),
                root=Path(),
                packages=PACKAGES,
                leave_out=NEUTRAL,
            )
            digests = {file.as_posix(): digest(file) for file in (*modules, script)}
            file = folder / f"{script.stem}.json"
            file.write_text(json.dumps(digests, indent=1) + "\n", "utf-8")


def _notebook_code(stage: str) -> str:
    """Returns the code of the report's notebook, whose imports the stage 'report' runs."""
    if stage != "report":
        return ""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    return "".join(f"\n{cell.source}" for cell in cells if cell.cell_type == "code")


if __name__ == "__main__":
    run(main)
