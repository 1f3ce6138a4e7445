"""Sentences of a report's summary: the cells, the drops, and what was chosen on what."""

from collections.abc import Mapping, Sequence

from roadshift.report.conclusions import capital, listed, network_of
from roadshift.scoring.bootstrap import Difference
from roadshift.scoring.numbers import percent, points
from roadshift.scoring.results import DomainScores

NO_MIX = "No network of several sources was trained, so nothing is said of training on more."
PARAMETERS_CHOSEN = (
    "No program chose the parameters. Whoever picks them by the scores in this report makes these "
    "optimistic."
)


def cells_sentence(
    scores: Mapping[str, Mapping[str, DomainScores]], sources: Mapping[str, Sequence[str]]
) -> str:
    """Says between which cells the mIoU of a cross-domain table lies.

    Args:
        scores: by mix and domain, the scores.
        sources: by mix, the domains it was trained on.
    """
    known = [
        (score.miou, f"{network_of(sources[mix])} has on **{domain}**")
        for mix, row in scores.items()
        for domain, score in row.items()
        if score.miou is not None
    ]
    if not known:
        return "No cell has an mIoU: there is no labelled pixel."
    (low, lowest), (high, highest) = min(known), max(known)
    return (
        f"The mIoU of the {len(known)} cells lies between {percent(low)} %, which {lowest}, and "
        f"{percent(high)} %, which {highest}."
    )


def drops_sentence(
    drops: Mapping[str, Difference], sources: Mapping[str, Sequence[str]], target: str
) -> str:
    """Says how far each network drops from its own domains to the target.

    Args:
        drops: by mix, the drop, from `drop_to`.
        sources: by mix, the domains it was trained on.
        target: the target domain.
    """
    known = [
        f"{points(drop.difference)} points for {network_of(sources[mix])}"
        for mix, drop in drops.items()
        if drop.difference is not None
    ]
    if not known:
        return f"The drop to the {target} is not known: a cell has no mIoU."
    return f"The drop from a network's own domains to the {target} is {listed(known)}."


def chosen_sentence(selected: Mapping[str, int], sources: Mapping[str, Sequence[str]]) -> str:
    """Says which epoch of each network was chosen, and on which images.

    Args:
        selected: by mix, the number of the chosen epoch.
        sources: by mix, the domains it was trained on.
    """
    epochs = [f"epoch {number} of {network_of(sources[mix])}" for mix, number in selected.items()]
    return (
        f"{capital(listed(epochs))} had the highest mean mIoU on validation images of its own "
        "sources. Test images choose nothing in the workflow."
    )
