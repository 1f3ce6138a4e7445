"""The file of a search: the space, the rungs, and what confirms the best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import create_trial
from pydantic import Field, ValidationError, model_validator

from ablation.variants import Question, Seeds, included, overridden, value_of
from roadshift.errors import RoadshiftError
from roadshift.report.ablations import HELD_OUT, VAL
from roadshift.scoring.recipes import shown_value
from roadshift.settings import Settings, format_validation_error, load_yaml, suggestion
from stages.params import PARAMS, TARGET, Name, Params

DIGITS = 4
"""Significant digits of a number without a step, so that a recipe is readable."""
OF_THE_IMAGES = ("domains", "mixes", "data.taxonomy", "data.partial_labels", "data.split")
"""What decides which images a trial is scored on, and in which classes."""
OF_THE_TARGET = ("adapt.labelled", "adapt.self_training")
Number = int | float
Value = bool | int | float | str


class SpaceSettings(Settings):
    """The values of a parameter: numbers from `low` to `high`, or `choices`.

    Attributes:
        low: smallest value.
        high: largest value.
        log: whether small values are tried as finely as large ones, by their logarithm.
        step: distance of the values from `low` on; None for any value.
        choices: the values, where they are no range.
    """

    low: Number | None = None
    high: Number | None = None
    log: bool = False
    step: Number | None = Field(default=None, gt=0)
    choices: list[Value] | None = Field(default=None, min_length=2)

    @model_validator(mode="after")
    def _is_one_of_two(self) -> "SpaceSettings":
        low, high = self.low, self.high
        if self.choices is not None:
            if low is not None or high is not None or self.log or self.step is not None:
                raise ValueError("choices stand alone; leave low, high, log and step out")
            if len({repr(value) for value in self.choices}) < len(self.choices):
                raise ValueError("a choice comes twice; leave one out")
            return self
        if low is None or high is None:
            raise ValueError("give low and high, or choices")
        if low >= high:
            raise ValueError(f"low is {low}, but high {high}; low must be below high")
        if self.log and (low <= 0 or self.step is not None):
            raise ValueError("log needs low above 0, and goes without step")
        if self.step is not None:
            steps = (high - low) / self.step
            if steps < 1 or abs(steps - round(steps)) > 1e-6:
                raise ValueError(f"step is {self.step}, which does not lead from low to high")
        return self

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values that the schema of the parameters is asked about."""
        if self.choices is not None:
            return tuple(self.choices)
        return tuple(end for end in (self.low, self.high) if end is not None)


class RungSettings(Settings):
    """One rung: trainings of one length, of candidates that are the fewer the longer they are.

    Attributes:
        overrides: overrides of this rung's trainings, such as train.epochs=3.
        keep: number of candidates that go on to the next rung; None for the last rung.
    """

    overrides: list[str] = Field(default_factory=list)
    keep: int | None = Field(default=None, ge=1)


class ConfirmSettings(Settings):
    """The runs that confirm the best candidates of the last rung, beside the base.

    Attributes:
        best: number of candidates; fewer if the last rung has fewer beside the base.
        seeds: seeds that chose nothing, one training each. With fewer than three no candidate is
            told apart, and the base is kept.
    """

    best: int = Field(default=2, ge=1)
    seeds: Seeds = Field(default_factory=lambda: [101, 102, 103], min_length=1)


