"""The schema of params.yaml: every section with its types and ranges."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from roadshift.augment.settings import AugmentSettings
from roadshift.datasets.card import load_card
from roadshift.datasets.splits import Parting, SplitShares
from roadshift.errors import RoadshiftError
from roadshift.networks.settings import ModelSettings
from roadshift.scoring.settings import EvaluateSettings
from roadshift.settings import Settings, explain, load_yaml, printable
from roadshift.taxonomy import load_taxonomy
from roadshift.training.settings import AdaptSettings, RegSettings, TrainSettings

PARAMS = Path("params.yaml")
TARGET = "target"
TAKEN = {"summary": "metrics/summary.json", "scores": "models/scores"}
"""Where a mix of that name would put its own outputs."""
FAMILIES = {
    "transfer_probability": ("statistics", "fourier"),
    "weather_probability": ("fog", "rain", "dusk"),
}
"""Operations that are all off unless one is asked for, by their probability.

The photometric ones are on: there a probability of 0 is the way to do without all of them.
"""
Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


class SplitSettings(SplitShares):
    """How each role's set is parted into train, val and test."""

    by: dict[Name, str]


class DataSettings(Settings):
    """What pictures and labels are made into."""

    taxonomy: str
    split: SplitSettings
    shard_megabytes: int = Field(ge=1, le=10_000)
    max_height: int = Field(ge=0, le=10_000)


class Params(Settings):
    """All of params.yaml."""

    seed: int = Field(ge=0, lt=2**31)
    domains: dict[Name, str]
    mixes: dict[Name, dict[Name, Annotated[int, Field(ge=1)]]]
    data: DataSettings
    aug: AugmentSettings
    model: ModelSettings
    reg: RegSettings
    train: TrainSettings
    evaluate: EvaluateSettings
    adapt: AdaptSettings

    @model_validator(mode="after")
    def _names_are_known(self) -> "Params":
        if TARGET not in self.domains:
            raise RoadshiftError(f"domains: '{TARGET}' is missing; it names the set to score on")
        split_by = self.data.split.by
        if {*self.domains} != {*split_by}:
            odd = min({*self.domains} ^ {*split_by})
            lacks = "data.split.by" if odd in self.domains else "domains"
            raise RoadshiftError(f"{lacks}: '{odd}' is missing; every role stands in both")
        with _errors_of("data.taxonomy"):
            taxonomy = load_taxonomy(self.data.taxonomy)
        for role, name in self.domains.items():
            with _errors_of(f"domains.{role}"):
                card = load_card(name)
            # A table among the set's own files comes with the download; remap checks it.
            if not card.has_own_table:
                with _errors_of(f"domains.{role}: {name}"):
                    taxonomy.check_carries(card.table.names)
            with _errors_of(f"data.split.by.{role}"):
                card.way(Parting(**{**self.data.split.model_dump(), "by": split_by[role]}))
        for mix, weights in self.mixes.items():
            if mix in TAKEN:
                raise RoadshiftError(
                    f"mixes.{mix}: the name of other outputs in {TAKEN[mix]}; choose another"
                )
            for role in weights:
                if role not in self.domains or role == TARGET:
                    raise RoadshiftError(
                        f"mixes.{mix}: '{role}' is not a source; sources are "
                        f"{', '.join(r for r in self.domains if r != TARGET)}"
                    )
            if not weights:
                raise RoadshiftError(f"mixes.{mix}: names no source")
        return self

    @model_validator(mode="after")
    def _sections_agree(self) -> "Params":
        if self.reg.stochastic_depth and self.model.encoder == "unet":
            raise RoadshiftError(
                f"reg.stochastic_depth is {self.reg.stochastic_depth}, but model.encoder unet has "
                "no residual branches: set reg.stochastic_depth=0, or another encoder"
            )
        for family, strengths in FAMILIES.items():
            on = [name for name in strengths if getattr(self.aug, name)]
            if on and not getattr(self.aug, family):
                raise RoadshiftError(
                    f"aug.{on[0]} is {getattr(self.aug, on[0])}, but aug.{family} is 0, so that it "
                    "is never done: raise the one, or set the other to 0"
                )
        if self.train.focal and self.reg.label_smoothing:
            raise RoadshiftError(
                f"train.focal is {self.train.focal} and reg.label_smoothing "
                f"{self.reg.label_smoothing}: the one spares pixels that are certain, the other "
                "makes them less so; set one of them to 0"
            )
        teaching = self.adapt.self_training
        if teaching.weight and teaching.warmup_epochs >= self.train.epochs:
            raise RoadshiftError(
                f"adapt.self_training.warmup_epochs is {teaching.warmup_epochs}, train.epochs "
                f"{self.train.epochs}: no self-training would come after it; lower it, or set "
                "adapt.self_training.weight=0"
            )
        return self


@contextmanager
def _errors_of(place: str) -> Iterator[None]:
    try:
        yield
    except RoadshiftError as error:
        raise RoadshiftError(f"{place}: {error}") from None


def load_params(file: Path = PARAMS) -> Params:
    """Reads and checks params.yaml.

    Raises:
        RoadshiftError: it is missing, not YAML, or does not fit the schema.
    """
    try:
        params = Params.model_validate(load_yaml(file.read_bytes()))
        if missing := _unstated(params):
            raise RoadshiftError(f"{', '.join(missing)}: missing; state every key")
        return params
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing; run this from the project's folder") from None
    except ValidationError as error:
        raise RoadshiftError(f"{file}: {explain(error, Params)}") from None
    except RoadshiftError as error:
        raise RoadshiftError(f"{file}: {printable(str(error))}") from None


def _unstated(settings: Settings, place: str = "") -> list[str]:
    """Keys that were left to a default, which the library has but the workflow does not."""
    missing = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name not in settings.model_fields_set:
            missing.append(f"{place}{name}")
        elif isinstance(value, Settings):
            missing += _unstated(value, f"{place}{name}.")
    return missing
