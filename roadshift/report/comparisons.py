"""Paired comparisons of the networks of a run."""

from collections.abc import Mapping

from roadshift.scoring.comparison import Variant, VariantScore, compare_variants
from roadshift.scoring.results import ImageMatrices, MixMatrices
from roadshift.scoring.settings import EvaluateSettings


def compare_to_baseline(
    matrices: Mapping[str, MixMatrices], baseline: str, *, settings: EvaluateSettings, seed: int
) -> dict[str, Mapping[str, VariantScore]]:
    """Compares the networks of a run with one of them.

    Args:
        matrices: by mix, the confusion matrices of its network.
        baseline: the mix that the others are compared with.
        settings: number of resamples and level of the intervals.
        seed: seed of the bootstrap.

    Returns:
        By mix and domain, the score with its difference to the baseline.

    Raises:
        RoadshiftError: two networks were not scored on the same images and labels.
    """
    variants = [_variant(mix, found.domains) for mix, found in matrices.items()]
    rows = compare_variants(variants, baseline, settings=settings, seed=seed)
    return {row.variant.name: row.cells for row in rows}


def compare_adapted(
    matrices: MixMatrices, method: str, *, settings: EvaluateSettings, seed: int
) -> Mapping[str, VariantScore]:
    """Compares a network that was adapted to the test images with itself as it was trained.

    Args:
        matrices: the confusion matrices of the network.
        method: the method of test-time adaptation.
        settings: number of resamples and level of the intervals.
        seed: seed of the bootstrap.

    Returns:
        By domain, the adapted network's score with its difference to the network as trained.
    """
    adapted = matrices.adapted[method]
    plain = {domain: matrices.domains[domain] for domain in adapted}
    variants = [_variant("plain", plain), _variant(method, adapted)]
    return compare_variants(variants, "plain", settings=settings, seed=seed)[1].cells


def _variant(name: str, scores: Mapping[str, ImageMatrices]) -> Variant:
    return Variant(name=name, scores={domain: [score] for domain, score in scores.items()})
