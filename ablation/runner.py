"""Runs the variants of an ablation as DVC experiments, one after the other."""

import datetime
import statistics
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ablation.columns import Outcome, mious, test_column
from ablation.comparison import Results, chart_file, write_comparison
from ablation.race import schedule
from ablation.records import (
    Look,
    RunRecord,
    StageRecord,
    earlier_stage,
    keep_look,
    load_records,
    make_record,
    record_file,
    with_look,
)
from ablation.sandbox import RunFailedError, Sandbox, StageRun
from ablation.variants import Ablation, Run
from roadshift.errors import RoadshiftError
from roadshift.report.ablations import Kind
from roadshift.scoring.recipes import leaves
from roadshift.scoring.results import DomainScores, ImageMatrices, Method, MixMatrices, MixScores
from roadshift.scoring.transfer import TransferScores
from stages.paths import matrices_file, scores_file, transfer_file, transfer_matrices_file


def run_all(ablation: Ablation, work: Path, *, final: bool = False) -> None:
    """Runs all variants and compares them. A run that fails does not stop the others.

    Args:
        ablation: settings and runs of the ablation.
        work: folder for the sandbox and the runs' logs.
        final: whether to score on test images and the target, too, and to compare by these.

    Raises:
        RoadshiftError: the project has uncommitted changes, or a run failed.
    """
    sandbox = Sandbox(Path(), work / "project")
    sandbox.prepare()
    kind: Kind = "table" if final else "transfer"
    results = Results(ablation, {}, [], {})
    minutes_by_run: list[float] = []
    start = time.monotonic()
    runs, racing = len(ablation.runs), ablation.settings.race is not None
    for number, run in enumerate(_runs(results), start=1):
        title = f"[{number}/{'at most ' if racing else ''}{runs}] {run.name}"
        _say(f"{title}: {run.variant.question}")
        run_start = time.monotonic()
        log = work / "logs" / ablation.name / f"{run.name}.log"
        try:
            results.outcomes[run.name] = outcome = _run_one(ablation, run, sandbox, log, final)
        except RunFailedError as error:
            results.failed.append(run.name)
            _say(f"{title}: failed; the last lines of {log}:", *error.lines)
            continue
        progress = f"{(time.monotonic() - start) / 60:.1f} minutes so far"
        if outcome.ran:
            minutes_by_run.append((time.monotonic() - run_start) / 60)
            write_comparison(results, kind)
        if minutes_by_run:
            left = (runs - number) * statistics.mean(minutes_by_run)
            progress += f", {'at most' if racing else 'about'} {left:.0f} left"
        scores = mious(outcome.record, _method(run), final=final).items()
        cells = ", ".join(f"{domain} {miou}" for domain, miou in scores)
        _say(f"{title}: {'' if outcome.ran else 'as before, '}mIoU {cells}; {progress}")
    for name, (why, seeds) in results.settled.items():
        _say(f"{name}: {why} after {seeds} of {len(ablation.settings.seeds or [])} seeds")
    if table := write_comparison(results, kind):
        chart = chart_file(ablation.name, kind)
        print(f"{table.read_text('utf-8')}\ntable: {table}\nchart: {chart}", flush=True)
    if failed := results.failed:
        raise RoadshiftError(
            f"{len(failed)} of {runs} runs failed: {', '.join(failed)}; the same "
            "command tries them again"
        )
    sandbox.remove()


def _runs(results: Results) -> Iterator[Run]:
    """The runs to do, of which a race leaves out those that would decide nothing."""
    settings = results.ablation.settings
    if settings.race is None:
        return iter(results.ablation.runs)
    return schedule(
        results.ablation.runs,
        settings.base,
        race=results.race,
        compared=results.variant,
        settled=results.settled,
    )


def _run_one(ablation: Ablation, run: Run, sandbox: Sandbox, log: Path, final: bool) -> Outcome:
    mixes, method = ablation.settings.all_mixes, _method(run)
    records = load_records(ablation)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as sink:
        timed = sandbox.run(
            f"{ablation.name}-{run.name}",
            mixes=mixes,
            final=final,
            overrides=run.overrides,
            start=_nearest(ablation, run, records, sandbox),
            log=sink,
        )
    transfer = {m: TransferScores.load(sandbox.folder / transfer_file(m)) for m in mixes}
    record = make_record(ablation, run, _stages(timed, records), transfer)
    earlier = records.get(run.name)
    if final:
        now = Look(date=datetime.date.today().isoformat(), revision=sandbox.head)
        record = with_look(record, _test_scores(ablation, sandbox), now, earlier)
    else:
        record = keep_look(record, earlier)
    record.save(record_file(ablation, run.name))
    return Outcome(
        record,
        transfer={m: _of(sandbox.folder / transfer_matrices_file(m), method) for m in mixes},
        test={m: _of(sandbox.folder / matrices_file(m), method) for m in mixes if final},
        ran=any(stage.duration is not None for stage in timed.values()),
    )


def _stages(
    timed: Mapping[str, StageRun], records: Mapping[str, RunRecord]
) -> dict[str, StageRecord]:
    """The records of stages, with the times of an earlier run where they did not have to run."""
    return {
        name: StageRecord(
            key=stage.key,
            minutes=round(stage.duration.seconds / 60, 2),
            processor_minutes=round(stage.duration.processor_seconds / 60, 2),
        )
        if stage.duration
        else earlier_stage(stage.key, records.values())
        for name, stage in timed.items()
    }


def _test_scores(ablation: Ablation, sandbox: Sandbox) -> dict[str, DomainScores]:
    mixes = ablation.settings.all_mixes
    return {
        test_column(mix, role, several=len(mixes) > 1): score
        for mix in mixes
        for role, score in MixScores.load(sandbox.folder / scores_file(mix)).domains.items()
    }


def _method(run: Run) -> Method | None:
    return None if run.variant.scored == "plain" else run.variant.scored


def _of(file: Path, method: Method | None) -> Mapping[str, ImageMatrices]:
    matrices = MixMatrices.load(file)
    return matrices.domains if method is None else matrices.adapted[method]


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
    own = _values(ours)

    def difference(name: str) -> tuple[bool, int, bool]:
        theirs = params[name]
        # Another seed changes everything from the training on.
        other_seed = theirs["seed"] != ours["seed"]
        return other_seed, len(own ^ _values(theirs)), name != run.name

    return sorted(params, key=difference)


def _values(params: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(key, repr(value)) for key, value in leaves(params)}


def _say(*lines: str) -> None:
    print(*lines, sep="\n    ", flush=True)
