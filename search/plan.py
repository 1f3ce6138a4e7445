"""What a search does next, by what it has done: the same answer after any interruption."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from search.settings import Search, Value


@dataclass(frozen=True)
class Run:
    """One training of each mix, and its scores on the images that choose.

    Attributes:
        trial: number of the candidate; None for the base.
        rung: index of the rung; the last one's for a confirming run, too.
        seed: seed of the training; None for the parameters' own.
        confirms: whether it is a confirming run.
    """

    trial: int | None
    rung: int
    seed: int | None
    confirms: bool = False

    @property
    def variant(self) -> str:
        """Name of the candidate."""
        return "base" if self.trial is None else f"t{self.trial:03}"

    @property
    def name(self) -> str:
        """Name of the run, which the journal and the logs have."""
        rung = "confirm" if self.confirms else f"r{self.rung + 1}"
        return f"{self.variant}-{rung}{'' if self.seed is None else f'-s{self.seed}'}"


@dataclass(frozen=True)
class Result:
    """What came of a run.

    Attributes:
        scores: by mix, the mean mIoU on the sources that choose; empty if the run failed.
        minutes: duration of the run.
        error: why the run failed; '' if it did not.
    """

    scores: Mapping[str, float]
    minutes: float = 0.0
    error: str = ""

    @property
    def score(self) -> float | None:
        """The mean over the mixes; None if the run failed."""
        return None if self.error else sum(self.scores.values()) / len(self.scores)


@dataclass(frozen=True)
class State:
    """What a search has done until now.

    Attributes:
        params: the values of each trial, in the order of their numbers.
        results: results of the runs that have ended, by the run's name.
    """

    params: tuple[Mapping[str, Value], ...]
    results: Mapping[str, Result]

    def score(self, search: Search, trial: int, rung: int) -> float | None:
        """The mean score of a candidate over the seeds of a rung; None if a run is missing."""
        return self.mean([run.name for run in rung_runs(search, trial, rung)])

    def mean(self, names: list[str]) -> float | None:
        """The mean score of some runs; None if one is missing or failed."""
        found = [self.results[name].score for name in names if name in self.results]
        known = [score for score in found if score is not None]
        return sum(known) / len(known) if known and len(known) == len(names) else None


Step = Run | Literal["ask", "wait", "done"]
"""The next run; or a trial has to be asked for, other machines to be waited for, or all is done."""


def rung_runs(search: Search, trial: int, rung: int) -> list[Run]:
    """The runs of a candidate on a rung: one, or on the last rung one for each seed."""
    last = rung == len(search.settings.rungs) - 1
    if last and search.settings.seeds is not None:
        return [Run(trial, rung, seed) for seed in search.settings.seeds]
    return [Run(trial, rung, None)]


def confirming_runs(search: Search, state: State) -> dict[str, list[Run]]:
    """The confirming runs of the base and of the best others, by the candidate's name."""
    last = len(search.settings.rungs) - 1
    # The trial with the base's values is confirmed as the base.
    others = [trial for trial in ranked(search, state, last) if state.params[trial] != search.base]
    runs = {}
    for trial in (None, *others[: search.settings.confirm.best]):
        of_trial = [Run(trial, last, seed, True) for seed in search.settings.confirm.seeds]
        runs[of_trial[0].variant] = of_trial
    return runs


def ranked(search: Search, state: State, rung: int) -> list[int]:
    """The candidates of a rung that have a score there, best first; of equals the first one."""
    scores = {trial: state.score(search, trial, rung) for trial in candidates(search, state, rung)}
    known = {trial: score for trial, score in scores.items() if score is not None}
    return sorted(known, key=lambda trial: (-known[trial], trial))


def candidates(search: Search, state: State, rung: int) -> list[int]:
    """The numbers of the trials that reach a rung."""
    if rung == 0:
        return [*range(len(state.params))]
    return ranked(search, state, rung - 1)[: search.settings.rungs[rung - 1].keep]


def next_step(search: Search, state: State, taken: Callable[[Run], bool]) -> Step:
    """Decides what is next: a rung begins once the one below it is complete.

    Args:
        search: the search.
        state: what it has done.
        taken: returns whether another machine is at a run.
    """
    for rung in range(len(search.settings.rungs)):
        step = _open(_missing(search, state, candidates(search, state, rung), rung), taken)
        if isinstance(step, Run):
            return step
        if rung == 0 and len(state.params) < search.settings.trials:
            return "ask"
        if step == "wait":
            return step
    if not ranked(search, state, len(search.settings.rungs) - 1):
        return "done"
    runs = confirming_runs(search, state)
    # A seed of all, then the next: whatever is interrupted can be compared.
    turns = [run for each in zip(*runs.values(), strict=True) for run in each]
    return _open((run for run in turns if run.name not in state.results), taken)


def _missing(search: Search, state: State, trials: list[int], rung: int) -> Iterator[Run]:
    for trial in trials:
        runs = rung_runs(search, trial, rung)
        if any(state.results[r.name].error for r in runs if r.name in state.results):
            continue
        yield from (run for run in runs if run.name not in state.results)


def _open(runs: Iterator[Run], taken: Callable[[Run], bool]) -> Step:
    step: Step = "done"
    for run in runs:
        if not taken(run):
            return run
        step = "wait"
    return step
