"""All that is tried, and the page about it: `python -m tests.bad_input.table`."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bad_input.archives import ARCHIVES, FOLDERS
from tests.bad_input.labels import LABELS
from tests.bad_input.params import PARAMS
from tests.bad_input.pictures import LOOKS, PICTURES
from tests.bad_input.project import Case
from tests.bad_input.records import HISTORY, MANIFESTS, MODELS, SHARDS, save_model

PAGE = Path(__file__).parents[2] / "docs/bad_input.md"
HEAD = """\
# Bad input

What becomes of input that is not as it should be: each case is tried by `tests/bad_input`, and
this page is written by `python -m tests.bad_input.table`. What cannot be used ends a stage or
command with exit status 1 and one line, shown here without the `error:` before it and with … for
what differs from machine to machine. No traceback is printed, and no file written or changed, but
for the record in which `roadshift predict` keeps what it could not read. The rest works, as said.
"""


@dataclass(frozen=True)
class Section:
    """Cases of one kind of input."""

    title: str
    cases: Sequence[Case]


SECTIONS = (
    Section("Archives", ARCHIVES),
    Section("A folder of one's own", FOLDERS),
    Section("Pictures of a data set", PICTURES),
    Section("Pictures to predict", LOOKS),
    Section("Labels", LABELS),
    Section("A manifest edited by hand", MANIFESTS),
    Section("Shards", SHARDS),
    Section("Networks", MODELS),
    Section("Parameters", PARAMS),
)
CASES = {
    f"{section.title}: {number} {case.name}": case
    for section in SECTIONS
    for number, case in enumerate(section.cases, 1)
}


def make_case(folder: Path, name: str) -> None:
    """Makes what a case is about in a project's folder."""
    os.chdir(folder)
    CASES[name].make()


def make_model(folder: Path) -> None:
    """Puts a network into a project's folder."""
    os.chdir(folder)
    save_model("unet", "driving11")
    HISTORY.write_text('{"target_pictures": {}}', "utf-8")


def check_case(folder: Path, name: str) -> None:
    """Looks at what came of a case that works."""
    os.chdir(folder)
    CASES[name].check()


def warm_up(with_tensorflow: bool) -> None:
    """Takes the seconds of an import, and what it prints, in a process of its own."""
    if with_tensorflow:
        import roadshift.records.reader  # noqa: F401

        # It warns of many networks in one process, which no command of the user's has.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)


def page() -> str:
    """The whole page, in Markdown."""
    parts = [HEAD]
    for section in SECTIONS:
        rows = [
            f"| {case.name} | {_commands(case)} | {_shown(case)} | {case.status} |"
            for case in section.cases
        ]
        head = "| what is bad | run | what the user sees | status |\n|---|---|---|---|"
        parts.append(f"## {section.title}\n\n{head}\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _commands(case: Case) -> str:
    names = (f"{c[0]} {c[1]}" if c[0] == "roadshift" else c[0] for c in case.commands)
    return ", ".join(f"`{name}`" for name in names)


def _shown(case: Case) -> str:
    return f"`{case.error.replace('|', chr(92) + '|')}`" if case.error else f"works: {case.works}"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
