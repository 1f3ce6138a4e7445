"""One experiment, checked before DVC starts it: `python -m ablation.experiment -S key=value`.

`dvc exp run` first puts the parameters into params.yaml, and the workflow refuses them only then;
a key that does not exist it refuses in words of its own, without the nearest one that does.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from ablation.variants import overridden
from roadshift.errors import RoadshiftError
from roadshift.settings import suggestion
from stages.params import PARAMS, load_params

RESULT = "summarize"
"""The stage that an experiment with one mix ends with, so that its figures are its own."""


def main() -> None:
    """Run an experiment, after a check of its parameters, and of one mix alone if asked to."""
    parser = argparse.ArgumentParser(prog="python -m ablation.experiment", description=main.__doc__)
    parser.add_argument(
        "-S", dest="overrides", metavar="KEY=VALUE", action="append", default=[],
        help="a parameter to change, as after `dvc exp run`; repeatable",
    )  # fmt: skip
    parser.add_argument("--mix", help="train, score and summarize this mix alone")
    given = parser.parse_args()
    try:
        command = experiment_command(given.overrides, given.mix)
    except RoadshiftError as error:
        sys.exit(f"error: {error}")
    # DVC takes this process's place: Ctrl-C and the exit status are its own.
    os.execv(sys.executable, (sys.executable, "-m", "dvc", *command))  # noqa: S606 - DVC


def experiment_command(overrides: Sequence[str], mix: str | None = None) -> tuple[str, ...]:
    """The arguments of DVC that run an experiment.

    Args:
        overrides: overrides of params.yaml, as after `dvc exp run -S`.
        mix: the only mix to train; None for all of them.

    Raises:
        RoadshiftError: an override names an unknown key or cannot be read, the changed parameters
            do not fit the schema, or there is no such mix.
    """
    mixes: Mapping[str, object] = load_params(PARAMS).mixes
    if mix is not None and mix not in mixes:
        raise RoadshiftError(f"'{mix}' is no key of mixes in {PARAMS}{suggestion(mix, mixes)}")
    left_out = [f"~mixes.{name}" for name in mixes if mix is not None and name != mix]
    overridden(PARAMS, [*overrides, *left_out])
    settings = [word for override in (*overrides, *left_out) for word in ("-S", override)]
    return ("exp", "run", *settings, *([RESULT] if mix is not None else []))


if __name__ == "__main__":
    main()
