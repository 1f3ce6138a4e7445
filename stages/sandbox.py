"""A copy of the project in which experiments run, so that the workspace stays as it is.

`dvc exp run` works in the workspace, and `--temp` stashes and resets it for a moment: neither may
be cut at any time, and an edit made meanwhile would slip into the runs that follow. The sandbox
is a clone of the last commit that shares the project's cache; what it saves as an experiment is
fetched into the project. It runs `dvc repro` and `dvc exp save` rather than `dvc exp run`, since
that would commit the summary of the mixes that did not run with the one that did.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import yaml

from roadshift.datasets.fetch import MIRROR_VARIABLE
from roadshift.errors import RoadshiftError
from roadshift.outputs import whole_folder
from stages.params import PARAMS
from stages.paths import METRICS
from stages.variants import override

LOCK = Path("dvc.lock")
DEFINITIONS = ("dvc.yaml", str(PARAMS), "roadshift", "stages", ".dvc/config")
"""What decides how a run comes out."""

STAGE = re.compile(r"(Running stage|Stage) '([^']+)'")
SHOWN_LINES = 12
PATIENCE_SECONDS = 10


class RunFailedError(Exception):
    """A command in the sandbox failed; `lines` are the last that it printed."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


@dataclass(frozen=True)
class StageRun:
    """A stage as an experiment has it."""

    key: str
    """Hash of its command, dependencies and parameters: the same key, the same outputs."""
    seconds: float | None
    """What it took just now; None where it did not have to run."""


