"""A copy of the project in which experiments run, so that the workspace stays as it is.

`dvc exp run` works in the workspace, and `--temp` stashes and resets it for a moment: neither can
be interrupted safely, and an edit made meanwhile would get into the runs that follow. The sandbox
is a clone of the last commit that shares the project's cache; the project fetches the experiments
that it saves. It runs `dvc repro` and `dvc exp save`, because `dvc exp run` would also commit the
summary of the mixes that did not run.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml

from ablation.variants import override
from roadshift.atomic import atomic_file, atomic_folder
from roadshift.download.fetch import MIRROR_VARIABLE
from roadshift.errors import RoadshiftError
from roadshift.scoring.results import MixScores
from roadshift.scoring.tables import summarize
from roadshift.scoring.transfer import TransferScores
from stages.duration import Duration, duration_file
from stages.params import PARAMS, TARGET, load_params
from stages.paths import SUMMARY, scores_file, transfer_file

LOCK = Path("dvc.lock")
METRICS = Path("metrics")
DEFINITIONS = ("dvc.yaml", str(PARAMS), "roadshift", "stages", ".dvc/config")
"""The files that decide the result of a run."""

SHOWN_LINES = 12
"""Number of lines that are shown of a failed command's output."""
STOP_SECONDS = 10
"""Time that an interrupted command has to end before it is killed."""


