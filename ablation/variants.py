"""The file of an ablation: the variants to run, and their parameters."""

import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from roadshift.errors import RoadshiftError
from roadshift.scoring.verdicts import SEEDS_FOR_A_VERDICT
from roadshift.settings import Settings, format_validation_error, load_yaml, suggestion
from stages.params import PARAMS, RENAMED, Name, Params, load_params

METHODS = {"adabn": "adapt.adabn", "tent": "adapt.tent_steps"}
"""The parameter that switches each test-time adaptation on."""
Seeds = list[Annotated[int, Field(ge=0, lt=2**31)]]
Question = Annotated[str, Field(min_length=1, pattern=r"^[^|\n]*$")]


class VariantSettings(Settings):
    """One choice of parameters, and the question it answers.

    Attributes:
        name: name of the variant.
        question: question that the variant answers, one line.
        extends: name of an earlier variant whose overrides come before these.
        overrides: overrides of params.yaml, as after `dvc exp run -S`.
        scored: scores to compare: plain ones, or those of a test-time adaptation, which `METHODS`
            must have switched on.
        seeds: seeds, one run each; None for those of the file, or for one run with the seed of the
            parameters where the file has none.
    """

    name: Name
    question: Question
    extends: Name | None = None
    overrides: list[str] = Field(default_factory=list)
    scored: Literal["plain", "adabn", "tent"] = "plain"
    seeds: Seeds | None = Field(default=None, min_length=1)


class RaceSettings(Settings):
    """A race: a variant runs no further seed once its verdict is decided, or cannot be any more.

    Attributes:
        error: largest probability that any variant of the file is called better or worse by chance.
    """

    error: float = Field(default=0.05, gt=0, lt=0.5)


class AblationSettings(Settings):
    """A list of variants, one of which is the baseline.

    Attributes:
        question: question that the ablation answers, one line.
        mix: the mix that every run trains and scores, where it is one.
        mixes: the mixes that every run trains and scores, where there are several.
        base: name of the baseline.
        oracle: name of the variant that is trained on the target's own labels; the share of the
            gap that a variant closes is measured from the baseline to it.
        include: name of a file beside this one that lists overrides as `-S key=value`; they come
            before all others.
        overrides: overrides of all variants, which come before a variant's own.
        seeds: seeds of all variants that list none of their own.
        race: settings of a race over `seeds`; None to run all seeds.
        variants: the variants in the order of the table.
    """

    question: Question
    mix: Name | None = None
    mixes: list[Name] | None = Field(default=None, min_length=1)
    base: Name
    oracle: Name | None = None
    include: str | None = None
    overrides: list[str] = Field(default_factory=list)
    seeds: Seeds | None = Field(default=None, min_length=1)
    race: RaceSettings | None = None
    variants: list[VariantSettings] = Field(min_length=1)

    @property
    def all_mixes(self) -> tuple[str, ...]:
        """The mixes that every run trains and scores, at least one."""
        return tuple(self.mixes or [self.mix or ""])

    def seeds_of(self, variant: VariantSettings) -> list[int] | None:
        """Returns the seeds of a variant; None where it runs once with the parameters' own."""
        return self.seeds if variant.seeds is None else variant.seeds

    @model_validator(mode="before")
    @classmethod
    def _race_without_settings(cls, content: Any) -> Any:
        """Takes `race:` with nothing behind it for a race as it is by default."""
        if isinstance(content, dict) and "race" in content and content["race"] is None:
            return {**content, "race": {}}
        return content

    @model_validator(mode="after")
    def _runs_are_possible(self) -> "AblationSettings":
        if (self.mix is None) == (self.mixes is None):
            raise RoadshiftError("mix, mixes: give one of the two, a mix or a list of mixes")
        listed: dict[str, Sequence[object]] = {"mixes": self.mixes or [], "seeds": self.seeds or []}
        for key, values in listed.items():
            if twice := [value for value in values if values.count(value) > 1]:
                raise RoadshiftError(f"{key}: {twice[0]} comes twice; leave one out")
        if self.oracle is not None and len(self.all_mixes) > 1:
            raise RoadshiftError(
                "oracle: the gap that a variant closes is that of one network; give a mix instead "
                "of mixes, or leave the oracle out"
            )
        if self.race is not None:
            if len(self.seeds or []) < SEEDS_FOR_A_VERDICT:
                raise RoadshiftError(
                    f"race: a variant is looked at after {SEEDS_FOR_A_VERDICT} seeds and after "
                    f"each further one; give at least {SEEDS_FOR_A_VERDICT} seeds, as in "
                    "seeds: [0, 1, 2, 3, 4, 5]"
                )
            for variant in self.variants:
                if variant.seeds is not None:
                    raise RoadshiftError(
                        f"variant '{variant.name}': has seeds of its own, but in a race all "
                        "variants run the file's; leave them out"
                    )
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> "AblationSettings":
        earlier: list[str] = []
        for variant in self.variants:
            if variant.name in earlier:
                raise RoadshiftError(f"variants: '{variant.name}' comes twice; rename one")
            if variant.extends is not None and variant.extends not in earlier:
                raise RoadshiftError(
                    f"variant '{variant.name}': extends '{variant.extends}', which is no earlier "
                    f"variant{suggestion(variant.extends, earlier)}"
                )
            if variant.seeds is not None and len({*variant.seeds}) < len(variant.seeds):
                raise RoadshiftError(f"variant '{variant.name}': a seed comes twice")
            earlier.append(variant.name)
        for role, name in (("base", self.base), ("oracle", self.oracle)):
            if name is not None and name not in earlier:
                raise RoadshiftError(f"{role}: '{name}' is no variant{suggestion(name, earlier)}")
        return self


