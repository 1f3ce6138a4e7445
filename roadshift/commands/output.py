"""What commands print: tables for people, JSON for machines, names for the shell to complete."""

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
    """Prints to a terminal at its width, and into a pipe or file without breaking lines."""
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 10_000
    return Console(width=wide, highlight=False, markup=False, emoji=False)


def table(*columns: str, whole: Collection[str] = ()) -> Table:
    """An empty table with a line under its head.

    Args:
        columns: their heads.
        whole: those besides the first that do not wrap.
    """
    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        kept = column == columns[0] or column in whole
        grid.add_column(column, no_wrap=kept, overflow="ellipsis" if kept else "fold")
    return grid


def pairs(content: Mapping[str, str]) -> Table:
    """Keys and values side by side; values wrap, empty ones are left out."""
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
    """What the shell offers for an argument that is one of these names."""

    def complete(
        context: click.Context, parameter: click.Parameter, begun: str
    ) -> list[CompletionItem]:
        return [CompletionItem(name) for name in names() if name.startswith(begun)]

    return complete
