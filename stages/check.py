"""Checks params.yaml before any other stage does work."""

from roadshift.outputs import whole_file
from stages.entry import run
from stages.params import PARAMS, Params
from stages.paths import CHECKED


def main(_params: Params) -> None:
    """Check params.yaml against its schema."""
    # The content never changes, so that what depends on this check is not rerun by it.
    with whole_file(CHECKED) as file:
        file.write_text(f"{PARAMS} fits its schema\n", "utf-8")


if __name__ == "__main__":
    run(main)
