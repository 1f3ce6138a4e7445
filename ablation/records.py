"""The record of an ablation's run: its parameters, its stages with their durations, its scores."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from ablation.variants import Ablation, Run
from roadshift.atomic import atomic_file
from roadshift.errors import RoadshiftError
from roadshift.scoring.results import DomainScores
from roadshift.scoring.transfer import TransferScores
from roadshift.settings import Settings, format_validation_error
from stages.paths import ablation_results


class StageRecord(Settings):
    """A stage of a run.

    Attributes:
        key: hash of its command, dependencies and parameters: the same key, the same outputs.
        minutes: wall-clock time of the stage when it ran; None if it was not measured.
        processor_minutes: its processor time on all cores; None in older records, too.
    """

    key: str
    minutes: float | None = None
    processor_minutes: float | None = None


class Look(Settings):
    """A look at the test images and the target.

    Attributes:
        date: day of the look, as 2026-01-31.
        revision: git commit whose code and parameters were looked at.
    """

    date: str
    revision: str


class RunRecord(Settings):
    """A run as it is kept in the ablation's results.

    Attributes:
        ablation: name of the ablation.
        variant: name of the variant.
        base: name of the baseline; empty in older records.
        mixes: the mixes that were trained and scored.
        seed: the seed of the training.
        overrides: overrides of params.yaml, as after `dvc exp run -S`.
        params: all parameters, with the overrides applied.
        stages: the stages whose time counts for the run, by name.
        target_images: number of images of the target that training was given, by their use.
        transfer: by mix, the scores that may choose: none of them on test or on the target.
        final: the look at the test images; None if there was none.
        domains: the scores on test images, by the column of the table; empty without a look.
    """

    ablation: str
    variant: str
    base: str = ""
    mixes: list[str]
    seed: int
    overrides: list[str]
    params: dict[str, Any]
    stages: dict[str, StageRecord]
    target_images: dict[str, int]
    transfer: dict[str, TransferScores]
    final: Look | None = None
    domains: dict[str, DomainScores] = Field(default_factory=dict)

    @property
    def minutes(self) -> float | None:
        """Wall-clock time of all stages together; None if one was not measured."""
        return _sum([stage.minutes for stage in self.stages.values()])

    @property
    def processor_minutes(self) -> float | None:
        """Processor time of all stages together; None if one was not measured."""
        return _sum([stage.processor_minutes for stage in self.stages.values()])

    def save(self, file: Path) -> None:
        """Writes the record as JSON."""
        with atomic_file(file) as partial:
            partial.write_text(self.model_dump_json(indent=1) + "\n", "utf-8")


def make_record(
    ablation: Ablation,
    run: Run,
    stages: dict[str, StageRecord],
    transfer: dict[str, TransferScores],
) -> RunRecord:
    """The record of a run that has ended, without test scores."""
    return RunRecord(
        ablation=ablation.name,
        variant=run.variant.name,
        base=ablation.settings.base,
        mixes=list(ablation.settings.all_mixes),
        seed=run.params.seed,
        overrides=list(run.overrides),
        params=run.params.model_dump(mode="json"),
        stages=stages,
        target_images=next(iter(transfer.values())).target_images,
        transfer=transfer,
    )


def with_look(
    record: RunRecord, domains: dict[str, DomainScores], now: Look, earlier: RunRecord | None
) -> RunRecord:
    """The record with test scores. A look that shows the same scores again is the earlier one."""
    same = earlier is not None and earlier.final is not None and earlier.domains == domains
    look = earlier.final if earlier and same else now
    return record.model_copy(update={"final": look, "domains": domains})


def keep_look(record: RunRecord, earlier: RunRecord | None) -> RunRecord:
    """The record with the test scores of an earlier one, if they are of the same networks."""
    if earlier is None or earlier.params != record.params:
        return record
    for name, stage in record.stages.items():
        if earlier.stages.get(name) is None or earlier.stages[name].key != stage.key:
            return record
    return record.model_copy(update={"final": earlier.final, "domains": earlier.domains})


def record_file(ablation: Ablation, run: str) -> Path:
    """The file of a run's record."""
    return ablation_results(ablation.name) / f"{run}.json"


def load_records(ablation: Ablation) -> dict[str, RunRecord]:
    """Reads the records of an ablation's earlier runs, by the run's name.

    Those of version 0.1.0 have other networks and no transfer scores; they are passed over.

    Raises:
        RoadshiftError: a file is not a record.
    """
    records = {}
    for file in sorted(ablation_results(ablation.name).glob("*.json")):
        content = file.read_bytes()
        if b'"mix": ' in content and b'"transfer": ' not in content:
            continue
        try:
            records[file.stem] = RunRecord.model_validate_json(content)
        except ValidationError as error:
            reason = format_validation_error(error, RunRecord)
            raise RoadshiftError(f"{file}: not the record of a run ({reason}); delete it") from None
    return records


def earlier_stage(key: str, records: Iterable[RunRecord]) -> StageRecord:
    """The record of a stage with this key in an earlier run; without times if there is none.

    Of several, one whose processor time was measured comes first.
    """
    stages = [s for record in records for s in record.stages.values() if s.key == key]
    stages.sort(key=lambda stage: stage.processor_minutes is None)
    return next(iter(stages), StageRecord(key=key))


def _sum(measured: Sequence[float | None]) -> float | None:
    known = [minutes for minutes in measured if minutes is not None]
    return sum(known) if len(known) == len(measured) else None
