"""Paired comparisons of a run's networks, and of the variants that an ablation kept."""

from collections.abc import Mapping, Sequence

from roadshift.report.conclusions import listed
from roadshift.scoring.bootstrap import Difference
from roadshift.scoring.comparison import Cell, PictureScores, Variant, compare
from roadshift.scoring.settings import EvaluateSettings

Pictures = Mapping[str, PictureScores]
"""By domain, and by domain and method of adaptation, as `read_pictures` returns them."""


def against(
    pictures: Mapping[str, Pictures], base: str, settings: EvaluateSettings, seed: int
) -> dict[str, Mapping[str, Cell]]:
    """Holds the networks of a run against one of them.

    Args:
        pictures: by mix.
        base: the mix that the others are held against.
        settings: the bootstrap of the differences, and its level.
        seed: of its draws.

    Returns:
        By mix and domain.

    Raises:
        RoadshiftError: two were not scored on the same pictures and labels.
    """
    variants = [_variant(mix, {d: s for d, s in p.items() if "/" not in d})
                for mix, p in pictures.items()]  # fmt: skip
    return {row.name: row.cells for row in compare(variants, base, settings, seed)}


def adaptation(
    pictures: Pictures, method: str, settings: EvaluateSettings, seed: int
) -> Mapping[str, Cell]:
    """Holds a network that was adapted to the test pictures against itself as it was.

    Args:
        pictures: of the network.
        method: of adaptation.
        settings: the bootstrap of the differences, and its level.
        seed: of its draws.

    Returns:
        By domain that it was adapted to.
    """
    domains = [name.partition("/")[0] for name in pictures if name.endswith(f"/{method}")]
    plain = {domain: pictures[domain] for domain in domains}
    # The ids are those of the plain pictures, in one order for both.
    adapted = {domain: pictures[f"{domain}/{method}"] for domain in domains}
    rows = compare([_variant("plain", plain), _variant(method, adapted)], "plain", settings, seed)
    return rows[1].cells


def _variant(name: str, scores: Pictures) -> Variant:
    return Variant(name, "", (0,), {d: [score] for d, score in scores.items()}, None)


def held_against(rows: Sequence[Mapping[str, str]]) -> str:
    """The variant that the others of an ablation's `table.csv` are held against."""
    return next(row["variant"] for row in rows if not row["difference"])


def forest_lines(rows: Sequence[Mapping[str, str]], domain: str) -> list[tuple[str, Cell]]:
    """The variants of an ablation's `table.csv` on a domain, for `forest_plot`."""
    return [
        (row["variant"], Cell((_share(row["miou"]),), _difference(row)))
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
    """Which variants of an ablation help on a domain.

    Args:
        rows: of its `table.csv`.
        base: the variant that the others are held against.
        domain: where.
    """
    here = [r for r in rows if r["domain"] == domain and r["variant"] != base and r["difference"]]
    if not here:
        return f"No variant but `{base}` has been run yet."
    ranked = sorted(here, key=lambda row: -float(row["difference"]))
    groups = {
        word: [
            f"`{row['variant']}` ({100 * float(row['difference']):+.1f})"
            for row in (ranked if word == "better" else reversed(ranked))
            if row["verdict"] == word
        ]
        for word in ("better", "worse")
    }
    parts = [f"{word}: {listed(names)}" for word, names in groups.items() if names]
    open_ones = len(here) - sum(map(len, groups.values()))
    if open_ones:
        parts.append(f"not told apart from it: {open_ones} of {len(here)}")
    return f"On the {domain}, in points of mIoU against `{base}`, {'; '.join(parts)}."
