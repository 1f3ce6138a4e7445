"""Runs the variants of an ablation as DVC experiments, one after the other."""

import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablation.comparison import Outcome, chart_file, write_comparison
from ablation.records import (
    RunRecord,
    StageRecord,
    earlier_minutes,
    load_records,
    make_record,
    record_file,
)
from ablation.sandbox import RunFailedError, Sandbox
from ablation.variants import Ablation, Run
from roadshift.errors import RoadshiftError
from roadshift.scoring.results import MixMatrices, MixScores
from stages.paths import matrices_file, scores_file

CHARGED = ("train", "evaluate")
"""The stages whose time counts for a run; the data are prepared once for all runs."""


def run_all(ablation: Ablation, work: Path) -> None:
    """Runs all variants and compares them. A run that fails does not stop the others.

    Args:
        ablation: settings and runs of the ablation.
        work: folder for the sandbox and the runs' logs.

    Raises:
        RoadshiftError: the project has uncommitted changes, or a run failed.
    """
    sandbox = Sandbox(Path(), work / "project")
    sandbox.prepare()
    logs = work / "logs" / ablation.name
    outcomes: dict[str, Outcome] = {}
    failed: list[str] = []
    minutes_by_run: list[float] = []
    start = time.monotonic()
    for number, run in enumerate(ablation.runs, start=1):
        title = f"[{number}/{len(ablation.runs)}] {run.name}"
        _say(f"{title}: {run.variant.question}")
        run_start = time.monotonic()
        log = logs / f"{run.name}.log"
        try:
            outcomes[run.name] = outcome = _run_one(ablation, run, sandbox, log)
        except RunFailedError as error:
            failed.append(run.name)
            _say(f"{title}: failed; the last lines of {log}:", *error.lines)
            continue
        progress = f"{(time.monotonic() - start) / 60:.1f} minutes so far"
        if outcome.ran:
            minutes_by_run.append((time.monotonic() - run_start) / 60)
            write_comparison(ablation, outcomes, failed)
        if minutes_by_run:
            left = (len(ablation.runs) - number) * statistics.mean(minutes_by_run)
            progress += f", about {left:.0f} left"
        cells = ", ".join(
            f"{domain} {miou}" for domain, miou in _mious(run, outcome.record).items()
        )
        _say(f"{title}: {'' if outcome.ran else 'as before, '}mIoU {cells}; {progress}")
    if table := write_comparison(ablation, outcomes, failed):
        chart = chart_file(ablation.name)
        print(f"{table.read_text('utf-8')}\ntable: {table}\nchart: {chart}", flush=True)
    if failed:
        raise RoadshiftError(
            f"{len(failed)} of {len(ablation.runs)} runs failed: {', '.join(failed)}; the same "
            "command tries them again"
        )
    sandbox.remove()


def _run_one(ablation: Ablation, run: Run, sandbox: Sandbox, log: Path) -> Outcome:
    mix = ablation.settings.mix
    records = load_records(ablation)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as sink:
        timed = sandbox.run(
            f"{ablation.name}-{run.name}",
            mix=mix,
            overrides=run.overrides,
            timed=[f"{stage}@{mix}" for stage in CHARGED],
            start=_nearest(ablation, run, records, sandbox),
            log=sink,
        )
    stages = {}
    for name, stage in timed.items():
        if stage.seconds is None:
            minutes = earlier_minutes(stage.key, records.values())
        else:
            minutes = round(stage.seconds / 60, 2)
        stages[name] = StageRecord(key=stage.key, minutes=minutes)
    record = make_record(ablation, run, stages, MixScores.load(sandbox.folder / scores_file(mix)))
    record.save(record_file(ablation, run.name))
    matrices = MixMatrices.load(sandbox.folder / matrices_file(mix))
    method = run.variant.scored
    scores = matrices.domains if method == "plain" else matrices.adapted[method]
    return Outcome(record, scores, any(stage.seconds is not None for stage in timed.values()))


def _mious(run: Run, record: RunRecord) -> dict[str, float | None]:
    method = run.variant.scored
    return {
        domain: score.miou if method == "plain" else score.adapted[method].miou
        for domain, score in record.domains.items()
    }


def _nearest(
    ablation: Ablation, run: Run, records: Mapping[str, RunRecord], sandbox: Sandbox
) -> str | None:
    """Commit of the earlier experiment, at best the run's own, with the most equal parameters."""
    for name in closest(run, {name: record.params for name, record in records.items()}):
        if commit := sandbox.experiment(f"{ablation.name}-{name}"):
            return commit
    return None


def closest(run: Run, params: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Sorts earlier runs by the number of parameters that they share with a run, most first.

    Args:
        run: the run to compare with.
        params: parameters of the earlier runs, by name.

    Returns:
        Names of the earlier runs.
    """
    ours = run.params.model_dump(mode="json")
    leaves = _leaves(ours)

    def difference(name: str) -> tuple[bool, int, bool]:
        theirs = params[name]
        # Another seed changes everything from the training on.
        other_seed = theirs["seed"] != ours["seed"]
        return other_seed, len(leaves ^ _leaves(theirs)), name != run.name

    return sorted(params, key=difference)


def _leaves(params: Mapping[str, Any], place: str = "") -> set[tuple[str, str]]:
    leaves = set()
    for key, value in params.items():
        if isinstance(value, Mapping):
            leaves |= _leaves(value, f"{place}{key}.")
        else:
            leaves.add((f"{place}{key}", repr(value)))
    return leaves


def _say(*lines: str) -> None:
    print(*lines, sep="\n    ", flush=True)
