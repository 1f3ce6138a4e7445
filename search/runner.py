"""Drives a search: runs its trainings as DVC experiments, one after the other, and compares."""

import shutil
import time
import uuid
from pathlib import Path

from ablation.sandbox import DEFINITIONS, RunFailedError, Sandbox
from roadshift.atomic import atomic_file
from roadshift.errors import RoadshiftError
from roadshift.scoring.numbers import percent
from roadshift.scoring.transfer import TransferScores
from search.confirm import described, kept_files
from search.journal import POLL_SECONDS, Journal, refusal
from search.plan import Result, Run, State, candidates, confirming_runs, ranked, rung_runs
from search.results import write_results
from search.settings import Search
from stages.params import PARAMS
from stages.paths import transfer_file, transfer_matrices_file

MOST_FAILURES = 3
"""After so many failures one after the other, the fault is hardly that of the candidates."""


def run_search(search: Search, work: Path) -> None:
    """Runs a search to its end, or goes on with it, and writes what it found.

    Args:
        search: the search.
        work: folder of the sandbox, the logs and, unless the search names another, the journal.

    Raises:
        RoadshiftError: the project has uncommitted changes, the journal is of another search, or
            runs failed.
    """
    sandbox = Sandbox(Path(), work / "project")
    sandbox.prepare()
    given = search.settings.journal
    file = Path(given) if given else work / search.name / "journal.log"
    journal = Journal(search, file=file, machine=_machine(work), code=sandbox.trees(DEFINITIONS))
    # The workspace's parameters may be edited meanwhile, and the sandbox's are those of a run.
    params = work / search.name / PARAMS.name
    with atomic_file(params) as partial:
        shutil.copyfile(sandbox.folder / PARAMS, partial)
    driver = _Driver(search, sandbox, journal, logs=work / "logs" / search.name, params=params)
    with journal.alive():
        state = driver.run()
    folder = write_results(search, state, journal.study, kept=file.parent, revision=sandbox.head)
    print(f"{(folder / 'trials.md').read_text('utf-8')}\nrecipe: {folder / 'recipe.txt'}")
    sandbox.remove()


