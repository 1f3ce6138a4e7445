"""What all stages share on the command line: help, arguments, and errors on one line."""

import argparse
import sys
from collections.abc import Callable

from roadshift.errors import RoadshiftError


def run(main: Callable[..., None], **arguments: str) -> None:
    """Parses the command line, runs a stage, and turns a RoadshiftError into one line.

    Args:
        main: the stage; its docstring is the help.
        arguments: by name, what each positional argument means. A name that ends in 's' takes
            one or more.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name, meaning in arguments.items():
        parser.add_argument(name, help=meaning, nargs="+" if name.endswith("s") else None)
    try:
        main(**vars(parser.parse_args()))
    except RoadshiftError as error:
        sys.exit(f"error: {error}")
