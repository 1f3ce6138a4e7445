"""Checks params.yaml before any other stage does work."""

from roadshift.atomic import atomic_file
from stages.entry import run
from stages.params import PARAMS, Params
from stages.paths import VALIDATED


def main(_params: Params) -> None:
    """Check params.yaml against its schema."""
    # The content never changes, so this check makes no stage that depends on it run again.
    with atomic_file(VALIDATED) as file:
        file.write_text(f"{PARAMS} fits its schema\n", "utf-8")


if __name__ == "__main__":
    run(main)