class _Driver:
    def __init__(
        self, search: Search, sandbox: Sandbox, journal: Journal, *, logs: Path, params: Path
    ) -> None:
        self.search, self.sandbox, self.journal = search, sandbox, journal
        self.logs, self.params = logs, params
        self.start = time.monotonic()
        self.failures = 0
        self.first = True

    def run(self) -> State:
        waiting = False
        while True:
            step, state = self.journal.next()
            if step == "done":
                return self._checked(state)
            if not isinstance(step, Run):
                if not waiting:
                    _say("waiting for runs of other machines")
                waiting = True
                time.sleep(POLL_SECONDS)
                continue
            waiting = False
            result = self._result(step, state)
            state = self.journal.record(step, result)
            _say(self._progress(step, state, result))
            if self.failures == MOST_FAILURES:
                raise RoadshiftError(
                    f"{MOST_FAILURES} runs failed one after the other; mend what fails them, "
                    f"delete {self.journal.file} and begin anew, or go on with the same command"
                )

    def _result(self, run: Run, state: State) -> Result:
        values = {} if run.trial is None else state.params[run.trial]
        if refused := refusal(self.search, self.params, values, run):
            return Result({}, error=refused)
        log = self.logs / f"{run.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        begin = time.monotonic()
        try:
            with log.open("w", encoding="utf-8") as sink:
                self.sandbox.run(
                    self._experiment(run.name),
                    mixes=self.search.settings.mixes,
                    final=False,
                    overrides=self.search.overrides(values, run.rung, run.seed),
                    start=self._nearest(run, state),
                    log=sink,
                )
            scores = self._scores()
            if run.confirms:
                self._keep(run)
        except RunFailedError as error:
            if run.confirms:
                raise RoadshiftError(
                    f"{run.name} failed; the same command tries it again; the last lines of {log}:"
                    + "".join(f"\n    {line}" for line in error.lines)
                ) from None
            _say(f"{run.name} failed; the last lines of {log}:", *error.lines)
            self.failures += 1
            return Result({}, error=error.lines[-1] if error.lines else "it printed nothing")
        self.failures = 0
        return Result(scores, minutes=round((time.monotonic() - begin) / 60, 2))

    def _experiment(self, run: str) -> str:
        return f"{self.search.name}-{run}"

    def _nearest(self, run: Run, state: State) -> str | None:
        """Commit of the run's own experiment, or where the sandbox is fresh, of an earlier one."""
        earlier = [*state.results][::-1] if self.first else []
        self.first = False
        for name in (run.name, *earlier):
            if commit := self.sandbox.experiment(self._experiment(name)):
                return commit
        return None

    def _scores(self) -> dict[str, float]:
        scores = {}
        for mix in self.search.settings.mixes:
            found = TransferScores.load(self.sandbox.folder / transfer_file(mix))
            held_out = self.search.on_held_out
            score = found.held_out if held_out else found.val
            if score is None:
                kind = "held-out source" if held_out else "source of its own"
                raise RunFailedError(
                    [f"mix {mix}: no {kind} has all classes of the taxonomy, and images"]
                )
            scores[mix] = score
        return scores

    def _keep(self, run: Run) -> None:
        for mix in self.search.settings.mixes:
            found = (transfer_file(mix), transfer_matrices_file(mix))
            files = kept_files(self.journal.file.parent, run, mix)
            for source, file in zip(found, files, strict=True):
                with atomic_file(file) as partial:
                    shutil.copyfile(self.sandbox.folder / source, partial)

    def _progress(self, run: Run, state: State, result: Result) -> str:
        settings = self.search.settings
        if run.confirms:
            title = "confirm"
            among = [each for many in confirming_runs(self.search, state).values() for each in many]
            number = len(among)
        else:
            title = f"rung {run.rung + 1} of {len(settings.rungs)}"
            trials = candidates(self.search, state, run.rung)
            among = [each for trial in trials for each in rung_runs(self.search, trial, run.rung)]
            # The first rung has candidates that nobody has asked for yet.
            missing = settings.trials - len(trials) if run.rung == 0 else 0
            number = len(among) + max(0, missing) * len(among) // len(trials)
        ended = sum(each.name in state.results for each in among)
        values = {} if run.trial is None else state.params[run.trial]
        shown = described(values) or "the base"
        line = f"[{ended}/{number}] {title}, {run.variant}"
        line += "" if run.seed is None else f", seed {run.seed}"
        line += f": {shown}: "
        line += (
            f"failed: {result.error}"
            if result.error
            else f"{self.search.column} {percent(result.score)}"
        )
        if not run.confirms and (best := ranked(self.search, state, run.rung)):
            score = state.score(self.search, best[0], run.rung)
            line += f", best {percent(score)} (t{best[0]:03})"
        return f"{line}; {(time.monotonic() - self.start) / 60:.1f} minutes so far"

    def _checked(self, state: State) -> State:
        """Returns the state if a candidate reached the end."""
        if not ranked(self.search, state, len(self.search.settings.rungs) - 1):
            errors = {result.error for result in state.results.values() if result.error}
            raise RoadshiftError(
                f"no candidate has a score on the last rung ({'; '.join(sorted(errors)[:3])}); "
                f"mend {self.search.file}, delete {self.journal.file} and begin anew"
            )
        return state


def _machine(work: Path) -> str:
    """Name of this copy of the project, which is made up once."""
    file = work / "machine"
    if not file.exists():
        with atomic_file(file) as partial:
            partial.write_text(uuid.uuid4().hex, "utf-8")
    return file.read_text("utf-8")


def _say(*lines: str) -> None:
    print(*lines, sep="\n    ", flush=True)
