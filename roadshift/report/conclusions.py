"""What the figures of a run say, as sentences: in each case, whatever the figures are.

A difference is only called one where its interval leaves out 0. Where the interval holds 0 the
sentence says that nothing was shown, and where a figure does not exist, that nothing can be said.
Sentences are Markdown.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from roadshift.scoring.bootstrap import Difference
from roadshift.scoring.comparison import Cell, PictureScores
from roadshift.scoring.metrics import mean_iou

Score = Mapping[str, Any]
"""What `roadshift.scoring.report.score_domain` returned of a network on a domain."""

_ROUNDING = 1e-4
"""Metrics are written with four decimals."""


def percent(share: float | None) -> str:
    """A share, 0..1, in percent with one decimal."""
    return "–" if share is None else f"{100 * share:.1f}"


def network_of(sources: Sequence[str]) -> str:
    """A network by what it was trained on."""
    return f"the network trained on {listed([f'**{source}**' for source in sources])}"


def listed(words: Sequence[str]) -> str:
    """Words as English lists them: 'a', 'a and b', 'a, b and c'."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def drop_to(scores: Mapping[str, Score], own: Sequence[str], target: str) -> Difference:
    """How far a network's mIoU on a target lies below the mean of those on its own domains.

    The domains' pictures are not the same, so that their intervals are independent. That of the
    difference follows from them by the square-and-add rule (Zou and Donner, Construction of
    confidence limits about effect measures, Statistics in Medicine 2008).

    Args:
        scores: by domain.
        own: the domains that it was trained on.
        target: the domain that it is held against.

    Returns:
        The drop, positive where the target is lower, with its interval, as shares; None where a
        mIoU, or its interval, does not exist.
    """
    terms = [(1 / len(own), scores[source]) for source in own] + [(-1.0, scores[target])]
    if any(score["miou"] is None for _, score in terms):
        return Difference(None, None, None)
    drop = sum(weight * score["miou"] for weight, score in terms)
    if any(score["miou_low"] is None for _, score in terms):
        return Difference(drop, None, None)
    down, up = [], []
    for weight, score in terms:
        ends = [weight * (score[key] - score["miou"]) for key in ("miou_low", "miou_high")]
        down.append(min(ends))
        up.append(max(ends))
    return Difference(drop, drop - math.hypot(*down), drop + math.hypot(*up))


def verdict(difference: Difference) -> str:
    """'more' or 'less' where the interval leaves out 0, 'undecided' where not, 'unknown' else."""
    if difference.difference is None or difference.low is None or difference.high is None:
        return "unknown"
    if difference.low > 0:
        return "more"
    return "less" if difference.high < 0 else "undecided"


def interval(difference: Difference, level: float | None) -> str:
    """The interval of a difference in points, in brackets.

    One that leaves out 0 is given without signs, for a sentence that says which way it goes.

    Args:
        difference: as shares.
        level: of the interval; None where it is not known.
    """
    if difference.low is None or difference.high is None:
        return ""
    name = "interval" if level is None else f"{100 * level:g} % interval"
    ends = 100 * difference.low, 100 * difference.high
    if verdict(difference) == "undecided":
        return f" ({name} {ends[0]:+.1f} to {ends[1]:+.1f})"
    low, high = sorted(map(abs, ends))
    return f" ({name} {low:.1f} to {high:.1f})"


def drop_sentence(
    scores: Mapping[str, Score], own: Sequence[str], target: str, level: float | None = None
) -> str:
    """Whether a network does worse on the target than at home, and by how much."""
    network = _capital(network_of(own))
    drop = drop_to(scores, own, target)
    if drop.difference is None:
        without = [d for d in (*own, target) if scores[d]["miou"] is None]
        return (
            f"{network}: nothing can be said of its drop to the {target}, since "
            f"{listed(without)} has no labelled pixel."
        )
    home = sum(scores[source]["miou"] for source in own) / len(own)
    where = "its own domain" if len(own) == 1 else "its own domains (their mean)"
    seen = (
        f"{network} reaches a mIoU of {percent(home)} % on {where} and "
        f"{percent(scores[target]['miou'])} % on the {target}"
    )
    points, brackets = f"{100 * abs(drop.difference):.1f} points", interval(drop, level)
    return {
        "more": f"{seen}: it **loses {points}**{brackets}.",
        "less": f"{seen}: it loses nothing, and **gains {points}**{brackets}; "
        f"the {target} is the easier set for it.",
        "undecided": f"{seen}: **no loss is shown**, since the drop of "
        f"{100 * drop.difference:+.1f} points{brackets} cannot be told from none.",
        "unknown": f"{seen}, {points} {'less' if drop.difference >= 0 else 'more'}; without an "
        "interval, how sure that is remains open.",
    }[verdict(drop)]


