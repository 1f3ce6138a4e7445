"""Output of the commands: tables for people, JSON for programs, names for shell completion."""

import json
import os
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


def console() -> Console:
    """Returns a console that breaks lines at a terminal's width, and not in a pipe or file."""
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 10_000
    return Console(width=wide, highlight=False, markup=False, emoji=False)


def table(*columns: str, whole: Collection[str] = (), paths: bool = False) -> Table:
    """Returns an empty table with a line under its head.

    Args:
        columns: titles of the columns.
        whole: titles of the columns that do not wrap, besides the first.
        paths: whether the first column has paths: they wrap, so that none loses its end.
    """
    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        kept = column in whole or (column == columns[0] and not paths)
        grid.add_column(column, no_wrap=kept, overflow="ellipsis" if kept else "fold")
    return grid


def pairs(content: Mapping[str, str]) -> Table:
    """Returns a table of keys and values; values wrap, and empty ones are left out."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for key, value in content.items():
        if value:
            grid.add_row(key, value)
    return grid


def print_json(content: Any) -> None:
    """Prints JSON that a person can read too."""
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def completion(
    names: Callable[[], Collection[str]],
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Returns the shell completion of an argument that is one of these names."""

    def complete(
        context: click.Context, parameter: click.Parameter, begun: str
    ) -> list[CompletionItem]:
        return [CompletionItem(name) for name in names() if name.startswith(begun)]

    return complete
