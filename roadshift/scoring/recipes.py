"""Runs of recipes by several seeds: which runs are one recipe, and how recipes differ.

A recipe is all that decides a run's scores but the seed: the parameters, the code and the data.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from roadshift.errors import RoadshiftError
from roadshift.scoring.metrics import mean_iou
from roadshift.scoring.results import DomainScores, MixMatrices, MixScores
from roadshift.taxonomy import split_joined

SEED = "seed"
"""The parameter that runs of one recipe differ in."""
_ROUNDING = 0.5001e-4
"""Largest difference between an mIoU and its value in the file of scores, which has 4 decimals."""
_MOST_NAMED = 4
_DECIMALS = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredRun:
    """The network of a mix in a run, and its scores.

    Attributes:
        name: name of the run, as the user gave it.
        params: parameters that the scores depend on, by dotted key; None where they are not known.
        inputs: by path, the digest of the code and the data that the scores depend on.
        scores: the metrics.
        matrices: the confusion matrices of the scored images.
    """

    name: str
    params: Mapping[str, Any] | None
    inputs: Mapping[str, str] = field(default_factory=dict)
    scores: MixScores
    matrices: MixMatrices

    @property
    def seed(self) -> int | None:
        """The seed of the training; None where it is not known."""
        return (self.params or {}).get(SEED)

    def same_recipe(self, other: "ScoredRun") -> bool:
        """Returns whether two runs differ in nothing but the seed, as far as is known."""
        if self.params is None or other.params is None:
            return False
        same = {**self.params, SEED: 0} == {**other.params, SEED: 0}
        return same and self.inputs == other.inputs

    def same_results(self, other: "ScoredRun") -> bool:
        """Returns whether every image was scored alike in two runs."""
        ours, theirs = self.matrices.domains, other.matrices.domains
        return ours.keys() == theirs.keys() and all(
            (a := found.sorted()).ids == (b := theirs[domain].sorted()).ids
            and np.array_equal(a.matrices, b.matrices)
            for domain, found in ours.items()
        )

    def check(self) -> None:
        """Checks that metrics and matrices are of one run.

        Raises:
            RoadshiftError: they are not.
        """
        for domain, score in self.scores.domains.items():
            found = self.matrices.domains.get(domain)
            miou = None if found is None else mean_iou(found.total)
            agree = found is not None and len(found.ids) == score.images
            if miou is None or score.miou is None:
                agree = agree and miou is score.miou
            else:
                agree = agree and abs(miou - score.miou) <= _ROUNDING
            if not agree:
                raise RoadshiftError(
                    f"{self.name}: mix '{self.scores.mix}' on {domain}: the metrics and the "
                    "confusion matrices are of two runs; run dvc repro, or dvc checkout"
                )


@dataclass(frozen=True)
class Recipe:
    """The runs of one recipe.

    Attributes:
        name: name of the run that was given first.
        runs: its runs by their seeds, at least one.
        changed: what differs from the first recipe, such as 'aug.brightness 0.4 → 0.3'; '' for the
            first recipe, or where nothing is known.
    """

    name: str
    runs: tuple[ScoredRun, ...]
    changed: str = ""

    @property
    def seeds(self) -> tuple[int | None, ...]:
        """The seed of each run; None where it is not known."""
        return tuple(run.seed for run in self.runs)

    @property
    def title(self) -> str:
        """The name, with what differs from the first recipe."""
        return f"{self.name} ({self.changed})" if self.changed else self.name


def group_runs(runs: Sequence[ScoredRun]) -> list[Recipe]:
    """Groups runs that differ in the seed alone, in the order of their first runs.

    A run that repeats another's recipe, seed and results is left out, since it is no second seed.

    Args:
        runs: runs of one mix.
    """
    groups: list[list[ScoredRun]] = []
    for run in runs:
        group = next((found for found in groups if found[0].same_recipe(run)), None)
        if group is None:
            groups.append([run])
        elif not any(other.seed == run.seed and other.same_results(run) for other in group):
            group.append(run)
    return [
        Recipe(
            name=group[0].name,
            runs=tuple(sorted(group, key=lambda run: run.seed or 0)),
            changed=_changed(groups[0][0], group[0]),
        )
        for group in groups
    ]


def leaves(params: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the parameters of a tree by their dotted keys."""
    for key, value in params.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{place}{key}.")
        else:
            yield f"{place}{key}", value


