"""The experiments as a table that fits the terminal: `python -m ablation.table`.

`dvc exp show` has a column for each parameter that differs, which fits no screen.
"""

import json
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roadshift.scoring.numbers import percent
from roadshift.scoring.recipes import leaves
from stages.params import PARAMS
from stages.paths import SUMMARY

NAME_WIDTH = 28
"""Width of the column of names, in characters; a longer name gets a line of its own."""
CELL_WIDTH = 5
WORKSPACE = "workspace"
"""DVC's name of the uncommitted files."""
INDENT = "  "
TITLE = "mIoU in percent, network → domain; below it what differs from the first line"
Cell = tuple[str, str]
"""A mix, and the domain that it was scored on."""


@dataclass(frozen=True)
class Row:
    """A commit, the workspace or an experiment.

    Attributes:
        name: name of the experiment or the branch.
        cells: mIoU by mix and domain, 0..1; empty without a summary.
        params: parameters by their dotted keys.
    """

    name: str
    cells: Mapping[Cell, float | None]
    params: Mapping[str, object]


def main() -> None:
    """Print the cells of every experiment and the parameters that it changed."""
    command = (sys.executable, "-m", "dvc", "exp", "show", "--json", *sys.argv[1:])
    shown = subprocess.run(  # noqa: S603 - DVC
        command, stdout=subprocess.PIPE, text=True, check=False
    )
    if shown.returncode:
        sys.exit(shown.returncode)  # DVC has said why
    rows = [list(_rows(baseline)) for baseline in json.loads(shown.stdout)]
    workspace, commits = rows[0], rows[1:]
    width = shutil.get_terminal_size().columns
    for number, experiments in enumerate(commits):
        # What the workspace changed is counted from the last commit, which comes first.
        head, *others = [*experiments[:1], *([] if number else workspace), *experiments[1:]]
        print(*experiment_table(head, others, width), sep="\n")


def experiment_table(baseline: Row, others: Sequence[Row], width: int) -> list[str]:
    """The lines of a table: cells in percent, below them the parameters that differ.

    Args:
        baseline: the commit that the experiments started from.
        others: the experiments.
        width: largest length of a line; if all cells do not fit, mixes follow in a second table.

    Returns:
        The lines.
    """
    rows = (baseline, *others)
    cells = list(dict.fromkeys(cell for row in rows for cell in row.cells))
    mixes = dict.fromkeys(mix for mix, _ in cells)
    names = min(NAME_WIDTH, max(len(row.name) for row in rows))
    lines = textwrap.wrap(TITLE, width)
    blocks: list[list[Cell]] = [[]]
    for mix in mixes:
        columns = [cell for cell in cells if cell[0] == mix]
        if blocks[-1] and names + sum(map(_width, [*blocks[-1], *columns])) > width:
            blocks.append([])
        blocks[-1] += columns
    for block in blocks:
        titles = "".join(f"{_title(cell):>{_width(cell)}}" for cell in block)
        lines.append(f"{'':<{names}}{titles}".rstrip())
        for row in rows:
            values = "".join(f"{percent(row.cells.get(cell)):>{_width(cell)}}" for cell in block)
            if len(row.name) > names:
                lines.append(row.name)
            lines.append(f"{row.name if len(row.name) <= names else '':<{names}}{values}".rstrip())
            # Once is enough.
            if block is blocks[-1]:
                changed = " ".join(_changed(baseline.params, row.params))
                wrapped = textwrap.wrap(changed, width - len(INDENT), break_on_hyphens=False)
                lines += [f"{INDENT}{line}" for line in wrapped]
    return lines


def _rows(baseline: Mapping[str, Any]) -> Iterator[Row]:
    """The rows of an entry of `dvc exp show --json`: a commit with its experiments."""
    revision = baseline["rev"]
    yield _row(baseline["name"] or (revision if revision == WORKSPACE else revision[:7]), baseline)
    for experiment in baseline.get("experiments") or []:
        last = experiment["revs"][0]
        name = experiment["name"] or last["rev"][:7]
        state = (experiment.get("executor") or {}).get("state")
        yield _row(f"{name} ({state})" if state else name, last)


def _row(name: str, entry: Mapping[str, Any]) -> Row:
    data = entry.get("data") or {}
    params = _content(data.get("params"), str(PARAMS))
    summary = _content(data.get("metrics"), str(SUMMARY))
    cells = {
        (mix, domain): score.get("miou")
        for mix, scores in summary.items()
        for domain, score in scores.items()
        if isinstance(score, Mapping)
    }
    return Row(name, cells, dict(leaves(params)))


def _content(files: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    """Returns a file's content as DVC read it, empty if there is no such file."""
    return ((files or {}).get(name) or {}).get("data") or {}


def _changed(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    """The overrides that lead from some parameters to others."""
    for key, value in after.items():
        if key not in before or before[key] != value:
            yield f"{key}={json.dumps(value) if not isinstance(value, str) else value}"
    yield from (f"~{key}" for key in before if after and key not in after)


def _title(cell: Cell) -> str:
    return "→".join(cell)


def _width(cell: Cell) -> int:
    return 2 + max(CELL_WIDTH, len(_title(cell)))


if __name__ == "__main__":
    main()
