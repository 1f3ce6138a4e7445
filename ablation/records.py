"""The record of an ablation's run: its parameters, its stages with their durations, its scores."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ablation.variants import Ablation, Run
from roadshift.atomic import atomic_file
from roadshift.errors import RoadshiftError
from roadshift.scoring.results import DomainScores, MixScores
from roadshift.settings import Settings, format_validation_error
from stages.paths import ablation_results


class StageRecord(Settings):
    """A stage of a run.

    Attributes:
        key: hash of its command, dependencies and parameters: the same key, the same outputs.
        minutes: duration of the stage when it ran; None if it was not measured.
    """

    key: str
    minutes: float | None


class RunRecord(Settings):
    """A run as it is kept in the ablation's results.

    Attributes:
        ablation: name of the ablation.
        variant: name of the variant.
        mix: the mix that was trained and scored.
        seed: the seed of the training.
        overrides: overrides of params.yaml, as after `dvc exp run -S`.
        params: all parameters, with the overrides applied.
        stages: the stages whose time counts for the run, by name.
        target_images: number of images of the target that training was given, by their use.
        domains: the scores by role.
    """

    ablation: str
    variant: str
    mix: str
    seed: int
    overrides: list[str]
    params: dict[str, Any]
    stages: dict[str, StageRecord]
    target_images: dict[str, int]
    domains: dict[str, DomainScores]

    @property
    def minutes(self) -> float | None:
        """Duration of all stages together; None if one was not measured."""
        durations = [stage.minutes for stage in self.stages.values()]
        measured = [minutes for minutes in durations if minutes is not None]
        return sum(measured) if len(measured) == len(durations) else None

    def save(self, file: Path) -> None:
        """Writes the record as JSON."""
        with atomic_file(file) as partial:
            partial.write_text(self.model_dump_json(indent=1) + "\n", "utf-8")


def make_record(
    ablation: Ablation, run: Run, stages: dict[str, StageRecord], scores: MixScores
) -> RunRecord:
    """The record of a run that has ended."""
    return RunRecord(
        ablation=ablation.name,
        variant=run.variant.name,
        mix=ablation.settings.mix,
        seed=run.params.seed,
        overrides=list(run.overrides),
        params=run.params.model_dump(mode="json"),
        stages=stages,
        target_images=scores.target_images,
        domains=scores.domains,
    )


def record_file(ablation: Ablation, run: str) -> Path:
    """The file of a run's record."""
    return ablation_results(ablation.name) / f"{run}.json"


def load_records(ablation: Ablation) -> dict[str, RunRecord]:
    """Reads the records of an ablation's earlier runs, by the run's name.

    Raises:
        RoadshiftError: a file is not a record.
    """
    records = {}
    for file in sorted(ablation_results(ablation.name).glob("*.json")):
        try:
            records[file.stem] = RunRecord.model_validate_json(file.read_bytes())
        except ValidationError as error:
            reason = format_validation_error(error, RunRecord)
            raise RoadshiftError(f"{file}: not the record of a run ({reason}); delete it") from None
    return records


def earlier_minutes(key: str, records: Iterable[RunRecord]) -> float | None:
    """Duration of a stage with this key in an earlier run; None if it was not measured."""
    stages = (stage for record in records for stage in record.stages.values())
    return next((stage.minutes for stage in stages if stage.key == key), None)
