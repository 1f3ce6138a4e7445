"""The result of a recipe over its seeds, and the JSON file that holds it.

`roadshift.scoring.recipe_tables` writes it for people.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from roadshift.json_file import JsonFile
from roadshift.scoring.bootstrap import bootstrap_miou
from roadshift.scoring.metrics import class_iou, mean_iou
from roadshift.scoring.more_sources import MoreSources, more_sources
from roadshift.scoring.numbers import percent, percent_interval
from roadshift.scoring.recipes import (
    Recipe,
    ScoredRun,
    check_comparable,
    rounded,
    scored_classes,
)
from roadshift.scoring.results import DomainScores, ImageMatrices, Method
from roadshift.scoring.settings import EvaluateSettings
from roadshift.settings import Settings

NO_GROUP = "no group"
"""Name of the images without a group in a set that has groups."""
Groups = Mapping[str, Mapping[str, str] | None]
"""By domain, the group of each image by its id, '' for an image without one; None if not known."""


class OverSeeds(Settings):
    """A score of each seed, 0..1; None where no pixel is labelled.

    Attributes:
        by_seed: score of each seed, in the order of the runs.
        spread: standard deviation over the seeds, that of a sample (n - 1); None for one seed.
    """

    by_seed: list[float | None]
    spread: float | None

    def _text(self, mean: float | None) -> str:
        """Returns the mean and the spread in percent; a dash without a mean."""
        spread = "" if self.spread is None else f" ± {percent(self.spread)}"
        return f"{percent(mean)}{spread}"


class SeedScores(OverSeeds):
    """The mIoU of a recipe on some images.

    Attributes:
        images: number of images.
        miou: mean over the seeds.
    """

    images: int
    miou: float | None

    @property
    def text(self) -> str:
        """The mean and the spread in percent, such as '62.1 ± 0.6'; a dash without a mean."""
        return self._text(self.miou)


class ClassScores(OverSeeds):
    """The IoU of a recipe for a class.

    Attributes:
        pixels: number of pixels that are labelled as the class.
        iou: mean over the seeds.
    """

    pixels: int
    iou: float | None

    @property
    def text(self) -> str:
        """The mean and the spread in percent, such as '62.1 ± 0.6'; a dash without a mean."""
        return self._text(self.iou)


class DomainResult(SeedScores):
    """The mIoU of a recipe on a domain.

    Attributes:
        data_set: name of the data set that plays the domain's role.
        joined: names of the joined classes.
        miou_low: lower end of the interval of the mean over seeds and images; None without one.
        miou_high: upper end of that interval.
        classes: by class, its IoU; classes that the labels do not tell apart are one, under their
            joined name. None in a file of an earlier version.
        groups: by group (drive, city, run of neighbouring images), the mIoU on its images; empty if
            the set has no groups, None if they are not known.
        adapted: by method of test-time adaptation, the same of the adapted networks.
    """

    data_set: str
    joined: list[str] = Field(default_factory=list)
    miou_low: float | None
    miou_high: float | None
    classes: dict[str, ClassScores] | None = None
    groups: dict[str, SeedScores] | None = None
    adapted: dict[Method, "DomainResult"] = Field(default_factory=dict)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the interval; None where there is none."""
        if self.miou_low is None or self.miou_high is None:
            return None
        return self.miou_low, self.miou_high

    @property
    def cell(self) -> str:
        """The cell of a table, in percent, such as '62.1 ± 0.6 (59.9 to 64.1)'."""
        interval = percent_interval(self.interval)
        return f"{self.text} ({interval})" if interval else self.text


class SeedRun(Settings):
    """A run of a recipe.

    Attributes:
        name: name of the run, such as that of its experiment.
        seed: seed of the training; None where it is not known.
    """

    name: str
    seed: int | None


class MixResult(Settings):
    """The result of a recipe's networks of one mix.

    Attributes:
        runs: the runs, in the order of their seeds.
        target_images: number of images of the target that training was given, by their use.
        domains: by role, in the order of params.yaml.
    """

    runs: list[SeedRun]
    target_images: dict[str, int] = Field(default_factory=dict)
    domains: dict[str, DomainResult]


class Provenance(Settings):
    """Where a result comes from.

    Attributes:
        recipe: file of the recipe's overrides.
        chosen_by: what the head of that file says, such as what chose the recipe.
        overrides: overrides of params.yaml, without the seed.
        seeds: seeds of the trainings.
        params_sha256: digest of all parameters but the seed, with the overrides applied.
        revision: commit of the code that ran.
        date: day on which the last of the runs was kept, such as '2026-01-31'.
    """

    recipe: str
    chosen_by: str
    overrides: list[str]
    seeds: list[int]
    params_sha256: str
    revision: str
    date: str


