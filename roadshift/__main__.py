"""The command line: `roadshift`, or `python -m roadshift`."""

import errno
from importlib import import_module
from typing import Any

import click

from roadshift import __version__
from roadshift.errors import RoadshiftError

COMMANDS = {
    "browse": "Draw a contact sheet of pictures and labels.",
    "datasets": "List the data sets, or all there is to know of one.",
    "taxonomy": "Show which classes data sets can be compared on.",
}
"""A command's name, the module in roadshift.commands too, and what `--help` says of it."""

EPILOG = """\b
Exit status:
  0  done
  1  it could not be done; one line on stderr says why, and what to do
  2  the command was not understood

\b
Completion of commands, options and names, in ~/.bashrc or ~/.zshrc:
  eval "$(_ROADSHIFT_COMPLETE=bash_source roadshift)"
  eval "$(_ROADSHIFT_COMPLETE=zsh_source roadshift)"
"""


class Commands(click.Group):
    """Commands that are imported when they are run, so that help and errors come at once."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports a command, None where there is none of that name."""
        if cmd_name not in self.commands:
            return None
        return import_module(f"roadshift.commands.{cmd_name}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.help or "") for name, each in self.commands.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command; what the user can put right becomes one line and exit status 1."""
        try:
            return super().invoke(ctx)
        except RoadshiftError as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            # A closed pipe (`roadshift datasets | head`) is click's to end quietly.
            if error.errno == errno.EPIPE or error.filename is None:
                raise
            raise click.ClickException(f"{error.filename}: {error.strerror}") from None


@click.command(
    cls=Commands,
    commands={name: click.Command(name, help=summary) for name, summary in COMMANDS.items()},
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="roadshift")
def main() -> None:
    """Look at the data of street-scene segmentation, before and beside the workflow.

    The workflow itself, from download to scores, is run by DVC: `dvc repro`.
    """


if __name__ == "__main__":
    main()