@dataclass(frozen=True)
class Run:
    """One training: a variant with one seed.

    Attributes:
        name: name of the variant, and the seed if the variant lists seeds.
        variant: settings of the variant.
        overrides: all overrides, in the order in which they apply.
        params: the parameters, with the overrides applied.
    """

    name: str
    variant: VariantSettings
    overrides: tuple[str, ...]
    params: Params


@dataclass(frozen=True)
class Ablation:
    """An ablation that has passed all checks.

    Attributes:
        name: stem of the ablation's file.
        settings: content of the file.
        runs: the runs, those of the baseline first, since all others are compared with them.
    """

    name: str
    settings: AblationSettings
    runs: tuple[Run, ...]


def load_ablation(file: Path, params: Path = PARAMS) -> Ablation:
    """Reads an ablation's file, and checks it as far as is possible before the first run.

    Args:
        file: YAML file; its stem names the ablation.
        params: file of the parameters that the overrides change.

    Raises:
        RoadshiftError: the file is missing, is not YAML, or does not fit the schema; an override
            names an unknown key or gives a value that the parameters' schema refuses; variants
            would be scored on different images.
    """
    try:
        settings = AblationSettings.model_validate(load_yaml(file.read_bytes()))
        shared = [*included(file, settings.include), *settings.overrides]
        runs = _runs(settings, shared, params)
        _check_comparable(settings, runs)
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing; name the file of an ablation") from None
    except ValidationError as error:
        raise RoadshiftError(
            f"{file}: {format_validation_error(error, AblationSettings)}"
        ) from None
    except RoadshiftError as error:
        raise RoadshiftError(f"{file}: {error}") from None
    return Ablation(file.stem, settings, tuple(runs))


def only(ablation: Ablation, names: Sequence[str]) -> Ablation:
    """Reduces an ablation to its baseline and the named variants.

    Raises:
        RoadshiftError: no variant has one of the names.
    """
    variants = [variant.name for variant in ablation.settings.variants]
    for name in names:
        if name not in variants:
            raise RoadshiftError(
                f"'{name}' is no variant of {ablation.name}{suggestion(name, variants)}"
            )
    chosen = {ablation.settings.base, *names}
    runs = tuple(run for run in ablation.runs if run.variant.name in chosen)
    return replace(ablation, runs=runs)


def included(file: Path, name: str | None) -> list[str]:
    """The overrides of a file that lies beside a list of variants or a search; none without a name.

    Raises:
        RoadshiftError: the file is missing, or holds anything but '-S key=value'.
    """
    if name is None:
        return []
    try:
        return read_overrides(file.parent / name)
    except RoadshiftError as error:
        raise RoadshiftError(f"include: {error}") from None


def read_overrides(file: Path) -> list[str]:
    """Reads a file of overrides, such as experiments/streets.txt.

    Raises:
        RoadshiftError: the file is missing, or has other words than '-S key=value' and comments.
    """
    try:
        words = shlex.split(file.read_text("utf-8"), comments=True)
    except (FileNotFoundError, IsADirectoryError):
        raise RoadshiftError(f"{file} is missing") from None
    except ValueError as error:
        raise RoadshiftError(f"{file}: not text in UTF-8 with closed quotes ({error})") from None
    flags, overrides = words[::2], words[1::2]
    if len(words) % 2 or any(flag != "-S" for flag in flags):
        raise RoadshiftError(f"{file}: expected only '-S key=value'; remove the rest")
    return overrides


