"""The file of an ablation: which variants to run, and with which parameters each."""

import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from roadshift.errors import RoadshiftError
from roadshift.settings import Settings, explain, load_yaml, nearest
from stages.params import PARAMS, Name, Params, load_params

METHODS = {"adabn": "adapt.adabn", "tent": "adapt.tent_steps"}
Question = Annotated[str, Field(min_length=1, pattern=r"^[^|\n]*$")]


class VariantSettings(Settings):
    """One choice of parameters, and the question it answers."""

    name: Name
    question: Question
    extends: Name | None = None
    """An earlier variant whose overrides come before these."""
    overrides: list[str] = Field(default_factory=list)
    """As after `dvc exp run -S`."""
    scored: Literal["plain", "adabn", "tent"] = "plain"
    """By which of the results that stand beside each other; the others need `adapt`'s own key."""
    seeds: list[Annotated[int, Field(ge=0, lt=2**31)]] | None = Field(default=None, min_length=1)
    """One run each; without, one run with the parameters' own."""


class AblationSettings(Settings):
    """A list of variants, one of which the others are held against."""

    question: Question
    mix: Name
    base: Name
    oracle: Name | None = None
    """The variant that is trained on the target's own labels; the base's gap ends at it."""
    include: str | None = None
    """A file beside this one that lists overrides as `-S key=value`; they come first."""
    overrides: list[str] = Field(default_factory=list)
    variants: list[VariantSettings] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_known(self) -> "AblationSettings":
        earlier: list[str] = []
        for variant in self.variants:
            if variant.name in earlier:
                raise RoadshiftError(f"variants: '{variant.name}' comes twice; rename one")
            if variant.extends is not None and variant.extends not in earlier:
                raise RoadshiftError(
                    f"variant '{variant.name}': extends '{variant.extends}', which is no earlier "
                    f"variant{nearest(variant.extends, earlier)}"
                )
            if variant.seeds is not None and len({*variant.seeds}) < len(variant.seeds):
                raise RoadshiftError(f"variant '{variant.name}': a seed comes twice")
            earlier.append(variant.name)
        for role, name in (("base", self.base), ("oracle", self.oracle)):
            if name is not None and name not in earlier:
                raise RoadshiftError(f"{role}: '{name}' is no variant{nearest(name, earlier)}")
        return self


@dataclass(frozen=True)
class Run:
    """One training: a variant with one seed."""

    name: str
    variant: VariantSettings
    overrides: tuple[str, ...]
    params: Params
    """With the overrides."""


@dataclass(frozen=True)
class Ablation:
    """An ablation that was found to be runnable."""

    name: str
    settings: AblationSettings
    runs: tuple[Run, ...]
    """The base's first, since all others are compared with them."""


def load_ablation(file: Path, params: Path = PARAMS) -> Ablation:
    """Reads an ablation's file and checks all that can be known before the first run.

    Args:
        file: YAML; its stem names the ablation.
        params: the parameters that the overrides change.

    Raises:
        RoadshiftError: it is missing, not YAML, does not fit the schema; an override names an
            unknown key or gives a value that the parameters' schema refuses; variants would be
            scored on different pictures.
    """
    try:
        settings = AblationSettings.model_validate(load_yaml(file.read_bytes()))
        shared = [*_included(file, settings.include), *settings.overrides]
        runs = _runs(settings, shared, params)
        _check_comparable(settings, runs)
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing; name the file of an ablation") from None
    except ValidationError as error:
        raise RoadshiftError(f"{file}: {explain(error, AblationSettings)}") from None
    except RoadshiftError as error:
        raise RoadshiftError(f"{file}: {error}") from None
    return Ablation(file.stem, settings, tuple(runs))


def only(ablation: Ablation, names: Sequence[str]) -> Ablation:
    """An ablation of the base and some further variants.

    Raises:
        RoadshiftError: there is no variant of a name.
    """
    known = [variant.name for variant in ablation.settings.variants]
    for name in names:
        if name not in known:
            raise RoadshiftError(f"'{name}' is no variant of {ablation.name}{nearest(name, known)}")
    wanted = {ablation.settings.base, *names}
    runs = tuple(run for run in ablation.runs if run.variant.name in wanted)
    return replace(ablation, runs=runs)


def _included(file: Path, name: str | None) -> list[str]:
    if name is None:
        return []
    place = file.parent / name
    if not place.is_file():
        raise RoadshiftError(f"include: {place} is missing")
    words = shlex.split(place.read_text("utf-8"), comments=True)
    flags, overrides = words[::2], words[1::2]
    if len(words) % 2 or any(flag != "-S" for flag in flags):
        raise RoadshiftError(f"include: {place} holds something else than '-S key=value'")
    return overrides


def _runs(settings: AblationSettings, shared: Sequence[str], params: Path) -> list[Run]:
    own: dict[str, list[str]] = {}
    runs = []
    for variant in settings.variants:
        inherited = own[variant.extends] if variant.extends else []
        own[variant.name] = [*inherited, *variant.overrides]
        named = {f"{variant.name}-s{seed}": [f"seed={seed}"] for seed in variant.seeds or []}
        for name, seeding in (named or {variant.name: []}).items():
            overrides = (*shared, *own[variant.name], *seeding)
            try:
                runs.append(Run(name, variant, overrides, overridden(params, overrides)))
            except RoadshiftError as error:
                raise RoadshiftError(f"variant '{variant.name}': {error}") from None
    return sorted(runs, key=lambda run: run.variant.name != settings.base)


def overridden(params: Path, overrides: Sequence[str]) -> Params:
    """The parameters with overrides, which `-S` of `dvc exp run` would understand alike.

    Raises:
        RoadshiftError: an override names an unknown key or cannot be read, or the outcome does
            not fit the schema.
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
    # They take a second to import, which a mistyped file's name should not cost.
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
    for part in key.split("."):
        if not isinstance(content, Mapping) or part not in content:
            known = content if isinstance(content, Mapping) else []
            raise RoadshiftError(f"{key}: unknown key{nearest(part, known) if known else ''}")
        content = content[part]


def _check_comparable(settings: AblationSettings, runs: Sequence[Run]) -> None:
    first = runs[0]
    for run in runs:
        if settings.mix not in run.params.mixes:
            raise RoadshiftError(
                f"mix: '{settings.mix}' is no mix{nearest(settings.mix, run.params.mixes)}"
            )
        for method, key in METHODS.items():
            if run.variant.scored == method and not _value(run.params, key):
                raise RoadshiftError(
                    f"variant '{run.variant.name}': scored by {method}, but {key} is off"
                )
        for key in ("domains", "data.taxonomy", "data.split"):
            ours, theirs = (_value(r.params, key) for r in (run, first))
            if ours != theirs:
                raise RoadshiftError(
                    f"variant '{run.variant.name}': {key} is {ours}, the base's is {theirs}; "
                    "variants are compared on the same pictures, so state it for all of them"
                )


def _value(params: Params, key: str) -> Any:
    value: Any = params
    for part in key.split("."):
        value = getattr(value, part)
    return value