class RecipeResult(JsonFile):
    """The result of a recipe over its seeds.

    Attributes:
        confidence_level: level of the intervals, 0..1.
        bootstrap_samples: number of resamples behind each interval.
        provenance: where the result comes from; None for runs that were named one by one.
        mixes: the result by mix, a row of the table each.
        more_sources: what more sources give. None in a file of an earlier version.
    """

    content: ClassVar[str] = "the result of a recipe"
    again: ClassVar[str] = "run the recipe over its seeds"

    confidence_level: float
    bootstrap_samples: int
    provenance: Provenance | None = None
    mixes: dict[str, MixResult]
    more_sources: list[MoreSources] | None = None


def recipe_result(
    recipes: Mapping[str, Recipe],
    *,
    settings: EvaluateSettings,
    seed: int = 0,
    groups: Groups | None = None,
    provenance: Provenance | None = None,
) -> RecipeResult:
    """Joins the runs of a recipe to its result.

    Args:
        recipes: by mix, the recipe with its runs.
        settings: number of resamples and level of the intervals.
        seed: seed of the bootstrap.
        groups: by domain, the group of each image; default not known.
        provenance: where the result comes from.

    Raises:
        RoadshiftError: runs were not scored on the same images with the same classes.
    """
    mixes = {}
    for mix, recipe in recipes.items():
        domains = {
            domain: _domain_result(
                recipe.runs, domain, settings=settings, seed=seed, groups=(groups or {}).get(domain)
            )
            for domain in check_comparable([recipe])
        }
        mixes[mix] = MixResult(
            runs=[SeedRun(name=run.name, seed=run.seed) for run in recipe.runs],
            target_images=dict(recipe.runs[0].scores.target_images),
            domains=domains,
        )
    return RecipeResult(
        confidence_level=settings.confidence_level,
        bootstrap_samples=settings.bootstrap_samples,
        provenance=provenance,
        mixes=mixes,
        more_sources=more_sources(recipes, settings=settings, seed=seed),
    )


def _domain_result(
    runs: Sequence[ScoredRun],
    domain: str,
    *,
    settings: EvaluateSettings,
    seed: int,
    groups: Mapping[str, str] | None,
) -> DomainResult:
    scores = runs[0].scores.domains[domain]

    def result(
        matrices: Sequence[ImageMatrices], adapted: dict[Method, DomainResult]
    ) -> DomainResult:
        by_seed = [found.sorted() for found in matrices]
        stacked = np.stack([found.matrices for found in by_seed])
        interval = bootstrap_miou(
            stacked,
            samples=settings.bootstrap_samples,
            seed=seed,
            level=settings.confidence_level,
        )
        low, high = interval or (None, None)
        return DomainResult(
            **dict(_seed_scores(stacked)),
            data_set=scores.data_set,
            joined=list(scores.joined),
            miou_low=rounded(low),
            miou_high=rounded(high),
            classes=_by_class(stacked.sum(axis=1), scores),
            groups=_by_group(by_seed[0].ids, stacked, groups),
            adapted=adapted,
        )

    methods = [
        method
        for method in scores.adapted
        if all(domain in run.matrices.adapted.get(method, {}) for run in runs)
    ]
    adapted = {m: result([run.matrices.adapted[m][domain] for run in runs], {}) for m in methods}
    return result([run.matrices.domains[domain] for run in runs], adapted)


def _by_group(
    ids: Sequence[str], matrices: np.ndarray, groups: Mapping[str, str] | None
) -> dict[str, SeedScores] | None:
    # A table of another split than the scores' does not say the groups of their images.
    if groups is None or not {*ids} <= groups.keys():
        return None
    of_image = [groups[name] for name in ids]
    if not any(of_image):
        return {}
    return {
        group or NO_GROUP: _seed_scores(matrices[:, [other == group for other in of_image]])
        for group in sorted({*of_image})
    }


def _by_class(matrices: np.ndarray, scores: DomainScores) -> dict[str, ClassScores]:
    """Returns the scores of each class from matrices, int64 (runs, classes, classes)."""
    ious, pixels = class_iou(matrices), matrices[0].sum(axis=-1)
    found = {}
    for class_id, name in scored_classes(scores).items():
        by_seed = [None if np.isnan(iou) else float(iou) for iou in ious[:, class_id]]
        mean, spread = _mean_and_spread(by_seed)
        found[name] = ClassScores(
            pixels=int(pixels[class_id]),
            iou=mean,
            by_seed=[rounded(iou) for iou in by_seed],
            spread=spread,
        )
    return found


def _seed_scores(matrices: np.ndarray) -> SeedScores:
    """Returns the scores of matrices, int64 (runs, images, classes, classes)."""
    by_seed = [mean_iou(run.sum(axis=0)) for run in matrices]
    mean, spread = _mean_and_spread(by_seed)
    return SeedScores(
        images=matrices.shape[1],
        miou=mean,
        by_seed=[rounded(miou) for miou in by_seed],
        spread=spread,
    )


def _mean_and_spread(by_seed: Sequence[float | None]) -> tuple[float | None, float | None]:
    known = [value for value in by_seed if value is not None]
    return (
        rounded(np.mean(known)) if known else None,
        rounded(np.std(known, ddof=1)) if len(known) > 1 else None,
    )