class RunFailedError(Exception):
    """A command in the sandbox failed.

    Attributes:
        lines: last lines that the command printed.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


@dataclass(frozen=True)
class StageRun:
    """A stage of an experiment.

    Attributes:
        key: hash of its command, dependencies and parameters: the same key, the same outputs.
        duration: duration of the stage in this run; None if it did not have to run.
    """

    key: str
    duration: Duration | None


class Sandbox:
    """A clone of the project in which experiments run.

    Args:
        project: folder of the project, a git repository or a folder in one.
        clone: folder of the clone of the whole repository, which need not exist yet.

    Attributes:
        folder: the project's folder in the clone.
    """

    def __init__(self, project: Path, clone: Path) -> None:
        self.project = project.resolve()
        self.clone = clone.resolve()
        self._environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            # Without a buffer, the lines of DVC and of its stages are logged in order.
            "PYTHONUNBUFFERED": "1",
        }
        mirror = os.environ.get(MIRROR_VARIABLE, "")
        if mirror and Path(mirror).is_dir():
            self._environment[MIRROR_VARIABLE] = str(Path(mirror).resolve())
        self._repository = self._git(self.project, "rev-parse", "--show-toplevel")
        self._place = self._git(self.project, "rev-parse", "--show-prefix")
        self.folder = self.clone / self._place
        self._mark = self.clone / ".git/roadshift-unfinished"

    def prepare(self) -> None:
        """Brings the clone to the project's last commit; makes the clone if there is none.

        Raises:
            RoadshiftError: the project has no commit, or has uncommitted changes.
        """
        changed = self._git(self.project, "status", "--porcelain", "--", *DEFINITIONS)
        if changed:
            # The path is relative to the repository.
            file = changed.splitlines()[0].split(maxsplit=1)[1].removeprefix(self._place)
            raise RoadshiftError(
                f"{file} has uncommitted changes; commit them first, since variants run from the "
                "last commit"
            )
        self.head = self._git(self.project, "rev-parse", "HEAD")
        if not self._follow():
            self._clone()

    def run(
        self,
        name: str,
        *,
        mixes: Sequence[str],
        final: bool,
        overrides: Sequence[str],
        start: str | None,
        log: IO[str],
    ) -> dict[str, StageRun]:
        """Trains and scores mixes with overrides, and saves it as an experiment.

        An interrupted run goes on with the stages that it had not finished.

        Args:
            name: name of the experiment.
            mixes: the mixes that are trained and scored; their scores make the summary of the
                experiment.
            final: whether to score them on test images and the target, too.
            overrides: overrides of the committed params.yaml.
            start: commit of a similar experiment; stages that are the same there do not run
                again. None starts from the last commit.
            log: text file that gets the output of the commands.

        Returns:
            By name, the stages that trained and scored.

        Raises:
            RunFailedError: a command failed.
        """
        scoring = ("transfer", "evaluate") if final else ("transfer",)
        targets = [f"{stage}@{mix}" for mix in mixes for stage in scoring]
        timed = [f"{stage}@{mix}" for mix in mixes for stage in ("train", *scoring)]
        self._git(self.folder, "checkout", "--quiet", self.head, "--", str(PARAMS))
        override(self.folder / PARAMS, overrides)
        self._bring_weights()
        files = {stage: self.folder / duration_file(stage) for stage in timed}
        if self._unfinished() != name:
            self._begin(start, files.values())
        # DVC's run cache leaves out stages with an output in git, so only outputs in the
        # workspace count as done.
        self._dvc(("checkout", "--force", "--allow-missing", "--with-deps", *targets), log)
        self._mark.write_text(f"{self.head} {name}", "utf-8")
        self._dvc(("repro", *targets), log)
        durations = {
            stage: Duration.read(file) if file.exists() else None for stage, file in files.items()
        }
        ran = any(duration is not None for duration in durations.values())
        if ran or self.experiment(name, self.head) is None:
            self._summarize(mixes, final=final)
            untracked = [str(METRICS)]
            # `exp save` itself takes along a lock that is in no commit yet, but only where the
            # project is the whole repository.
            if self._place and not self._git(self.folder, "ls-files", str(LOCK)):
                untracked.append(str(LOCK))
            included = [word for path in untracked for word in ("--include-untracked", path)]
            self._dvc(("exp", "save", "--force", "--name", name, *included, *targets), log)
            reference = self._reference(name, self.head)
            self._git(
                self.project, "fetch", "--quiet", str(self.clone), f"+{reference}:{reference}"
            )
        self._mark.unlink()
        lock = yaml.safe_load((self.folder / LOCK).read_text("utf-8"))["stages"]
        return {stage: StageRun(_key(lock[stage]), each) for stage, each in durations.items()}

    def trees(self, places: Sequence[str]) -> dict[str, str]:
        """The content of some places in the last commit, by git's names of it."""
        return {
            place: self._git(self.project, "rev-parse", f"{self.head}:./{place}")
            for place in places
        }

    def experiment(self, name: str, baseline: str | None = None) -> str | None:
        """The commit of the project's newest experiment of a name; None if there is none.

        Args:
            name: name of the experiment.
            baseline: commit that the experiment has to start from; None for any.
        """
        pattern = self._reference(name, baseline) if baseline else f"refs/exps/*/*/{name}"
        command = ("for-each-ref", "--sort=-committerdate", "--format=%(objectname)", pattern)
        return next(iter(self._git(self.project, *command).splitlines()), None)

    def day(self, commit: str) -> str:
        """The day on which a commit of the project was made, such as '2026-01-31'."""
        return self._git(self.project, "show", "--no-patch", "--format=%cs", commit)

    def remove(self) -> None:
        """Deletes the clone, whose outputs are in the cache and whose experiments are fetched."""
        shutil.rmtree(self.clone)

    @staticmethod
    def _reference(name: str, baseline: str) -> str:
        return f"refs/exps/{baseline[:2]}/{baseline[2:]}/{name}"

    def _bring_weights(self) -> None:
        """Copies the file of the first weights from the project, since git has no such file."""
        place = Path(load_params(self.folder / PARAMS).model.weights)
        inside = not place.is_absolute() and ".." not in place.parts
        if inside and place.suffix and (self.project / place).is_file():
            (self.folder / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.project / place, self.folder / place)

    def _unfinished(self) -> str | None:
        """The name of the last commit's run that was interrupted; None if there is none."""
        with suppress(OSError, ValueError, yaml.YAMLError):
            head, name = self._mark.read_text("utf-8").split()
            # A lock that was cut off while it was written helps no run.
            yaml.safe_load((self.folder / LOCK).read_text("utf-8"))
            return name if head == self.head else None
        return None

    def _begin(self, start: str | None, durations: Iterable[Path]) -> None:
        """Puts what `start` has done into the clone, and removes what an earlier run left."""
        self._mark.unlink(missing_ok=True)
        if start is not None:
            # Files of another run, left beside those of `start`, would make these look changed.
            shutil.rmtree(self.folder / METRICS, ignore_errors=True)
            self._git(self.folder, "checkout", "--quiet", start, "--", str(LOCK), str(METRICS))
            # The checkout put them into git's index, too. `exp save` could not merge the index
            # once a stage writes the file that the last commit has.
            self._git(self.folder, "reset", "--quiet")
        for file in durations:
            file.unlink(missing_ok=True)

    def _follow(self) -> bool:
        """Brings the clone to the last commit; returns whether there is a sound clone."""
        if not (self.clone / ".git").is_dir():
            return False
        # A checkout would drop what an interrupted run has added to dvc.lock.
        checkout = ("checkout", "--quiet", "--force", "--detach", self.head)
        try:
            self._git(self.clone, *(("reset", "--quiet") if self._unfinished() else checkout))
        except RoadshiftError:
            return False
        return True

    def _clone(self) -> None:
        with atomic_folder(self.clone) as clone:
            # `--shared` needs no fetch of the project's commits and experiments.
            cloning = ("clone", "--quiet", "--shared", "--no-checkout", self._repository)
            self._git(self.project, *cloning, str(clone))
            self._git(clone, "checkout", "--quiet", "--detach", self.head)
            # `dvc exp save` fails without a git user, and would fail only after the training.
            user = {"user.name": "roadshift", "user.email": "roadshift@localhost"}
            for key, value in user.items():
                with suppress(RoadshiftError):
                    value = self._git(self.project, "config", key)
                self._git(clone, "config", key, value)
            folder = clone / self._place
            with suppress(FileNotFoundError):
                local = ".dvc/config.local"
                shutil.copyfile(self.project / local, folder / local)
            cache = ("-m", "dvc", "cache", "dir")
            place = self._output((sys.executable, *cache), self.project)
            self._output((sys.executable, *cache, "--local", place), folder)

    def _git(self, folder: Path, *arguments: str) -> str:
        return self._output(("git", *arguments), folder)

    def _output(self, command: Sequence[str], folder: Path) -> str:
        completed = subprocess.run(
            command, cwd=folder, env=self._environment, capture_output=True, text=True, check=False
        )
        if completed.returncode:
            lines = completed.stderr.strip().splitlines() or ["it printed nothing"]
            raise RoadshiftError(f"'{' '.join(command[:3])}' failed in {folder}: {lines[-1]}")
        return completed.stdout.strip()

    def _summarize(self, mixes: Sequence[str], *, final: bool) -> None:
        """Writes the summary of the mixes that ran, without the others."""
        params = load_params(self.folder / PARAMS)
        table: dict[str, dict[str, Any]] = {mix: {} for mix in mixes}
        if final:
            scores = {mix: MixScores.load(self.folder / scores_file(mix)) for mix in mixes}
            sources = {mix: list(params.mixes[mix]) for mix in mixes}
            table = summarize(scores, sources, TARGET)
        for mix in mixes:
            found = TransferScores.load(self.folder / transfer_file(mix))
            for name, miou in (("transfer", found.held_out), ("val", found.val)):
                if miou is not None:
                    table[mix][name] = {"miou": miou}
        with atomic_file(self.folder / SUMMARY) as file:
            file.write_text(json.dumps(table, indent=1) + "\n", "utf-8")

    def _dvc(self, arguments: Sequence[str], log: IO[str]) -> None:
        """Runs DVC in the clone, and logs its output."""
        last_lines: deque[str] = deque(maxlen=SHOWN_LINES)
        command = (sys.executable, "-m", "dvc", *arguments)
        with _started(command, self.folder, self._environment) as process:
            for line in process.stdout or ():
                log.write(line)
                log.flush()
                if line.strip():
                    last_lines.append(line.rstrip())
        if process.returncode:
            raise RunFailedError(last_lines)


@contextmanager
def _started(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Context manager: a running command, which ends with the block, with all that it started."""
    # The process has its own session, so Ctrl-C reaches it once, from here, and not also from the
    # terminal. It inherits the lock of this process, and keeps it if this process gets SIGKILL.
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
            process.wait(STOP_SECONDS)
        raise
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


def _key(stage: Mapping[str, object]) -> str:
    """Hash of the command, the dependencies and the parameters of an entry of dvc.lock."""
    content = {key: stage.get(key) for key in ("cmd", "deps", "params")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
