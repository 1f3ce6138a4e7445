"""The state of a search: a journal of Optuna, one file that several machines may share.

Trials are those of the first rung, whose scores the sampler learns from. The runs of all rungs,
claims of runs and signs of life are attributes of the study. Each line is appended as a whole, so a
process can be killed at any time.
"""

import threading
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import JournalStorage
from optuna.storages.journal import (
    JournalFileBackend,
    JournalFileOpenLock,
    JournalFileSymlinkLock,
)
from optuna.trial import TrialState

from ablation.variants import overridden
from roadshift.errors import RoadshiftError
from search.plan import Result, Run, State, Step, next_step, rung_runs
from search.settings import Search, Value, rounded

BEAT_SECONDS = 60.0
"""How often a machine gives a sign of life while it is at a run."""
LOST_SECONDS = 600.0
"""A machine that another one sees no sign of for so long has lost its run to it."""
POLL_SECONDS = 5.0
_SEARCH, _RESULT, _CLAIM, _ALIVE = "search", "result ", "claim ", "alive "

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=ExperimentalWarning)


class Journal:
    """The state of a search.

    Args:
        search: the search.
        file: the journal, which need not exist.
        machine: name of this machine's copy of the project, which no other one has.
        code: what tells apart the code and parameters that runs are of.

    Raises:
        RoadshiftError: the journal is of another search, or of other code.
    """

    def __init__(self, search: Search, *, file: Path, machine: str, code: dict[str, str]) -> None:
        self.search, self.file, self._machine = search, file, machine
        self._seen: dict[str, tuple[int, float]] = {}
        self._beats = uuid.uuid4().int % 1_000_000
        file.parent.mkdir(parents=True, exist_ok=True)
        # A lock that a killed process has left is taken from it after half a minute.
        writing = JournalFileSymlinkLock(str(file))
        self._claiming = JournalFileOpenLock(f"{file}.claims")
        with _held(writing):
            _cut_torn_line(file)
        try:
            self._storage = JournalStorage(JournalFileBackend(str(file), lock_obj=writing))
            self.study = optuna.create_study(
                study_name=search.name,
                direction="maximize",
                storage=self._storage,
                load_if_exists=True,
            )
        except (ValueError, KeyError, TypeError) as error:
            raise RoadshiftError(
                f"{file}: not the journal of a search ({error}); name another file in the search's "
                "'journal', or delete this one"
            ) from None
        with _held(self._claiming):
            self._check(code)

    def state(self) -> State:
        """What the search has done until now, on all machines."""
        attributes = self.study.user_attrs
        results = {
            key.removeprefix(_RESULT): Result(**value)
            for key, value in attributes.items()
            if key.startswith(_RESULT)
        }
        trials = self.study.get_trials(deepcopy=False)
        return State(tuple(trial.params for trial in trials), results)

    def next(self) -> tuple[Step, State]:
        """Decides what is next, and claims the run; trials are asked for as long as some miss.

        Of two machines, one decides after the other.
        """
        with _held(self._claiming):
            while True:
                self._tell()
                state = self.state()
                step = next_step(self.search, state, self._is_taken)
                if step != "ask":
                    break
                self._ask()
            if isinstance(step, Run):
                self.study.set_user_attr(f"{_CLAIM}{step.name}", self._machine)
        return step, state

    def record(self, run: Run, result: Result) -> State:
        """Keeps the result of a run, and tells the sampler of it."""
        content = {"scores": result.scores, "minutes": result.minutes, "error": result.error}
        with _held(self._claiming):
            self.study.set_user_attr(f"{_RESULT}{run.name}", content)
            self._tell()
        return self.state()

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Context manager: other machines see that this one is at its run."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.is_set():
                self._beats += 1
                self.study.set_user_attr(f"{_ALIVE}{self._machine}", self._beats)
                ended.wait(BEAT_SECONDS)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _check(self, code: dict[str, str]) -> None:
        settings = self.search.settings.model_dump(mode="json")
        # More trials go on from those that there are, and what confirms them comes last.
        for key in ("question", "trials", "confirm", "journal"):
            del settings[key]
        present: dict[str, Any] = {
            **settings, "included": list(self.search.shared), "base": self.search.base, **code
        }  # fmt: skip
        earlier = self.study.user_attrs.get(_SEARCH)
        if earlier is None:
            self.study.set_user_attr(_SEARCH, present)
            return
        for key, value in present.items():
            if earlier.get(key) != value:
                raise RoadshiftError(
                    f"{self.file}: the journal of a search with another '{key}'; go back to that, "
                    "or delete the journal to begin anew"
                )

    def _ask(self) -> None:
        """Adds a trial: the base if the space has it, then what a sampler asks for."""
        trials = self.study.get_trials(deepcopy=False)
        base = self.search.base
        values = base if base is not None and not trials else self._sampled(trials)
        self.study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params=dict(values),
                distributions=dict(self.search.space),
            )
        )

    def _sampled(self, trials: list[optuna.trial.FrozenTrial]) -> dict[str, Value]:
        """Asks a sampler of its own for a trial, so that earlier trials alone decide."""
        settings = self.search.settings
        sampler = optuna.samplers.TPESampler(
            seed=(settings.seed + len(trials)) % 2**32,
            # The base is no draw.
            n_startup_trials=settings.startup + (self.search.base is not None),
            # Trials that other machines are at count as bad, so that none is asked for twice.
            constant_liar=True,
        )
        # In memory, since a trial that is asked of the journal would be written in parts.
        memory = optuna.create_study(direction="maximize", sampler=sampler)
        memory.add_trials(trials)
        asked = memory.ask(dict(self.search.space)).params
        return {key: rounded(value, self.search.space[key]) for key, value in asked.items()}

    def _tell(self) -> None:
        """Ends the trials whose runs on the first rung have ended."""
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        state = self.state() if trials else None
        for trial in trials:
            if state is None:
                continue
            runs = [run.name for run in rung_runs(self.search, trial.number, 0)]
            ended = [state.results[name] for name in runs if name in state.results]
            if any(result.error for result in ended):
                self.study.tell(trial.number, state=TrialState.FAIL)
            elif len(ended) == len(runs):
                self.study.tell(trial.number, state.mean(runs))

    def _is_taken(self, run: Run) -> bool:
        """Returns whether another machine, which lives, is at a run.

        A claim of this machine is of a process that has ended: one alone runs in a project.
        """
        attributes = self.study.user_attrs
        owner = attributes.get(f"{_CLAIM}{run.name}")
        if owner is None or owner == self._machine:
            return False
        beats, now = attributes.get(f"{_ALIVE}{owner}", 0), time.monotonic()
        if self._seen.get(owner, (None, 0.0))[0] != beats:
            # Signs are told apart by this machine's clock; those of others may differ.
            self._seen[owner] = beats, now
        return now - self._seen[owner][1] < LOST_SECONDS


def refusal(search: Search, params: Path, values: Mapping[str, Value], run: Run) -> str:
    """Why the schema refuses a candidate whose values it takes one by one; '' if it does not."""
    try:
        overridden(params, search.overrides(values, run.rung, run.seed))
    except RoadshiftError as error:
        return str(error)
    return ""


@contextmanager
def _held(lock: JournalFileOpenLock | JournalFileSymlinkLock) -> Iterator[None]:
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _cut_torn_line(file: Path) -> None:
    """Removes the part of a line that a killed process or a full disk has left at the end."""
    if file.exists() and (content := file.read_bytes()) and not content.endswith(b"\n"):
        with file.open("r+b") as sink:
            sink.truncate(content.rfind(b"\n") + 1)
