"""Paired comparisons of the networks of a run, and of the variants of an ablation."""

from collections.abc import Mapping, Sequence

from roadshift.report.conclusions import listed
from roadshift.scoring.bootstrap import Difference
from roadshift.scoring.comparison import Variant, VariantScore, compare_variants
from roadshift.scoring.numbers import points
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


def baseline_name(rows: Sequence[Mapping[str, str]]) -> str:
    """Returns the variant that the others of an ablation's `table.csv` are compared with."""
    return next(row["variant"] for row in rows if not row["difference"])


def forest_rows(rows: Sequence[Mapping[str, str]], domain: str) -> list[tuple[str, VariantScore]]:
    """Returns the variants of an ablation's `table.csv` on a domain, for `forest_plot`."""
    return [
        (row["variant"], VariantScore((_share(row["miou"]),), _difference(row)))
        for row in rows
        if row["domain"] == domain
    ]


def _difference(row: Mapping[str, str]) -> Difference | None:
    if not row["difference"]:
        return None
    return Difference(*(_share(row[key]) for key in ("difference", "low", "high")))


def _share(text: str) -> float | None:
    return float(text) if text else None


def ablation_sentence(rows: Sequence[Mapping[str, str]], base: str, domain: str) -> str:
    """Says which variants of an ablation are better or worse than its baseline on a domain.

    Args:
        rows: rows of the ablation's `table.csv`.
        base: name of the baseline.
        domain: the domain.

    Returns:
        Markdown.
    """
    here = [r for r in rows if r["domain"] == domain and r["variant"] != base and r["difference"]]
    if not here:
        return f"No variant but `{base}` has been run yet."
    ranked = sorted(here, key=lambda row: -float(row["difference"]))
    groups = {
        word: [
            f"`{row['variant']}` ({points(float(row['difference']))})"
            for row in (ranked if word == "better" else reversed(ranked))
            if row["verdict"] == word
        ]
        for word in ("better", "worse")
    }
    parts = [f"{word}: {listed(names)}" for word, names in groups.items() if names]
    undecided = len(here) - sum(map(len, groups.values()))
    if undecided:
        parts.append(f"undecided: {undecided} of {len(here)}")
    return f"On the {domain}, in points of mIoU against `{base}`, {'; '.join(parts)}."