def versus_sentence(subject: str, other: str, domain: str, cell: Cell, level: float) -> str:
    """Whether one of two is better on a domain, both scored on the same pictures.

    Args:
        subject: what is judged, as in 'the network trained on a and b'.
        other: what it is held against.
        domain: where, as in 'the target'.
        cell: the subject's, with its difference to the other.
        level: of the interval.
    """
    difference = cell.difference
    if difference is None or difference.difference is None:
        return f"On {domain}, {subject} and {other} cannot be compared: there is no labelled pixel."
    points = f"{100 * abs(difference.difference):.1f} points"
    brackets = interval(difference, level)
    return {
        "more": f"On {domain}, {subject} is **better** than {other} by {points}{brackets}.",
        "less": f"On {domain}, {subject} is **worse** than {other} by {points}{brackets}.",
        "undecided": f"On {domain}, {subject} and {other} **cannot be told apart**: they differ by "
        f"{100 * difference.difference:+.1f} points{brackets}.",
        "unknown": f"On {domain}, {subject} is {points} "
        f"{'above' if difference.difference >= 0 else 'below'} {other}; without an interval, how "
        "sure that is remains open.",
    }[verdict(difference)]


def seen_sentence(pictures: Mapping[str, Mapping[str, int]], target: str) -> str:
    """What the trainings of a run saw of the target.

    Args:
        pictures: by network, how many were given to its training, under 'labelled' and
            'unlabelled'.
        target: the domain.
    """
    with_labels, without = (
        max((counts.get(use, 0) for counts in pictures.values()), default=0)
        for use in ("labelled", "unlabelled")
    )
    seen = [
        f"{number} picture{'s' if number > 1 else ''} {how}"
        for number, how in ((with_labels, "with labels"), (without, "without"))
        if number
    ]
    if not seen:
        return f"No training of this run saw any picture of the {target}."
    return (
        f"Trainings of this run **saw the {target}**: {listed(seen)}, all of its train split. None "
        "of them is scored; what is said of it below is not of a domain that was never seen."
    )


def best_on(
    scores: Mapping[str, Mapping[str, Score]], mixes: Sequence[str], domain: str
) -> str | None:
    """The mix with the highest mIoU on a domain, the first of equals; None where none has one."""
    known = [mix for mix in mixes if scores[mix][domain]["miou"] is not None]
    return max(known, key=lambda mix: scores[mix][domain]["miou"], default=None)


def mixing_sentence(mixed: Sequence[str], single: Sequence[str], target: str, cell: Cell) -> str:
    """Whether a network of several sources does better on the target than the best single one."""
    both, one = listed([f"**{s}**" for s in mixed]), listed([f"**{s}**" for s in single])
    return {
        "more": f"Training on {both} together **helps**: on the {target} it beats the better of "
        f"the single sources, {one}.",
        "less": f"Training on {both} together **does not help**: on the {target} it stays behind "
        f"the better of the single sources, {one}.",
        "undecided": f"Whether training on {both} together helps is **not decided** by these "
        f"pictures of the {target}, held against the better of the single sources, {one}.",
        "unknown": f"Whether training on {both} together helps cannot be said here.",
    }[verdict(cell.difference or Difference(None, None, None))]


