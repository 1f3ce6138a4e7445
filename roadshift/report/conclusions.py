"""Sentences on the scores of a run, for every value that the scores may have.

A sentence states a difference only where its interval excludes 0. Where the interval contains 0 it
says that nothing is shown, and where a score does not exist, that nothing can be said. Sentences
are Markdown.
"""

import math
from collections.abc import Mapping, Sequence

from roadshift.scoring.comparison import VariantScore
from roadshift.scoring.estimate import Difference
from roadshift.scoring.metrics import mean_iou
from roadshift.scoring.numbers import level_percent, percent, points
from roadshift.scoring.results import DomainScores, MixMatrices, MixScores
from roadshift.scoring.tables import comparable

_ROUNDING = 1e-4
"""Metrics are written with four decimals."""
NOT_ADAPTED = (
    "Switched off in this run. `dvc exp run -S adapt.adabn=true -S adapt.tent_steps=1` scores the "
    "same networks adapted, without any training, and adds columns to the table of the summary."
)
_USES = {"labelled": "supervised", "unlabelled": "unsupervised adaptation"}
"""By kind of the target's images in training, the name of their use."""


def widest(sources: Mapping[str, Sequence[str]]) -> str:
    """Returns the mix of the most sources, the first of equals: no score chooses it.

    Args:
        sources: by mix, the domains it was trained on.
    """
    return max(sources, key=lambda mix: len(sources[mix]))


def network_of(sources: Sequence[str]) -> str:
    """Returns the words for a network that was trained on the given sources."""
    return f"the network trained on {listed([f'**{source}**' for source in sources])}"


