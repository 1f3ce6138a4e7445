"""The command line of searches: `python -m search FILE`."""

import argparse
from pathlib import Path

from ablation.entry import carry_out

WORK = Path(".dvc/tmp/search")
"""The sandbox, the logs of the runs, and the journals."""


def main() -> None:
    """Choose a recipe on held-out sources: run candidates as DVC experiments, and halve them.

    No test image is scored, and nothing of the target is read. An interrupted search resumes, to
    the same candidates as an uninterrupted one. The workspace is left alone.
    """
    parser = argparse.ArgumentParser(prog="python -m search", description=main.__doc__)
    parser.add_argument("file", type=Path, help="YAML file of the search")
    given = parser.parse_args()

    def work() -> None:
        # Optuna takes a moment; a second search should not wait to be refused.
        from search.runner import run_search
        from search.settings import load_search

        run_search(load_search(given.file), WORK)

    carry_out(work, folder=WORK, what="search")


if __name__ == "__main__":
    main()