class SearchSettings(Settings):
    """A search of parameters on images that may choose.

    Attributes:
        question: question that the search answers, one line.
        mixes: the mixes that every candidate trains.
        score: the images that choose: `held_out`, train and val of the sources that a mix leaves
            out, for a recipe that carries over; `val` of its own sources, for one that is good at
            home.
        include: name of a file beside this one that lists overrides as `-S key=value`.
        overrides: overrides of all trainings, the base's too.
        space: by key of a parameter, the values to try.
        trials: number of candidates of the first rung.
        startup: number of trials that are drawn at random, before the sampler learns from others.
        seed: seed of the sampler.
        rungs: the rungs, the shortest trainings first.
        seeds: seeds of each candidate of the last rung; None for the parameters' own.
        confirm: settings of the confirming runs.
        journal: file of the search's state, which machines may share; None for one under .dvc/tmp.
    """

    question: Question
    mixes: list[Name] = Field(min_length=1)
    score: Literal["held_out", "val"] = "held_out"
    include: str | None = None
    overrides: list[str] = Field(default_factory=list)
    space: dict[str, SpaceSettings] = Field(min_length=1)
    trials: int = Field(ge=1, le=100_000)
    startup: int = Field(default=8, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**31)
    rungs: list[RungSettings] = Field(min_length=1)
    seeds: Annotated[Seeds | None, Field(min_length=1)] = None
    confirm: ConfirmSettings = Field(default_factory=ConfirmSettings)
    journal: str | None = None

    @model_validator(mode="after")
    def _numbers_agree(self) -> "SearchSettings":
        for key, values in (("mixes", self.mixes), ("seeds", self.seeds or []),
                            ("confirm.seeds", self.confirm.seeds)):  # fmt: skip
            if len({*values}) < len(values):
                raise RoadshiftError(f"{key}: a value comes twice; leave one out")
        if both := {*self.confirm.seeds} & {*(self.seeds or [])}:
            raise RoadshiftError(
                f"confirm.seeds: {min(both)} is one of the seeds that chose; take others"
            )
        left = self.trials
        for place, rung in enumerate(self.rungs):
            if place == len(self.rungs) - 1:
                if rung.keep is not None:
                    raise RoadshiftError(
                        f"rungs.{place}.keep: no rung follows; leave it out, since confirm.best "
                        "says how many are confirmed"
                    )
            elif rung.keep is None or rung.keep > left:
                raise RoadshiftError(
                    f"rungs.{place}.keep: expected how many of the {left} candidates go on, not "
                    f"{rung.keep}"
                )
            left = rung.keep or left
        if self.confirm.best > left:
            raise RoadshiftError(
                f"confirm.best is {self.confirm.best}, but the last rung has {left} candidates"
            )
        return self


@dataclass(frozen=True)
class Search:
    """A search that has passed all checks.

    Attributes:
        name: stem of the search's file.
        file: the file.
        settings: content of the file.
        shared: overrides of all trainings, included ones first.
        params: parameters of the base at the last rung.
        space: by key, the distribution of its values.
    """

    name: str
    file: Path
    settings: SearchSettings
    shared: tuple[str, ...]
    params: Params
    space: Mapping[str, BaseDistribution]

    def overrides(
        self, values: Mapping[str, Value], rung: int, seed: int | None
    ) -> tuple[str, ...]:
        """The overrides of a training, in the order in which they apply.

        Args:
            values: the candidate's values; empty for the base.
            rung: index of the rung.
            seed: seed of the training; None for the parameters' own.
        """
        seeding = () if seed is None else (f"seed={seed}",)
        chosen = (f"{key}={shown_value(value)}" for key, value in values.items())
        return (*self.shared, *chosen, *self.settings.rungs[rung].overrides, *seeding)

    @property
    def on_held_out(self) -> bool:
        """True for `score: held_out`, False for `score: val`."""
        return self.settings.score == "held_out"

    @property
    def base(self) -> Mapping[str, Value] | None:
        """The base's values of the space; None if the space leaves one of them out."""
        values = {key: value_of(self.params, key) for key in self.space}
        try:
            create_trial(value=0.0, params=values, distributions=dict(self.space))
        except ValueError:
            return None
        return values

    @property
    def column(self) -> str:
        """Name of the score that chooses, as tables have it."""
        return HELD_OUT if self.on_held_out else VAL

    def scored(self, mix: str) -> list[str]:
        """The sources that a mix is scored on."""
        used = self.params.mixes[mix]
        return [
            role
            for role in self.params.domains
            if role != TARGET and (role not in used) == self.on_held_out
        ]


def rounded(value: Value, distribution: BaseDistribution) -> Value:
    """Rounds a number as an override is written, within its range."""
    if not isinstance(distribution, FloatDistribution) or isinstance(value, (bool, str)):
        return value
    if distribution.step is not None:
        return round(value, 10)
    return min(max(float(f"{value:.{DIGITS}g}"), distribution.low), distribution.high)


def load_search(file: Path, params: Path = PARAMS) -> Search:
    """Reads a search's file, and checks it as far as is possible before the first run.

    Args:
        file: YAML file; its stem names the search.
        params: file of the parameters that the overrides change.

    Raises:
        RoadshiftError: the file is missing, is not YAML, or does not fit the schema; the space has
            an unknown key, or a value that the schema of the parameters refuses; a mix leaves no
            source out; a training would see the target.
    """
    try:
        settings = SearchSettings.model_validate(load_yaml(file.read_bytes()))
        shared = (*included(file, settings.include), *settings.overrides)
        _check_keys(settings)
        rungs = [
            _checked(f"rungs.{place}", params, (*shared, *rung.overrides))
            for place, rung in enumerate(settings.rungs)
        ]
        _check_images(settings, rungs)
        _check_seeds(settings, rungs)
        space = {key: _distribution(key, settings, shared, params, rungs) for key in settings.space}
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing; name the file of a search") from None
    except ValidationError as error:
        raise RoadshiftError(f"{file}: {format_validation_error(error, SearchSettings)}") from None
    except RoadshiftError as error:
        raise RoadshiftError(f"{file}: {error}") from None
    return Search(file.stem, file, settings, shared, rungs[-1], space)


