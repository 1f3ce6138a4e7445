"""The command line of ablations: `python -m ablation FILE`."""

import argparse
from pathlib import Path

from ablation.entry import WORK, carry_out
from ablation.runner import run_all
from ablation.variants import load_ablation, only


def main() -> None:
    """Run the variants of a file as DVC experiments, one after the other, and compare them.

    They are compared on images that may choose: held-out sources, and val of a network's own. An
    interrupted ablation resumes: a variant whose parameters, code and data are those of its
    experiment does not run again. The workspace is left alone.
    """
    parser = argparse.ArgumentParser(prog="python -m ablation", description=main.__doc__)
    parser.add_argument("file", type=Path, help="YAML file with the variants")
    parser.add_argument(
        "--only", nargs="+", metavar="VARIANT", help="run and compare only the baseline and these"
    )
    parser.add_argument(
        "--final", action="store_true",
        help="look at the test images and the target, and compare by these; the look is recorded",
    )  # fmt: skip
    given = parser.parse_args()

    def work() -> None:
        ablation = load_ablation(given.file)
        chosen = only(ablation, given.only) if given.only else ablation
        run_all(chosen, WORK, final=given.final)

    carry_out(work)


if __name__ == "__main__":
    main()