class Sandbox:
    """The clone, and what can be done in it.

    Args:
        project: the project's folder, which is a git repository's.
        folder: where the clone is, or will be.
    """

    def __init__(self, project: Path, folder: Path) -> None:
        self.project = project.resolve()
        self.folder = folder.resolve()
        self._environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            # What DVC prints must not wait in a buffer behind what its stages print.
            "PYTHONUNBUFFERED": "1",
        }
        mirror = os.environ.get(MIRROR_VARIABLE, "")
        if mirror and Path(mirror).is_dir():
            self._environment[MIRROR_VARIABLE] = str(Path(mirror).resolve())

    def prepare(self) -> None:
        """Brings the clone to the project's last commit, and makes it where there is none.

        Raises:
            RoadshiftError: the project has no commit, or changes that are not committed.
        """
        changed = self._git(self.project, "status", "--porcelain", "--", *DEFINITIONS)
        if changed:
            raise RoadshiftError(
                f"{changed.splitlines()[0].split(maxsplit=1)[1]} is changed and not committed: "
                "what is compared has to be committed first"
            )
        self.head = self._git(self.project, "rev-parse", "HEAD")
        if not self._follow():
            self._clone()

    def run(self, name: str, target: str, mix: str, overrides: Sequence[str], start: str | None,
            log: IO[str]) -> dict[str, StageRun]:  # fmt: skip
        """Reproduces a stage with overrides, and saves the outcome as an experiment.

        Args:
            name: of the experiment.
            target: the stage, which is reproduced with all that it needs.
            mix: whose scores make the experiment's summary.
            overrides: on the committed params.yaml.
            start: the commit of an experiment that is close to this one: what DVC finds to be the
                same there does not run again. None for none.
            log: what the commands print.

        Returns:
            The stages that were looked at, by name.

        Raises:
            RunFailedError: a command did.
        """
        self._git(self.folder, "checkout", "--quiet", self.head, "--", str(PARAMS))
        override(self.folder / PARAMS, overrides)
        if start is not None:
            # Another run's files would stay beside those of `start`, and make them look changed.
            shutil.rmtree(self.folder / METRICS, ignore_errors=True)
            self._git(self.folder, "checkout", "--quiet", start, "--", str(LOCK), str(METRICS))
            # Git has put them into its index, too, where `exp save` finds what it cannot merge
            # once a stage writes what the last commit has.
            self._git(self.folder, "reset", "--quiet")
        seconds: dict[str, float | None] = {}
        # DVC's run cache leaves out stages with an output in git, so that only what is in place
        # counts as done.
        checkout = ("checkout", "--force", "--allow-missing", "--with-deps", target)
        self._dvc(checkout, log, {})
        self._dvc(("repro", target), log, seconds)
        ran = any(value is not None for value in seconds.values())
        if ran or self.experiment(name, self.head) is None:
            self._call(("-m", "stages.summarize", mix), log, {})
            saving = ("exp", "save", "--force", "--name", name)
            self._dvc((*saving, "--include-untracked", str(METRICS), target), log, {})
            reference = self._reference(name, self.head)
            self._git(
                self.project, "fetch", "--quiet", str(self.folder), f"+{reference}:{reference}"
            )
        lock = yaml.safe_load((self.folder / LOCK).read_text("utf-8"))["stages"]
        return {stage: StageRun(_key(lock[stage]), value) for stage, value in seconds.items()}

    def experiment(self, name: str, baseline: str | None = None) -> str | None:
        """The commit of the project's newest experiment of a name; None if there is none.

        Args:
            name: of the experiment.
            baseline: the commit that it has to start from; None for any.
        """
        pattern = self._reference(name, baseline) if baseline else f"refs/exps/*/*/{name}"
        command = ("for-each-ref", "--sort=-committerdate", "--format=%(objectname)", pattern)
        return next(iter(self._git(self.project, *command).splitlines()), None)

    def remove(self) -> None:
        """Deletes the clone, whose outputs are in the cache and whose experiments are fetched."""
        shutil.rmtree(self.folder)

    @staticmethod
    def _reference(name: str, baseline: str) -> str:
        return f"refs/exps/{baseline[:2]}/{baseline[2:]}/{name}"

    def _follow(self) -> bool:
        """False where there is no clone, or one that was cut in the middle of something."""
        if not (self.folder / ".git").is_dir():
            return False
        try:
            self._git(self.folder, "checkout", "--quiet", "--force", "--detach", self.head)
        except RoadshiftError:
            return False
        return True

    def _clone(self) -> None:
        with whole_folder(self.folder) as folder:
            # Shared: the project's commits, its experiments' among them, need not be fetched.
            clone = ("clone", "--quiet", "--shared", "--no-checkout", str(self.project))
            self._git(self.project, *clone, str(folder))
            self._git(folder, "checkout", "--quiet", "--detach", self.head)
            # DVC saves no experiment of nobody, and would say so after the training only.
            nobody = {"user.name": "roadshift", "user.email": "roadshift@localhost"}
            for key, value in nobody.items():
                with suppress(RoadshiftError):
                    value = self._git(self.project, "config", key)
                self._git(folder, "config", key, value)
            with suppress(FileNotFoundError):
                local = ".dvc/config.local"
                shutil.copyfile(self.project / local, folder / local)
            cache = ("-m", "dvc", "cache", "dir")
            place = self._output((sys.executable, *cache), self.project)
            self._output((sys.executable, *cache, "--local", place), folder)

    def _git(self, folder: Path, *arguments: str) -> str:
        return self._output(("git", *arguments), folder)

    def _output(self, command: Sequence[str], folder: Path) -> str:
        done = subprocess.run(
            command, cwd=folder, env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["it printed nothing"]
            raise RoadshiftError(f"'{' '.join(command[:3])}' failed in {folder}: {lines[-1]}")
        return done.stdout.strip()

    def _dvc(
        self, arguments: Sequence[str], log: IO[str], seconds: dict[str, float | None]
    ) -> None:
        self._call(("-m", "dvc", *arguments), log, seconds)

    def _call(
        self, arguments: Sequence[str], log: IO[str], seconds: dict[str, float | None]
    ) -> None:
        """Runs Python in the clone; fills in the stages that are named and the time they take."""
        last: deque[str] = deque(maxlen=SHOWN_LINES)
        running, since = None, 0.0
        with _started((sys.executable, *arguments), self.folder, self._environment) as process:
            for line in process.stdout or ():
                log.write(line)
                log.flush()
                if line.strip():
                    last.append(line.rstrip())
                if named := STAGE.match(line):
                    if running:
                        seconds[running] = time.monotonic() - since
                    running = named[2] if named[1] == "Running stage" else None
                    seconds[named[2]] = None
                    since = time.monotonic()
        if process.returncode:
            raise RunFailedError(last)
        if running:
            seconds[running] = time.monotonic() - since


@contextmanager
def _started(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """A process and all that it starts, none of which outlives the block."""
    # In a session of its own: Ctrl-C reaches it once, from here, and not from the terminal too.
    # It inherits the lock that this process holds, and keeps it should it outlive a SIGKILL.
    process = subprocess.Popen(
        command, cwd=folder, env=environment, text=True, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, close_fds=False,
    )  # fmt: skip
    try:
        yield process
        process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_SECONDS)
        raise
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


def _key(stage: Mapping[str, object]) -> str:
    """Of an entry of dvc.lock."""
    content = {key: stage.get(key) for key in ("cmd", "deps", "params")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
