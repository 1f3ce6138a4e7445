"""Comparison of recipes on one mix: every domain, its classes and its images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from roadshift.scoring.bootstrap import paired_bootstrap
from roadshift.scoring.comparison import Variant, VariantScore, compare_variants
from roadshift.scoring.estimate import Difference
from roadshift.scoring.metrics import class_iou, mean_iou
from roadshift.scoring.more_seeds import Outlook, outlook, sentence
from roadshift.scoring.recipes import Recipe, check_comparable, rounded, scored_classes
from roadshift.scoring.results import ImageMatrices
from roadshift.scoring.settings import EvaluateSettings


@dataclass(frozen=True)
class ClassChange:
    """The change of a class's IoU, 0..1, as means over the seeds.

    Attributes:
        name: name of the class, or names of the classes that are scored as one.
        base: IoU of the first recipe.
        other: IoU of the other recipe.
        difference: their difference, with an interval of its own, not of all classes together.
    """

    name: str
    base: float
    other: float
    difference: Difference


@dataclass(frozen=True)
class ImageChange:
    """The change of an image's mIoU, 0..1, as means over the seeds.

    Attributes:
        name: id of the image.
        base: mIoU of the first recipe.
        other: mIoU of the other recipe.
    """

    name: str
    base: float
    other: float

    @property
    def difference(self) -> float:
        """The other recipe's mIoU minus the first one's."""
        return self.other - self.base


@dataclass(frozen=True, kw_only=True)
class RecipeOnDomain:
    """A recipe on a domain, compared with the first recipe.

    Attributes:
        recipe: the recipe.
        score: its score.
        sentence: what the comparison shows; '' for the first recipe.
        outlook: what would tell the two apart; None for the first recipe.
        classes: changes of all classes of the ground truth, the largest first.
        images: changes of all labelled images, the largest first.
    """

    recipe: Recipe
    score: VariantScore
    sentence: str = ""
    outlook: Outlook | None = None
    classes: tuple[ClassChange, ...] = ()
    images: tuple[ImageChange, ...] = ()


@dataclass(frozen=True)
class DomainComparison:
    """Recipes on a domain, the first of them being what the others are compared with.

    Attributes:
        domain: the domain.
        data_set: name of its data set.
        images: number of scored images.
        rows: the recipes.
    """

    domain: str
    data_set: str
    images: int
    rows: tuple[RecipeOnDomain, ...]


@dataclass(frozen=True)
class MixComparison:
    """Recipes compared by the networks of one mix.

    Attributes:
        mix: the mix.
        level: confidence level of the intervals, 0..1.
        recipes: the recipes, the first of them being what the others are compared with.
        domains: the comparison on each domain.
    """

    mix: str
    level: float
    recipes: tuple[Recipe, ...]
    domains: tuple[DomainComparison, ...]


def compare_recipes(
    mix: str, recipes: Sequence[Recipe], *, settings: EvaluateSettings, seed: int = 0
) -> MixComparison:
    """Compares recipes with the first of them.

    Args:
        mix: the mix that all runs are of.
        recipes: two recipes or more.
        settings: number of resamples and level of the intervals.
        seed: seed of the bootstrap.

    Raises:
        RoadshiftError: they were not scored on the same images with the same classes.
    """
    domains = check_comparable(recipes)
    variants = [variant_of(recipe, recipe.name, domains) for recipe in recipes]
    rows = compare_variants(variants, recipes[0].name, settings=settings, seed=seed)
    first = recipes[0].runs[0].scores.domains
    compared = []
    for domain in domains:
        names = scored_classes(first[domain])
        cells = [row.cells[domain] for row in rows]
        found = [RecipeOnDomain(recipe=recipes[0], score=cells[0])]
        for recipe, variant, cell in zip(recipes[1:], variants[1:], cells[1:], strict=True):
            needed = outlook(
                _known(cells[0]),
                _known(cell),
                cell.difference or Difference(None, None, None),
                level=settings.confidence_level,
            )
            pair = [[score.sorted() for score in v.scores[domain]] for v in (variants[0], variant)]
            found.append(
                RecipeOnDomain(
                    recipe=recipe,
                    score=cell,
                    sentence=sentence(
                        domain,
                        (recipes[0].name, recipe.name),
                        (cells[0], cell),
                        needed,
                        len(recipes),
                    ),
                    outlook=needed,
                    classes=_class_changes(pair, names, settings=settings, seed=seed),
                    images=_image_changes(pair),
                )
            )
        images = len(variants[0].scores[domain][0].ids)
        compared.append(DomainComparison(domain, first[domain].data_set, images, tuple(found)))
    return MixComparison(mix, settings.confidence_level, tuple(recipes), tuple(compared))


def variant_of(recipe: Recipe, name: str, domains: Sequence[str]) -> Variant:
    """Returns a recipe with its scores on some domains, as comparisons take it."""
    return Variant(
        name=name,
        seeds=tuple(place if s is None else s for place, s in enumerate(recipe.seeds)),
        scores={d: [run.matrices.domains[d] for run in recipe.runs] for d in domains},
    )


def comparison_json(comparison: MixComparison) -> dict[str, Any]:
    """Returns a comparison for programs: shares, rounded to 6 decimals, None where not defined."""
    return {
        "confidence_level": comparison.level,
        "recipes": [
            {
                "name": recipe.name,
                "changed": recipe.changed,
                "runs": [{"name": run.name, "seed": run.seed} for run in recipe.runs],
            }
            for recipe in comparison.recipes
        ],
        "domains": {
            found.domain: {
                "data_set": found.data_set,
                "images": found.images,
                "recipes": {row.recipe.name: _row_json(row) for row in found.rows},
            }
            for found in comparison.domains
        },
    }


def _row_json(row: RecipeOnDomain) -> dict[str, Any]:
    content: dict[str, Any] = {
        "miou": rounded(row.score.miou),
        "by_seed": [rounded(miou) for miou in row.score.by_seed],
    }
    if row.outlook is None:
        return content
    return content | {
        **_difference_json(row.score.difference),
        "verdict": row.score.verdict,
        "sentence": row.sentence,
        "needs": row.outlook.needs,
        "seeds_needed": row.outlook.seeds,
        "times_as_many_images": row.outlook.images,
        "classes": {
            change.name: {
                "base": rounded(change.base),
                "iou": rounded(change.other),
                **_difference_json(change.difference),
            }
            for change in row.classes
        },
        "images": {
            change.name: {
                "base": rounded(change.base),
                "miou": rounded(change.other),
                "difference": rounded(change.difference),
            }
            for change in row.images
        },
    }


def _difference_json(found: Difference | None) -> dict[str, Any]:
    found = found or Difference(None, None, None)
    return {
        "difference": rounded(found.difference),
        "low": rounded(found.low),
        "high": rounded(found.high),
    }


def _known(cell: VariantScore) -> list[float]:
    return [miou for miou in cell.by_seed if miou is not None]


def _class_changes(
    pair: Sequence[Sequence[ImageMatrices]],
    names: Mapping[int, str],
    *,
    settings: EvaluateSettings,
    seed: int,
) -> tuple[ClassChange, ...]:
    runs = [np.stack([score.matrices for score in scores]) for scores in pair]
    changes = []
    for class_id, name in names.items():
        a, b = (_against_the_rest(matrices, class_id) for matrices in runs)
        difference = paired_bootstrap(
            a,
            b,
            samples=settings.bootstrap_samples,
            seed=seed,
            level=settings.confidence_level,
            score=_first_class,
        )
        if difference.difference is not None:
            base, other = (float(_first_class(m.sum(axis=1)).mean()) for m in (a, b))
            changes.append(ClassChange(name, base, other, difference))
    return tuple(sorted(changes, key=lambda change: -abs(change.difference.difference or 0.0)))


def _first_class(matrices: np.ndarray) -> np.ndarray:
    return class_iou(matrices)[..., 0]


def _against_the_rest(matrices: np.ndarray, class_id: int) -> np.ndarray:
    """Returns the matrices of a class and of all others together, int64 (runs, images, 2, 2)."""
    hits = matrices[..., class_id, class_id]
    truth, predicted = matrices[..., class_id, :].sum(-1), matrices[..., class_id].sum(-1)
    rest = matrices.sum((-2, -1)) - truth - predicted + hits
    parts = [[hits, truth - hits], [predicted - hits, rest]]
    return np.stack([np.stack(row, axis=-1) for row in parts], axis=-2)


def _image_changes(pair: Sequence[Sequence[ImageMatrices]]) -> tuple[ImageChange, ...]:
    changes = []
    for place, name in enumerate(pair[0][0].ids):
        base, other = ([mean_iou(score.matrices[place]) for score in scores] for scores in pair)
        known = [[miou for miou in mious if miou is not None] for mious in (base, other)]
        # All were scored with the same labels: an image has pixels in all of them or in none.
        if known[0]:
            changes.append(ImageChange(name, *(sum(mious) / len(mious) for mious in known)))
    return tuple(sorted(changes, key=lambda change: (-abs(change.difference), change.name)))
