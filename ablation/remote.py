"""The default DVC remote, checked before it is used: `python -m ablation.remote push`.

`dvc push` makes a folder that is not there, as that of a share that is not mounted, and leaves the
run cache behind; `dvc pull` says of such a folder that everything is up to date. DVC's own errors
on remotes have several lines.
"""

import argparse
import os
import sys
from pathlib import Path

from dvc.config import ConfigError
from dvc.repo import Repo

from roadshift.errors import RoadshiftError

COMMANDS = {
    "push": ("push", "--run-cache"),
    # What may not be given on is in no remote, see dvc.yaml.
    "pull": ("pull", "--run-cache", "--allow-missing"),
}
BUCKETS = ("azure", "gs", "s3")
"""Schemes of remotes in which a folder is there only once it has a file."""


def main() -> None:
    """Check the default DVC remote, and push to it or pull from it."""
    parser = argparse.ArgumentParser(prog="python -m ablation.remote", description=main.__doc__)
    parser.add_argument(
        "command", choices=[*COMMANDS, "options"],
        help="push or pull data, networks and the run cache; or print the options by which `dvc "
        "exp run` takes from the remote what is there: none without a remote",
    )  # fmt: skip
    command = parser.parse_args().command
    try:
        name = check_remote(Path())
        if name is None and command != "options":
            raise RoadshiftError(
                "no DVC remote is configured; name one: dvc remote add --default NAME FOLDER_OR_URL"
            )
    except RoadshiftError as error:
        sys.exit(f"error: {error}")
    if command == "options":
        print("--pull" if name else "")
        return
    # DVC takes this process's place: Ctrl-C and the exit status are its own.
    os.execv(sys.executable, (sys.executable, "-m", "dvc", *COMMANDS[command]))  # noqa: S606 - DVC


def check_remote(project: Path) -> str | None:
    """Returns the name of the default remote, which can be reached; None if there is none.

    Args:
        project: folder of the project.

    Raises:
        RoadshiftError: the remote is not configured as it should be, needs a package that is not
            installed, or cannot be reached.
    """
    try:
        with Repo(str(project)) as repo:
            name = repo.config["core"].get("remote")
            if name is not None:
                _check(repo, name)
            return name
    except ConfigError as error:
        raise RoadshiftError(f".dvc/config: {_one_line(error)}") from None


def _check(repo: Repo, name: str) -> None:
    try:
        remote = repo.cloud.get_remote(name)
        scheme, path = remote.fs.protocol, remote.path
        found = remote.fs.exists(path)
        if not found and scheme in BUCKETS:
            path = remote.fs.parts(path)[0]
            found = remote.fs.exists(path)
    except ConfigError:
        raise
    except Exception as error:  # each kind of remote raises errors of its own library
        raise RoadshiftError(
            f"DVC remote '{name}': {_one_line(error)}; mend that, or correct its settings: "
            f"dvc remote modify {name} KEY VALUE"
        ) from None
    # A web server need not list the folder that it serves files of.
    if not found and scheme not in ("http", "https"):
        kind = "bucket" if scheme in BUCKETS else "folder"
        raise RoadshiftError(
            f"DVC remote '{name}': no {kind} {path}; make or mount it, or name another one: "
            f"dvc remote modify {name} url FOLDER_OR_URL"
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    main()