def listed(words: Sequence[str]) -> str:
    """Joins words as English does: 'a', 'a and b', 'a, b and c'."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def drop_to(scores: Mapping[str, DomainScores], own: Sequence[str], target: str) -> Difference:
    """Returns how far a network's mIoU on the target lies below the mean on its own domains.

    The domains have different images, so their intervals are independent. The interval of the
    difference follows from them by the square-and-add rule (Zou and Donner, Construction of
    confidence limits about effect measures, Statistics in Medicine 2008).

    Args:
        scores: by domain, the network's scores.
        own: the domains that the network was trained on; those that do not compare with the target
            (see `comparable`) are left out.
        target: the target domain.

    Returns:
        The drop, positive where the target is lower, with its interval, as shares; None where an
        mIoU, or its interval, does not exist, or no own domain compares.
    """
    own = comparable(scores, own, target)
    if not own:
        return Difference(None, None, None)
    terms = [(1 / len(own), scores[source]) for source in own] + [(-1.0, scores[target])]
    mious = [(weight, score.miou) for weight, score in terms if score.miou is not None]
    if len(mious) < len(terms):
        return Difference(None, None, None)
    drop = sum(weight * miou for weight, miou in mious)
    down, up = [], []
    for (weight, miou), (_, score) in zip(mious, terms, strict=True):
        if score.interval is None:
            return Difference(drop, None, None)
        ends = [weight * (end - miou) for end in score.interval]
        down.append(min(ends))
        up.append(max(ends))
    return Difference(drop, drop - math.hypot(*down), drop + math.hypot(*up))


def verdict(difference: Difference) -> str:
    """Returns what the interval of a difference shows.

    Returns:
        'more' or 'less' where it excludes 0, 'undecided' where it contains 0, 'unknown' where
        there is none.
    """
    if difference.difference is None or difference.low is None or difference.high is None:
        return "unknown"
    if difference.low > 0:
        return "more"
    return "less" if difference.high < 0 else "undecided"


def interval(difference: Difference, level: float | None, *, signed: bool = False) -> str:
    """Writes the interval of a difference in points, in brackets.

    Without `signed` an interval that excludes 0 has no signs: its sentence says which way it goes.

    Args:
        difference: the difference with its interval, as shares.
        level: level of the interval, 0..1; None where it is not known.
        signed: whether the ends have signs in any case.

    Returns:
        The interval after a blank; empty where there is none.
    """
    if difference.low is None or difference.high is None:
        return ""
    name = "interval" if level is None else f"{level_percent(level)} interval"
    if signed or verdict(difference) == "undecided":
        return f" ({name} {points(difference.low)} to {points(difference.high)})"
    low, high = sorted((abs(difference.low), abs(difference.high)))
    return f" ({name} {percent(low)} to {percent(high)})"


def drop_sentence(
    scores: Mapping[str, DomainScores], own: Sequence[str], target: str, level: float | None = None
) -> str:
    """Says whether, and by how much, a network is worse on the target than on its own domains.

    Args:
        scores: by domain, the network's scores.
        own: the domains that the network was trained on.
        target: the target domain.
        level: level of the intervals, 0..1; None where it is not known.
    """
    network = capital(network_of(own))
    drop = drop_to(scores, own, target)
    own = comparable(scores, own, target)
    if not own:
        return (
            f"{network}: nothing can be said of its drop to the {target}, since its own domains "
            "are scored on other joined classes."
        )
    if drop.difference is None:
        without = [d for d in (*own, target) if scores[d].miou is None]
        return (
            f"{network}: nothing can be said of its drop to the {target}, since "
            f"{listed(without)} {'has' if len(without) == 1 else 'have'} no labelled pixel."
        )
    home = sum(scores[source].miou or 0.0 for source in own) / len(own)
    where = "its own domain" if len(own) == 1 else "its own domains (their mean)"
    seen = (
        f"{network} reaches an mIoU of {percent(home)} % on {where} and "
        f"{percent(scores[target].miou)} % on the {target}"
    )
    size, brackets = f"{percent(abs(drop.difference))} points", interval(drop, level)
    return {
        "more": f"{seen}: it **loses {size}**{brackets}.",
        "less": f"{seen}: it **gains {size}**{brackets}; the {target} is the easier data set for "
        "it.",
        "undecided": f"{seen}: **no loss is shown**, since the drop of "
        f"{points(drop.difference)} points{brackets} may be 0.",
        "unknown": f"{seen}, {size} {'less' if drop.difference >= 0 else 'more'}; without an "
        "interval its certainty is unknown.",
    }[verdict(drop)]


def versus_sentence(
    subject: str, other: str, *, domain: str, cell: VariantScore, level: float
) -> str:
    """Says which of two networks scores higher on a domain, both scored on the same images.

    Each is one training, so neither is called better.

    Args:
        subject: words for the network that is judged, such as 'the network trained on a and b'.
        other: words for the network that it is compared with.
        domain: words for the domain, such as 'the target'.
        cell: the score of `subject`, with its difference to `other`.
        level: level of the interval, 0..1.
    """
    difference = cell.difference
    if difference is None or difference.difference is None:
        return f"On {domain}, {subject} and {other} cannot be compared: there is no labelled pixel."
    size = f"{percent(abs(difference.difference))} points"
    brackets = interval(difference, level)
    return {
        "more": f"On {domain}, {subject} scores **higher** than {other} by {size}{brackets}.",
        "less": f"On {domain}, {subject} scores **lower** than {other} by {size}{brackets}.",
        "undecided": f"On {domain}, {subject} and {other} **cannot be told apart**: they differ by "
        f"{points(difference.difference)} points{brackets}.",
        "unknown": f"On {domain}, {subject} is {size} "
        f"{'above' if difference.difference >= 0 else 'below'} {other}; without an interval its "
        "certainty is unknown.",
    }[verdict(difference)]


def seen_sentence(images: Mapping[str, Mapping[str, int]], target: str) -> str:
    """Says what the trainings of a run saw of the target.

    Args:
        images: by network, the number of the target's images that its training was given, under
            'labelled' and 'unlabelled'.
        target: the target domain.
    """
    most = {
        kind: max((counts.get(kind, 0) for counts in images.values()), default=0) for kind in _USES
    }
    seen = [
        f"{number} {kind} image{'s' if number > 1 else ''} ({_USES[kind]})"
        for kind, number in most.items()
        if number
    ]
    if not seen:
        return f"No training of this run saw any image of the {target}."
    return (
        f"Trainings of this run **saw the {target}**: {listed(seen)}, all of its train split. None "
        f"of these images is scored, but the {target} is not an unseen domain in this run."
    )


def weakest_sentence(
    score: DomainScores, sources: Sequence[str], domain: str, *, number: int = 3
) -> str:
    """Says which `number` classes have a network's lowest IoU on a domain."""
    known = {name: value for name, value in score.iou.items() if value is not None}
    if not known:
        return f"On the {domain} no class has an IoU: there is no labelled pixel."
    worst = sorted(known, key=lambda name: (known[name], name))[:number]
    named = listed([f"{name.replace('_', ' ')} ({percent(known[name])} %)" for name in worst])
    text = f"On the {domain}, {network_of(sources)} is worst at {named}."
    if absent := score.classes_absent:
        text += f" Without labels, and left out of the mean: {listed(absent)}."
    return text


