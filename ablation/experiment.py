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
from stages.params import PARAMS, TARGET, load_params

RESULT = "summarize"
"""The stage that an experiment with one mix ends with, so that its figures are its own."""

LEFT_OUT = "without_"
"""Prefix of a mix of all sources but one."""


def main() -> None:
    """Run an experiment, after a check of its parameters; of all mixes, or of those asked for."""
    parser = argparse.ArgumentParser(prog="python -m ablation.experiment", description=main.__doc__)
    parser.add_argument(
        "-S", dest="overrides", metavar="KEY=VALUE", action="append", default=[],
        help="a parameter to change, as after `dvc exp run`; repeatable",
    )  # fmt: skip
    mixes = parser.add_mutually_exclusive_group()
    mixes.add_argument("--mix", help="train, score and summarize this mix alone")
    mixes.add_argument(
        "--leave-one-out", metavar="SOURCE", nargs="*",
        help="instead of the mixes in params.yaml, hold each of these sources out in turn: train a "
        "network on the others, and score it on all domains; default all domains but the target",
    )  # fmt: skip
    given = parser.parse_args()
    try:
        if given.leave_one_out is not None:
            command = leave_one_out_command(given.overrides, given.leave_one_out)
        else:
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
    return (*_run_with(*overrides, *left_out), *([RESULT] if mix is not None else []))


def leave_one_out_command(overrides: Sequence[str], only: Sequence[str] = ()) -> tuple[str, ...]:
    """The arguments of DVC that hold each source out in turn, in one experiment.

    Its mixes take the place of those in params.yaml: `without_<source>` for each source, of all
    other sources alike.

    Args:
        overrides: overrides of params.yaml, as after `dvc exp run -S`.
        only: the sources; default all domains but the target.

    Raises:
        RoadshiftError: an override names an unknown key or cannot be read, the changed parameters
            do not fit the schema, there is no such source or but one, or a batch has too few
            images.
    """
    params = overridden(PARAMS, overrides)
    known = [role for role in params.domains if role != TARGET]
    if unknown := next((role for role in only if role not in known), None):
        raise RoadshiftError(
            f"'{unknown}' is no source; sources are {', '.join(known)}{suggestion(unknown, known)}"
        )
    sources = [role for role in known if role in only or not only]
    if len(sources) < 2:
        raise RoadshiftError(
            f"domains: no source but {', '.join(sources) or 'the target'}, so none can be held "
            "out; add one, as in -S +domains.c=kitti -S +data.split.by.c=group"
        )
    if params.train.batch_size < len(sources) - 1:
        raise RoadshiftError(
            f"train.batch_size is {params.train.batch_size}, but {len(sources) - 1} sources share "
            "a batch; raise it"
        )
    mixes = []
    for held_out in sources:
        weights = ",".join(f"{source}:1" for source in sources if source != held_out)
        mixes.append(f"+mixes.{LEFT_OUT}{held_out}={{{weights}}}")
    changes = (*overrides, *(f"~mixes.{name}" for name in params.mixes), *mixes)
    overridden(PARAMS, changes)
    return _run_with(*changes)


def _run_with(*overrides: str) -> tuple[str, ...]:
    return ("exp", "run", *(word for override in overrides for word in ("-S", override)))


if __name__ == "__main__":
    main()
