"""What all stages share on the command line: help, arguments, and errors on one line."""

import argparse
import io
import sys
from collections.abc import Callable

from roadshift.errors import RoadshiftError
from roadshift.settings import nearest
from stages.params import Params, load_params

SECTIONS = {"role": "domains", "mix": "mixes", "mixes": "mixes"}
"""The section of params.yaml that an argument is a key of."""


def run(main: Callable[..., None], *arguments: str) -> None:
    """Runs a stage with the parameters and its arguments; a RoadshiftError becomes one line.

    Args:
        main: the stage, which takes the parameters and the arguments; its docstring is the help.
        arguments: 'role', 'mix', or 'mixes' for one or more.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name in arguments:
        several = "+" if name == "mixes" else None
        parser.add_argument(name, help=f"key of {SECTIONS[name]} in params.yaml", nargs=several)
    given = vars(parser.parse_args())
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Through DVC's pipe too, what is printed comes when it is, and before an error.
        sys.stdout.reconfigure(line_buffering=True)
    try:
        params = load_params()
        for name, value in given.items():
            for key in value if isinstance(value, list) else [value]:
                _check_key(params, SECTIONS[name], key)
        main(params, **given)
    except RoadshiftError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)  # as a shell has it: 128 + SIGINT


def _check_key(params: Params, section: str, key: str) -> None:
    known = getattr(params, section)
    if key not in known:
        raise RoadshiftError(f"'{key}' is no key of {section} in params.yaml{nearest(key, known)}")
