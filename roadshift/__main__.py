"""The command line: `roadshift`, or `python -m roadshift`."""

import errno
from importlib import import_module
from typing import Any

import click

from roadshift import __version__, runtime
from roadshift.errors import RoadshiftError
from roadshift.interruption import end_interrupted, raise_on_signals
from roadshift.streams import escape_unprintable

COMMANDS = {
    "browse": "Draw a contact sheet of images and labels.",
    "check": "List all that is wrong with a data set before any work.",
    "compare": "Say which results are better, over seeds and images.",
    "datasets": "List the data sets, or describe one of them.",
    "distill": "Adapt a network to images without labels, taught by several.",
    "estimate": "Say without labels how good a network will be, and where it fails.",
    "evaluate": "Score a network on labelled images that are not in the workflow.",
    "export": "Write a network for another runtime, and check it there.",
    "pick": "Pick images to label first, with drafts of their labels.",
    "predict": "Label images or a video with a network.",
    "taxonomy": "Show which classes data sets can be compared on.",
}
"""Line in `--help` of each command; its module in `roadshift.commands` has the same name."""

EPILOG = """\b
Exit status:
  0  success
  1  failure; one line on stderr says why, and what to do
  2  wrong usage
  130  interrupted

\b
Completion of commands, options and names: put one of these into ~/.bashrc or ~/.zshrc
  eval "$(_ROADSHIFT_COMPLETE=bash_source roadshift)"
  eval "$(_ROADSHIFT_COMPLETE=zsh_source roadshift)"
"""


class Commands(click.Group):
    """A group of commands, each imported only when it runs, so that help appears at once."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports a command; returns None if there is no command of that name."""
        if cmd_name not in self.commands:
            return None
        return import_module(f"roadshift.commands.{cmd_name}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.help or "") for name, each in self.commands.items()])

    def main(self, *args: Any, **options: Any) -> Any:
        """Runs the command line; what the terminal cannot show is escaped."""
        escape_unprintable()
        return super().main(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command; an error that the user can correct becomes one line and exit status 1."""
        try:
            raise_on_signals()
            runtime.prepare()
            return super().invoke(ctx)
        except RoadshiftError as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            # click ends quietly on a closed pipe (`roadshift datasets | head`).
            if error.errno == errno.EPIPE or error.filename is None:
                raise
            raise click.ClickException(f"{error.filename}: {error.strerror}") from None
        except KeyboardInterrupt as interrupt:
            end_interrupted(interrupt)


@click.command(
    cls=Commands,
    commands={name: click.Command(name, help=summary) for name, summary in COMMANDS.items()},
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="roadshift")
def main() -> None:
    """Inspect street-scene data and use trained networks outside the workflow.

    DVC runs the workflow itself, from download to scores: `dvc repro`.
    """


if __name__ == "__main__":
    main()
