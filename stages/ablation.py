"""Runs the variants of a file as DVC experiments, and writes what each changes.

Not a stage of dvc.yaml: it runs stages.
"""

import argparse
import csv
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from roadshift.errors import RoadshiftError
from roadshift.outputs import whole_file
from roadshift.pictures.forest import forest_plot
from roadshift.scoring.comparison import (
    PictureScores,
    Variant,
    compare,
    comparison_rows,
    comparison_table,
)
from roadshift.scoring.tables import Use, target_use
from stages.params import TARGET
from stages.paths import ABLATIONS, ablation_chart, ablation_results, pictures, scores
from stages.sandbox import RunFailedError, Sandbox, StageRun
from stages.variants import Ablation, Run, VariantSettings, load_ablation, only

COUNTED = ("train", "evaluate")
"""The stages whose time a variant is charged with; data are made once for all."""

TEXT = """# {question}

Mix `{mix}`. mIoU in percent; after the colon the difference to `{base}` in points, with its
{level:g} % interval over the pictures that were scored (paired bootstrap), and *better* or *worse*
where the interval leaves out 0. The intervals tell nothing of other seeds, and are not widened for
the number of variants. Several seeds: their mean, and each in brackets. Minutes: training and
scoring one network, on the clock, from its last interruption on.{closed}

{table}"""
CLOSED = """ Gap closed: how much of the way from the base to `{oracle}`, by mIoU on the target."""


class Outcome(NamedTuple):
    """What came of a run."""

    record: Mapping[str, Any]
    """As it is kept in docs/results."""
    scores: Mapping[str, PictureScores]
    """By domain."""
    ran: bool
    """Whether anything had to run."""


def main() -> None:
    """Runs the variants of a file as DVC experiments, one after the other, and compares them.

    What was cut goes on where it was: a variant whose parameters, code and data are those of its
    experiment does not run again. The workspace is left alone.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("file", type=Path, help="YAML: the variants")
    parser.add_argument(
        "--only", nargs="+", metavar="VARIANT", help="run the base and these, and compare them"
    )
    given = parser.parse_args()
    # A batch system's way to end a job, and a terminal that is closed, are as Ctrl-C is.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        with _alone():
            ablation = load_ablation(given.file)
            _run_all(only(ablation, given.only) if given.only else ablation)
    except RoadshiftError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


@contextmanager
def _alone() -> Iterator[None]:
    ABLATIONS.mkdir(parents=True, exist_ok=True)
    with (ABLATIONS / "lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RoadshiftError(
                "another ablation is running in this project, or what a killed one had started: "
                "wait for it to end, or end it"
            ) from None
        yield


def _run_all(ablation: Ablation) -> None:
    sandbox = Sandbox(Path(), ABLATIONS / "project")
    sandbox.prepare()
    logs = ABLATIONS / "logs" / ablation.name
    outcomes: dict[str, Outcome] = {}
    failed: list[str] = []
    taken: list[float] = []
    start = time.monotonic()
    for number, run in enumerate(ablation.runs, start=1):
        what = f"[{number}/{len(ablation.runs)}] {run.name}"
        _say(f"{what}: {run.variant.question}")
        since = time.monotonic()
        log = logs / f"{run.name}.log"
        try:
            outcomes[run.name] = outcome = _run_one(ablation, run, sandbox, log)
        except RunFailedError as error:
            failed.append(run.name)
            _say(f"{what}: failed; the last lines of {log}:", *error.lines)
            continue
        progress = f"{(time.monotonic() - start) / 60:.1f} minutes so far"
        if outcome.ran:
            taken.append((time.monotonic() - since) / 60)
            _write_comparison(ablation, outcomes, failed)
        if taken:
            left = (len(ablation.runs) - number) * sum(taken) / len(taken)
            progress += f", about {left:.0f} left"
        cells = ", ".join(
            f"{d} {_miou(run, score)}" for d, score in outcome.record["domains"].items()
        )
        _say(f"{what}: {'' if outcome.ran else 'as before, '}mIoU {cells}; {progress}")
    if table := _write_comparison(ablation, outcomes, failed):
        chart = ablation_chart(ablation.name)
        print(f"{table.read_text('utf-8')}\ntable: {table}\nchart: {chart}", flush=True)
    if failed:
        raise RoadshiftError(
            f"{len(failed)} of {len(ablation.runs)} runs failed: {', '.join(failed)}; the same "
            "command tries them again"
        )
    sandbox.remove()


def _run_one(ablation: Ablation, run: Run, sandbox: Sandbox, log: Path) -> Outcome:
    mix = ablation.settings.mix
    known = _records(ablation)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as sink:
        stages = sandbox.run(
            f"{ablation.name}-{run.name}",
            f"evaluate@{mix}",
            mix,
            run.overrides,
            _nearest(ablation, run, known, sandbox),
            sink,
        )
    counted = {name: stages[name] for name in (f"{stage}@{mix}" for stage in COUNTED)}
    measured = json.loads((sandbox.folder / scores(mix)).read_text("utf-8"))
    record = {
        "ablation": ablation.name,
        "variant": run.variant.name,
        "mix": mix,
        "seed": run.params.seed,
        "overrides": list(run.overrides),
        "params": run.params.model_dump(),
        "stages": {
            name: {"key": stage.key, "minutes": _minutes(stage, known.values())}
            for name, stage in counted.items()
        },
        "target_pictures": measured["target_pictures"],
        "domains": measured["domains"],
    }
    with whole_file(_record_file(ablation, run.name)) as file:
        file.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    method = "" if run.variant.scored == "plain" else f"{run.variant.scored}/"
    with np.load(sandbox.folder / pictures(mix), allow_pickle=False) as arrays:
        by_domain = {
            domain: PictureScores.sorted(
                arrays[f"{domain}/ids"], arrays[f"{domain}/{method}matrices"]
            )
            for domain in measured["domains"]
        }
    return Outcome(record, by_domain, any(stage.seconds for stage in counted.values()))


def _miou(run: Run, score: Mapping[str, Any]) -> float | None:
    method = run.variant.scored
    return score["miou"] if method == "plain" else score["adapted"][method]["miou"]


def _record_file(ablation: Ablation, run: str) -> Path:
    return ablation_results(ablation.name) / f"{run}.json"


def _records(ablation: Ablation) -> dict[str, dict[str, Any]]:
    """By the run's name, what is known from before."""
    files = sorted(ablation_results(ablation.name).glob("*.json"))
    try:
        return {file.stem: json.loads(file.read_text("utf-8")) for file in files}
    except ValueError as error:
        raise RoadshiftError(
            f"{ablation_results(ablation.name)}: a record is not JSON ({error}); delete it"
        ) from None