def lost_sentence(
    scores: Mapping[str, DomainScores], own: Sequence[str], target: str, *, number: int = 3
) -> str:
    """Says in which `number` classes a network's IoU on the target lies lowest below its own."""
    compared, lost = comparable(scores, own, target), {}
    if not compared:
        return (
            f"{capital(network_of(own))}: nothing can be said of the gaps of its classes to "
            f"the {target}, since its own domains are scored on other joined classes."
        )
    for name, there in scores[target].iou.items():
        home = [scores[source].iou[name] for source in compared]
        known = [iou for iou in home if iou is not None]
        if there is not None and len(known) == len(home):
            lost[name] = sum(known) / len(known) - there
    falling = [name for name in sorted(lost, key=lambda n: (-lost[n], n)) if lost[name] > 0]
    if not falling:
        return f"No class of {network_of(own)} has a lower IoU on the {target}."
    named = [f"{name.replace('_', ' ')} ({percent(lost[name])} points)" for name in falling]
    return (
        f"Between its own domains and the {target}, {network_of(own)} has its largest gaps in IoU "
        f"at {listed(named[:number])}."
    )


def calibration_sentence(
    scores: Mapping[str, DomainScores], own: Sequence[str], target: str
) -> str:
    """Says what a network's calibration error is on its own domains and on the target."""
    network = capital(network_of(own))
    own = comparable(scores, own, target)
    errors = [scores[source].calibration_error for source in own]
    home = [error for error in errors if error is not None]
    there = scores[target].calibration_error
    if there is None or not home or len(home) < len(errors):
        return f"{network}: its calibration error is not known."
    at_home = sum(home) / len(home)
    where = "its own domain" if len(own) == 1 else "its own domains"
    return (
        f"{network}: its calibration error is {percent(at_home)} points on {where} and "
        f"{percent(there)} on the {target}."
    )


def disagreements(
    scores: Mapping[str, MixScores], matrices: Mapping[str, MixMatrices]
) -> list[str]:
    """Returns the cells whose mIoU in the metrics file differs from that of the images' matrices.

    Args:
        scores: by mix, its scores.
        matrices: by mix, the confusion matrix of every image.

    Returns:
        '<mix> on <domain>' for each such cell; none where both files are of one evaluation.
    """
    found = []
    for mix, each in scores.items():
        for domain, score in each.domains.items():
            again, written = mean_iou(matrices[mix].domains[domain].total), score.miou
            same = (
                again is None
                if written is None
                else again is not None and abs(again - written) < _ROUNDING
            )
            if not same:
                found.append(f"{mix} on {domain}")
    return found


def agreement_sentence(cells: int, odd: Sequence[str]) -> str:
    """Says whether metrics and matrices are of one evaluation.

    Args:
        cells: number of cells that were computed again.
        odd: the `disagreements`.
    """
    if not odd:
        return (
            f"All {cells} cells were computed again here from the images' confusion matrices, and "
            "agree with the metrics files."
        )
    return (
        f"**Stale figures**: {listed(list(odd))} in the metrics files does not agree with the "
        "images' confusion matrices; run `dvc repro`."
    )


def capital(text: str) -> str:
    """Returns a text with its first letter in upper case."""
    return text[0].upper() + text[1:]