def _runs(settings: AblationSettings, shared: Sequence[str], params: Path) -> list[Run]:
    own: dict[str, list[str]] = {}
    runs = []
    for variant in settings.variants:
        inherited = own[variant.extends] if variant.extends else []
        own[variant.name] = [*inherited, *variant.overrides]
        seeds = settings.seeds_of(variant) or []
        named = {f"{variant.name}-s{seed}": [f"seed={seed}"] for seed in seeds}
        for name, seeding in (named or {variant.name: []}).items():
            overrides = (*shared, *own[variant.name], *seeding)
            try:
                runs.append(Run(name, variant, overrides, overridden(params, overrides)))
            except RoadshiftError as error:
                raise RoadshiftError(f"variant '{variant.name}': {error}") from None
    return sorted(runs, key=lambda run: run.variant.name != settings.base)


def overridden(params: Path, overrides: Sequence[str]) -> Params:
    """Reads the parameters with overrides applied, as `dvc exp run -S` applies them.

    Raises:
        RoadshiftError: an override names an unknown key or cannot be read, or the changed
            parameters do not fit the schema.
    """
    with tempfile.TemporaryDirectory() as folder:
        changed = Path(folder) / PARAMS.name
        changed.write_text(params.read_text("utf-8"), "utf-8")
        override(changed, overrides)
        try:
            return load_params(changed)
        except RoadshiftError as error:
            raise RoadshiftError(str(error).removeprefix(f"{changed}: ")) from None


def override(params: Path, overrides: Sequence[str]) -> None:
    """Changes a file of parameters in place, in DVC's own way.

    Raises:
        RoadshiftError: an override names an unknown key or cannot be read.
    """
    # These imports take a second; a mistyped file name should fail before them.
    from dvc.exceptions import InvalidArgumentError
    from dvc.utils.hydra import apply_overrides, to_hydra_overrides
    from hydra.errors import HydraException

    content = yaml.safe_load(params.read_text("utf-8"))
    for text in overrides:
        _check_key(text.partition("=")[0], content)
    try:
        if sweeps := [o.input_line for o in to_hydra_overrides(overrides) if o.is_sweep_override()]:
            raise RoadshiftError(f"'{sweeps[0]}' names several values; make a variant of each")
        apply_overrides(params, list(overrides))
    except (InvalidArgumentError, HydraException) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise RoadshiftError(f"an override cannot be read as key=value: {reason}") from None


def _check_key(key: str, content: Any) -> None:
    if key.startswith(("+", "~")):
        return
    if key in RENAMED:
        raise RoadshiftError(f"{key}: renamed to {RENAMED[key]}")
    for part in key.split("."):
        if not isinstance(content, Mapping) or part not in content:
            keys = content if isinstance(content, Mapping) else []
            raise RoadshiftError(f"{key}: unknown key{suggestion(part, keys) if keys else ''}")
        content = content[part]


def _check_comparable(settings: AblationSettings, runs: Sequence[Run]) -> None:
    first = runs[0]
    for run in runs:
        for mix in settings.all_mixes:
            if mix not in run.params.mixes:
                key = "mix" if settings.mix else "mixes"
                raise RoadshiftError(f"{key}: '{mix}' is no mix{suggestion(mix, run.params.mixes)}")
            ours, theirs = ({*each.params.mixes[mix]} for each in (run, first))
            if ours != theirs:
                raise RoadshiftError(
                    f"variant '{run.variant.name}': the sources of mix {mix} are "
                    f"{', '.join(sorted(ours))}, the base's {', '.join(sorted(theirs))}; variants "
                    "are compared on the same sources, so state them for all of them"
                )
        for method, key in METHODS.items():
            if run.variant.scored == method and not value_of(run.params, key):
                raise RoadshiftError(
                    f"variant '{run.variant.name}': scored by {method}, but {key} is off"
                )
        for key in ("domains", "data.taxonomy", "data.split"):
            own, base = (value_of(r.params, key) for r in (run, first))
            if own != base:
                raise RoadshiftError(
                    f"variant '{run.variant.name}': {key} is {own}, the base's is {base}; "
                    "variants are compared on the same images, so state it for all of them"
                )


def value_of(params: Params, key: str) -> Any:
    """The value of a parameter, or of a section, by its dotted key."""
    value: Any = params
    for part in key.split("."):
        value = value[part] if isinstance(value, Mapping) else getattr(value, part)
    return value