def closed_sentence(single: Difference, mixed: Difference, level: float) -> str:
    """How much of the drop of the better single source is left with the mix of sources.

    Args:
        single: the drop of the single source's network, of `drop_to`.
        mixed: that of the network of all sources.
        level: of the intervals.
    """
    if single.difference is None or mixed.difference is None:
        return "What mixing does to the drop cannot be said: a mIoU is missing."
    change = single.difference - mixed.difference
    seen = (
        f"The drop to the target goes from {100 * single.difference:.1f} points"
        f"{interval(single, level)} to {100 * mixed.difference:.1f}{interval(mixed, level)}"
    )
    if single.difference <= 0:
        return f"{seen}; the single source had no drop that could be closed."
    share = f"{100 * abs(change) / single.difference:.0f} %"
    closed = f"mixing closes {share} of it" if change >= 0 else f"mixing widens it by {share}"
    low, high, mixed_low, mixed_high = single.low, single.high, mixed.low, mixed.high
    if low is None or high is None or mixed_low is None or mixed_high is None:
        return f"{seen}: {closed}."
    overlap = low <= mixed_high and mixed_low <= high
    sure = "but the two intervals overlap" if overlap else "the two intervals do not overlap"
    return f"{seen}: {closed}; {sure}."


def weakest_sentence(score: Score, sources: Sequence[str], domain: str, number: int = 3) -> str:
    """Which classes a network recognizes least on a domain."""
    known = {name: value for name, value in score["iou"].items() if value is not None}
    if not known:
        return f"On the {domain} no class has an IoU: there is no labelled pixel."
    worst = sorted(known, key=lambda name: (known[name], name))[:number]
    named = listed([f"{name.replace('_', ' ')} ({percent(known[name])} %)" for name in worst])
    text = f"On the {domain}, {network_of(sources)} is worst at {named}."
    if absent := score["classes_absent"]:
        text += f" Not in its labels, and out of its mean: {listed(absent)}."
    return text


def lost_sentence(
    scores: Mapping[str, Score], own: Sequence[str], target: str, number: int = 3
) -> str:
    """Which classes lose most of their IoU between a network's own domains and the target."""
    lost = {}
    for name, there in scores[target]["iou"].items():
        home = [scores[source]["iou"][name] for source in own]
        if there is not None and None not in home:
            lost[name] = sum(home) / len(home) - there
    falling = [name for name in sorted(lost, key=lambda n: (-lost[n], n)) if lost[name] > 0]
    if not falling:
        return f"No class of {network_of(own)} loses IoU on the {target}."
    named = [f"{name.replace('_', ' ')} ({100 * lost[name]:.1f} points)" for name in falling]
    return f"Of its classes {network_of(own)} loses most on {listed(named[:number])}."


def calibration_sentence(scores: Mapping[str, Score], own: Sequence[str], target: str) -> str:
    """Whether a network's confidence can still be believed on the target."""
    home = [scores[source]["calibration_error"] for source in own]
    there = scores[target]["calibration_error"]
    network = _capital(network_of(own))
    if there is None or None in home:
        return f"{network}: its calibration error is not known."
    at_home = sum(home) / len(home)
    change = "rises" if there > at_home else "falls" if there < at_home else "stays"
    return (
        f"{network}: its calibration error {change} from {percent(at_home)} points at home to "
        f"{percent(there)} on the {target}."
    )


def disagreements(
    scores: Mapping[str, Mapping[str, Score]], pictures: Mapping[str, Mapping[str, PictureScores]]
) -> list[str]:
    """The cells whose written mIoU is not that of the pictures' matrices.

    Args:
        scores: by mix and domain.
        pictures: by mix and domain, the matrices of every picture.

    Returns:
        'mix on domain' of each such cell; none where metrics and matrices are of one evaluation.
    """
    found = []
    for mix, domains in scores.items():
        for domain, score in domains.items():
            again = mean_iou(pictures[mix][domain].matrices.sum(axis=0))
            written = score["miou"]
            same = again is None if written is None else (
                again is not None and abs(again - written) < _ROUNDING
            )  # fmt: skip
            if not same:
                found.append(f"{mix} on {domain}")
    return found


def agreement_sentence(cells: int, odd: Sequence[str]) -> str:
    """Whether metrics and matrices are of one evaluation, from the `disagreements`."""
    if not odd:
        return (
            f"All {cells} cells were computed again here from the confusion matrices of the "
            "single pictures, and agree with the metrics files."
        )
    return (
        f"**Stale figures**: {listed(list(odd))} in the metrics files is not what the confusion "
        "matrices of the single pictures come to; run `dvc repro`."
    )


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
