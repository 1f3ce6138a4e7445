"""All cases of bad input, and the page about them: `python -m tests.bad_input.table`."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bad_input.archives import ARCHIVES, FOLDERS
from tests.bad_input.images import IMAGES, PREDICTED
from tests.bad_input.labels import LABELS
from tests.bad_input.machines import MACHINES
from tests.bad_input.params import PARAMS
from tests.bad_input.project import Case
from tests.bad_input.records import HISTORY, MANIFESTS, MODELS, SHARDS, save_model

PAGE = Path(__file__).parents[2] / "docs/bad_input.md"
HEAD = """\
# Bad input

`tests/bad_input` tries every case on this page, and `python -m tests.bad_input.table` writes the
page. Unusable input ends a stage or command with exit status 1 and one line, or one line for each
fault, shown here without the `error:` before it; … stands for a part that differs from machine to
machine, ⋮ for more lines of the kind. No traceback is printed, and no file is written or changed,
except for `predictions.json`, in which `roadshift predict` lists the inputs that failed. The other
cases work, and the page says how.
"""


@dataclass(frozen=True)
class Section:
    """The cases of one kind of input."""

    title: str
    cases: Sequence[Case]


SECTIONS = (
    Section("Archives", ARCHIVES),
    Section("Your own folder", FOLDERS),
    Section("Images of a data set", IMAGES),
    Section("Images to predict", PREDICTED),
    Section("Labels", LABELS),
    Section("A manifest edited by hand", MANIFESTS),
    Section("Shards", SHARDS),
    Section("Networks", MODELS),
    Section("Parameters", PARAMS),
    Section("Devices and machines", MACHINES),
)
CASES = {
    f"{section.title}: {number} {case.name}": case
    for section in SECTIONS
    for number, case in enumerate(section.cases, 1)
}


def make_case(folder: Path, name: str) -> None:
    """Makes the bad input of a case in a project's folder."""
    os.chdir(folder)
    CASES[name].make()


def make_model(folder: Path) -> None:
    """Puts a network into a project's folder."""
    os.chdir(folder)
    save_model("unet", "driving11")
    HISTORY.write_text('{"target_images": {}}', "utf-8")


def check_case(folder: Path, name: str) -> None:
    """Checks the outputs of a case that works."""
    os.chdir(folder)
    CASES[name].check()


def warm_up(with_tensorflow: bool) -> None:
    """Imports TensorFlow before any case does, since that takes seconds and prints lines."""
    if with_tensorflow:
        import roadshift.records.reader  # noqa: F401

        # It warns of many networks in one process; a user's command has one.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)


def page() -> str:
    """Returns the page in Markdown."""
    parts = [HEAD]
    for section in SECTIONS:
        rows = [
            f"| {case.name} | {_commands(case)} | {_shown(case)} | {case.status} |"
            for case in section.cases
        ]
        head = "| bad input | run | what the user sees | status |\n|---|---|---|---|"
        parts.append(f"## {section.title}\n\n{head}\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _commands(case: Case) -> str:
    names = (f"{c[0]} {c[1]}" if c[0] == "roadshift" else c[0] for c in case.commands)
    return ", ".join(f"`{name}`" for name in names)


def _shown(case: Case) -> str:
    if not case.error:
        return f"works: {case.works}"
    lines = case.error.replace("|", "\\|").split("\n")
    return "<br>".join(f"`{line}`" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