def scored_classes(scores: DomainScores) -> dict[int, str]:
    """Returns the names of the classes that a domain is scored on, by their ids.

    A joined class has the id of its first class, under which its pixels are counted.
    """
    names = list(scores.iou)
    scored = dict(enumerate(names))
    for parts in scores.joined:
        first, *others = sorted(names.index(name) for name in split_joined(parts))
        scored[first] = parts
        for other in others:
            del scored[other]
    return scored


def rounded(share: float | np.floating | None) -> float | None:
    """Rounds a share to the decimals that results over seeds are kept with; None stays None."""
    return None if share is None else round(float(share), _DECIMALS)


def check_comparable(recipes: Sequence[Recipe]) -> list[str]:
    """Checks that runs were scored on the same images with the same classes.

    Args:
        recipes: the recipes; the message names their runs.

    Returns:
        The domains that all were scored on, in the order of the first run.

    Raises:
        RoadshiftError: they were not; the message names what differs.
    """
    first, *others = [run for recipe in recipes for run in recipe.runs]
    domains = [
        domain
        for domain in first.matrices.domains
        if all(domain in run.matrices.domains for run in others)
    ]
    if not domains:
        raise RoadshiftError(f"{first.name} and {others[0].name} were scored on no common domain")
    for run, domain in product(others, domains):
        both = f"{first.name} and {run.name}"
        if run.scores.taxonomy != first.scores.taxonomy:
            raise RoadshiftError(
                f"{both} have different taxonomies, '{first.scores.taxonomy}' and "
                f"'{run.scores.taxonomy}'; set data.taxonomy alike, and run again"
            )
        ours, theirs = first.scores.domains[domain], run.scores.domains[domain]
        if ours.data_set != theirs.data_set:
            raise RoadshiftError(
                f"{both} were scored on different data sets: {domain} is '{ours.data_set}' and "
                f"'{theirs.data_set}'; set domains.{domain} alike, and run again"
            )
        if list(ours.iou) != list(theirs.iou):
            odd = sorted({*ours.iou} ^ {*theirs.iou}) or list(ours.iou)
            raise RoadshiftError(f"{both} differ in the classes of {domain}: {_named(odd)}")
        a = first.matrices.domains[domain].sorted()
        b = run.matrices.domains[domain].sorted()
        if a.ids != b.ids:
            odd = sorted({*a.ids} ^ {*b.ids})
            raise RoadshiftError(
                f"{both} were scored on different images of {domain}; in one of them only: "
                f"{_named(odd)}; set data.split alike, and run again"
            )
        differ = (a.matrices.sum(axis=-1) != b.matrices.sum(axis=-1)).any(axis=-1)
        if differ.any():
            odd = [name for name, other in zip(a.ids, differ, strict=True) if other]
            raise RoadshiftError(
                f"{both} were scored on different labels of {domain}: {_named(odd)}; score both "
                "on the same data"
            )
    return domains


def _changed(base: ScoredRun, other: ScoredRun) -> str:
    """Says in which parameters but the seed a run differs from another, else in which inputs."""
    if base.params is None or other.params is None:
        return ""
    keys = sorted({*base.params, *other.params} - {SEED})
    told = []
    for key in keys:
        before, after = (params.get(key, "none") for params in (base.params, other.params))
        if before != after:
            told.append(f"{key} {shown_value(before)} → {shown_value(after)}")
    if not told:
        paths = sorted({*base.inputs, *other.inputs})
        odd = [path for path in paths if base.inputs.get(path) != other.inputs.get(path)]
        told = [f"another {path}" for path in odd]
    return _named(told)


def shown_value(value: Any) -> str:
    """Returns a parameter's value as params.yaml has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _named(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
