"""Sentences of a report's summary: the cells, the drops, and what was chosen on what."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from roadshift.report.conclusions import listed, network_of
from roadshift.scoring.estimate import Difference
from roadshift.scoring.numbers import percent, points
from roadshift.scoring.results import DomainScores
from roadshift.scoring.tables import held_out
from roadshift.scoring.transfer import TransferScores, counted

NO_MIX = "No network of several sources was trained, so nothing is said of training on more."
NO_SINGLE = (
    "No network of a single source was trained, so nothing is said of what a source alone would do."
)
NOTHING_HELD_OUT = "No network of this run has a held-out source: each was trained on all of them."
PARAMETERS_CHOSEN = (
    "No program chose the parameters. Whoever picks them by the scores in this report makes these "
    "optimistic."
)


def row_heads(sources: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Returns the head of each network's row: its sources, and its mix where another has the same.

    Args:
        sources: by mix, the domains it was trained on.
    """
    heads = {mix: listed(own) for mix, own in sources.items()}
    known = list(heads.values())
    return {m: h if known.count(h) == 1 else f"{h} ({m})" for m, h in heads.items()}


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


def chosen_sentence(
    histories: Mapping[str, Mapping[str, Any]], sources: Mapping[str, Sequence[str]]
) -> str:
    """Says which epoch of each network was kept, by which rule, and what the best would have given.

    Args:
        histories: by mix, the content of its `history.json`.
        sources: by mix, the domains it was trained on.
    """
    kept = [
        f"epoch {each['selected']['number']} of {network_of(sources[mix])}, "
        f"{percent(each['below_best'])} points below its best"
        for mix, each in histories.items()
    ]
    rules = {str(each["rule"]) for each in histories.values()}
    how = (
        "No image chose the epoch, the last one was kept"
        if rules == {"last"}
        else "The last epoch was kept that lies within one standard error of the best"
    )
    return (
        f"{how}. By mean mIoU on validation images of a network's own sources, that is "
        f"{'; '.join(kept)}. Test images choose nothing in the workflow."
    )


def asked_sentence(roles: Sequence[str], sources: Mapping[str, Sequence[str]], target: str) -> str:
    """Says what a run asks: its sources, its other domains, and what each network is trained on.

    Args:
        roles: all domains, in their order.
        sources: by mix, the domains it was trained on.
        target: the target domain.
    """
    trained = [role for role in roles if any(role in own for own in sources.values())]
    others = [role for role in roles if role not in trained and role != target]
    named = listed([f"**{role}**" for role in trained])
    sets = f"data set{'s' if len(trained) > 1 else ''} of street scenes, {named}"
    text = f"{len(trained)} labelled {sets}, and a **{target}** whose images no training sees"
    if others:
        are = "are" if len(others) > 1 else "is"
        text += f"; {listed([f'**{role}**' for role in others])} {are} only scored, too"
    networks = listed([f"one on {listed([f'**{s}**' for s in own])}" for own in sources.values()])
    return (
        f"**Asked:** {text}. How well does a network do on the {target}, and what raises its score "
        f"there? {len(sources)} network{'s are' if len(sources) > 1 else ' is'} trained, "
        f"{networks}; each is scored on all {len(roles)} domains."
    )


def held_out_sentence(
    transfer: Mapping[str, TransferScores], sources: Mapping[str, Sequence[str]]
) -> str:
    """Says how well each network does on held-out sources, by the scores that may choose.

    Args:
        transfer: by mix, its transfer scores.
        sources: by mix, the domains it was trained on.
    """
    means = []
    for mix, found in transfer.items():
        named = [f"**{role}**" for role in counted(found.domains, held_out=True)]
        if named:
            network = network_of(sources[mix])
            means.append(f"{network} has {percent(found.held_out)} % on {listed(named)}")
    if not means:
        return NOTHING_HELD_OUT
    text = f"The mean mIoU on train and val images of held-out sources: {listed(means)}."
    without = {mix: held_out(mix, sources) for mix in sources}
    by_source = {names[0]: mix for mix, names in without.items() if len(names) == 1}
    mious = [transfer[mix].domains[source].miou for source, mix in by_source.items()]
    known = [miou for miou in mious if miou is not None]
    if len(known) == len({*chain(*sources.values())}) > 1:
        text += (
            f" Each source held out in turn: the mean mIoU on them is "
            f"**{percent(sum(known) / len(known))} %**."
        )
    return text