def _minutes(stage: StageRun, known: Iterable[Mapping[str, Any]]) -> float | None:
    """What a stage took: just now, or when it ran; None where nobody measured it."""
    if stage.seconds is not None:
        return round(stage.seconds / 60, 2)
    earlier = (other for record in known for other in record["stages"].values())
    return next((other["minutes"] for other in earlier if other["key"] == stage.key), None)


def _nearest(
    ablation: Ablation, run: Run, known: Mapping[str, Mapping[str, Any]], sandbox: Sandbox
) -> str | None:
    """The experiment that has most in common with a run: at best its own, from before."""
    for name in closest(run, {name: record["params"] for name, record in known.items()}):
        if commit := sandbox.experiment(f"{ablation.name}-{name}"):
            return commit
    return None


def closest(run: Run, params: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The names of other runs' parameters, those first with which a run has most in common."""
    ours = run.params.model_dump()
    leaves = _leaves(ours)

    def difference(name: str) -> tuple[bool, int, bool]:
        theirs = params[name]
        # By another seed nothing from the training on is the same, whatever else is.
        another = theirs["seed"] != ours["seed"]
        return another, len(leaves ^ _leaves(theirs)), name != run.name

    return sorted(params, key=difference)


def _leaves(params: Mapping[str, Any], place: str = "") -> set[tuple[str, str]]:
    leaves = set()
    for key, value in params.items():
        if isinstance(value, Mapping):
            leaves |= _leaves(value, f"{place}{key}.")
        else:
            leaves.add((f"{place}{key}", repr(value)))
    return leaves


def _write_comparison(
    ablation: Ablation, outcomes: Mapping[str, Outcome], failed: Sequence[str]
) -> Path | None:
    """Writes the tables and the chart, and returns the table for people; None without the base."""
    settings = ablation.settings
    variants, left_out = [], []
    for variant in settings.variants:
        names = [run.name for run in ablation.runs if run.variant.name == variant.name]
        if names and all(name in outcomes for name in names):
            variants.append(_variant(variant, [outcomes[name] for name in names]))
        else:
            reason = "failed" if any(name in failed for name in names) else "not run yet"
            if not names:
                reason = "not asked for"
            left_out.append(f"`{variant.name}` ({reason})")
    if settings.base not in (variant.name for variant in variants):
        return None
    base = ablation.runs[0]
    how = base.params.evaluate
    rows = compare(variants, settings.base, how, base.params.seed, TARGET, settings.oracle)
    domains = outcomes[base.name].record["domains"]
    heads = {
        domain: f"{domain} = {score['data_set']} ({score['pictures']} pictures)"
        for domain, score in domains.items()
    }
    level = 100 * base.params.evaluate.confidence_level
    closed = any(row.gap_closed is not None for row in rows)
    text = TEXT.format(
        question=settings.question,
        mix=settings.mix,
        base=settings.base,
        level=level,
        closed=CLOSED.format(oracle=settings.oracle) if closed else "",
        table=comparison_table(rows, heads, TARGET),
    )
    if left_out:
        text += f"\nLeft out: {', '.join(left_out)}.\n"
    folder = ablation_results(ablation.name)
    with whole_file(folder / "table.md") as file:
        file.write_text(text, "utf-8")
    flat = list(comparison_rows(rows))
    with (
        whole_file(folder / "table.csv") as file,
        file.open("w", encoding="utf-8", newline="") as sink,
    ):
        writer = csv.DictWriter(sink, list(flat[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
    figure = forest_plot(
        [(row.name, row.cells[TARGET]) for row in rows],
        f"{settings.question}\n{heads[TARGET]}",
        f"mIoU, points above {settings.base}, {level:g} % interval",
    )
    with whole_file(ablation_chart(ablation.name)) as file:
        figure.savefig(file, format="png")
    return folder / "table.md"


def _variant(settings: VariantSettings, outcomes: Sequence[Outcome]) -> Variant:
    minutes = [
        [stage["minutes"] for stage in outcome.record["stages"].values()] for outcome in outcomes
    ]
    measured = [sum(parts) for parts in minutes if None not in parts]
    return Variant(
        settings.name,
        settings.question,
        tuple(outcome.record["seed"] for outcome in outcomes),
        {domain: [o.scores[domain] for o in outcomes] for domain in outcomes[0].scores},
        sum(measured) / len(measured) if measured else None,
        _use(settings, outcomes[0]),
    )


def _use(settings: VariantSettings, outcome: Outcome) -> Use:
    use = target_use(outcome.record["target_pictures"])
    return "transductive" if settings.scored != "plain" and not use else use


def _say(*lines: str) -> None:
    print(*lines, sep="\n    ", flush=True)


if __name__ == "__main__":
    main()