def _checked(place: str, params: Path, overrides: Sequence[str]) -> Params:
    try:
        return overridden(params, overrides)
    except RoadshiftError as error:
        raise RoadshiftError(f"{place}: {error}") from None


def _check_keys(settings: SearchSettings) -> None:
    for key in settings.space:
        if key == "seed" or _below(key, OF_THE_IMAGES):
            raise RoadshiftError(
                f"space.{key}: candidates are compared on the same images, and seeds choose "
                "nothing; leave it out"
            )
        if _below(key, OF_THE_TARGET):
            raise RoadshiftError(f"space.{key}: a search never reads the target; leave it out")
    for place, rung in enumerate(settings.rungs):
        for override in rung.overrides:
            key = override.partition("=")[0].lstrip("+~")
            if key == "seed" or key in settings.space:
                where = "'seeds'" if key == "seed" else "'space'"
                raise RoadshiftError(
                    f"rungs.{place}.overrides: {key} is that of {where}; leave it out"
                )


def _below(key: str, places: Sequence[str]) -> bool:
    return any(key == place or key.startswith(f"{place}.") for place in places)


def _check_images(settings: SearchSettings, rungs: Sequence[Params]) -> None:
    for place, params in enumerate(rungs):
        for mix in settings.mixes:
            if mix not in params.mixes:
                raise RoadshiftError(f"mixes: '{mix}' is no mix{suggestion(mix, params.mixes)}")
            all_sources = {*params.domains} - {TARGET} <= {*params.mixes[mix]}
            if settings.score == "held_out" and all_sources:
                raise RoadshiftError(
                    f"mixes: '{mix}' has all sources, so none is held out to choose by; name mixes "
                    "that each leave a source out, or choose by val images of its own with "
                    "'score: val'"
                )
        if params.adapt.labelled.samples or params.adapt.self_training.weight:
            raise RoadshiftError(
                "adapt.labelled.samples, adapt.self_training.weight: a search never reads the "
                "target; set both to 0"
            )
        for key in OF_THE_IMAGES:
            if value_of(params, key) != value_of(rungs[0], key):
                raise RoadshiftError(
                    f"rungs.{place}.overrides: change {key}; candidates are compared on the same "
                    "images, so state it in 'overrides' for all rungs"
                )


def _check_seeds(settings: SearchSettings, rungs: Sequence[Params]) -> None:
    """Checks that no confirming seed is the parameters' own, where a rung trains by that."""
    # `seeds` are those of the last rung alone, and are checked with the file.
    for place, params in enumerate(rungs[:-1] if settings.seeds else rungs):
        if params.seed in settings.confirm.seeds:
            raise RoadshiftError(
                f"confirm.seeds: {params.seed} is the parameters' own seed, by which rungs.{place} "
                "chooses; take others"
            )


def _distribution(
    key: str,
    settings: SearchSettings,
    shared: Sequence[str],
    params: Path,
    rungs: Sequence[Params],
) -> BaseDistribution:
    asked, place = settings.space[key], f"space.{key}"
    for end in asked.ends:
        for rung in settings.rungs:
            _checked(place, params, (*shared, f"{key}={shown_value(end)}", *rung.overrides))
    # Only now it is known that there is such a key.
    present = value_of(rungs[-1], key)
    if not isinstance(present, (bool, int, float, str)):
        raise RoadshiftError(f"{place}: no single value; name a parameter that is one")
    if asked.choices is not None:
        return CategoricalDistribution(asked.choices)
    if asked.low is None or asked.high is None or isinstance(present, (bool, str)):
        raise RoadshiftError(f"{place}: no number, so it has no low and high; give choices")
    if isinstance(present, float):
        step = None if asked.step is None else float(asked.step)
        return FloatDistribution(float(asked.low), float(asked.high), log=asked.log, step=step)
    step = asked.step or 1
    if any(isinstance(value, float) for value in (asked.low, asked.high, step)):
        raise RoadshiftError(f"{place}: takes whole numbers; give low, high and step as such")
    return IntDistribution(int(asked.low), int(asked.high), log=asked.log, step=int(step))
