"""What a run shows, and what to try next, in sentences for the page.

A run has one seed, so no sentence calls a network better or worse: it says what this run shows,
with the interval over the scored images. Sentences are plain text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from roadshift.datasets.card import Card
from roadshift.report.conclusions import drop_to, interval, listed, verdict, widest
from roadshift.scoring.comparison import Variant, VariantScore, compare_variants
from roadshift.scoring.estimate import Difference
from roadshift.scoring.numbers import percent, points
from roadshift.scoring.results import DomainScores, MixMatrices, MixScores
from roadshift.scoring.settings import EvaluateSettings
from roadshift.scoring.tables import best_mix, comparable, domain_gap

NAMED = 3
"""Number of classes that a sentence names."""
METHODS = {"adabn": "AdaBN", "tent": "TENT"}


@dataclass(frozen=True)
class Finding:
    """Something that a run shows.

    Attributes:
        about: what it is about, in a few words.
        text: the finding.
    """

    about: str
    text: str


@dataclass(frozen=True)
class Step:
    """Something to try next.

    Attributes:
        why: the question that it answers.
        command: the command to type; empty where there is none.
    """

    why: str
    command: str = ""


@dataclass(frozen=True)
class Advice:
    """What a run shows, and what to try next.

    Attributes:
        seed: seed of the run.
        findings: what it shows.
        steps: what to try next.
    """

    seed: int = 0
    findings: Sequence[Finding] = ()
    steps: Sequence[Step] = ()


@dataclass(frozen=True)
class RunFacts:
    """The parameters and data sets of a run that advice depends on.

    Attributes:
        seed: seed of the run.
        strengths: by key of `aug`, its value.
        cards: by role, the card of its data set.
        network: the mix to go on with; no score chose it.
        target_train: number of images of the target that a training could see.
        saw_target: whether a training saw images of the target.
    """

    seed: int
    strengths: Mapping[str, float]
    cards: Mapping[str, Card]
    network: str
    target_train: int
    saw_target: bool


def findings(
    scores: Mapping[str, MixScores],
    matrices: Mapping[str, MixMatrices],
    *,
    sources: Mapping[str, Sequence[str]],
    target: str,
    settings: EvaluateSettings,
    seed: int,
) -> list[Finding]:
    """Says what a run shows: the gap, what other sources and methods gave, and where it is weak.

    It is about the network of the most sources: the highest score on the target would be one that
    its test images chose, and optimistic.

    Args:
        scores: by mix, its scores.
        matrices: by mix, the confusion matrix of every image.
        sources: by mix, the domains it was trained on.
        target: the target domain.
        settings: number of resamples and level of the intervals.
        seed: seed of the bootstrap.

    Raises:
        RoadshiftError: two networks were not scored on the same images and labels.
    """
    mix = widest({mix: sources[mix] for mix in scores})
    row, own = scores[mix].domains, sources[mix]
    if row[target].miou is None:
        return [Finding("No score", f"No image of {target} has a labelled pixel to be scored on.")]
    level = settings.confidence_level
    found = [Finding("Gap", _gap_text(mix, row, own, target=target, level=level))]

    def compared(base: str, other: Variant) -> VariantScore:
        plain = Variant(name=base, scores={target: [matrices[base].domains[target]]})
        rows = compare_variants([plain, other], base, settings=settings, seed=seed, target=target)
        return rows[1].cells[target]

    for single in [other for other in scores if len(sources[other]) == 1 and other != mix]:
        if sources[single][0] not in own:
            continue
        variant = Variant(name=mix, scores={target: [matrices[mix].domains[target]]})
        text = _compared_text(mix, single, target, compared(single, variant).difference, level)
        found.append(Finding(f"More sources than {sources[single][0]}", text))
    for method, domains in matrices[mix].adapted.items():
        name = METHODS.get(method, method)
        variant = Variant(name=f"{mix} with {name}", scores={target: [domains[target]]})
        cell = compared(mix, variant)
        text = _compared_text(variant.name, f"{mix} as trained", target, cell.difference, level)
        found.append(Finding(f"{name}, which saw the scored images", text))
    found += _class_findings(mix, row, own, target)
    return found + _held_out_findings(scores, sources)


def _gap_text(
    mix: str, row: Mapping[str, DomainScores], own: Sequence[str], *, target: str, level: float
) -> str:
    gap = domain_gap(row, own, target)
    seen = f"{mix} has an mIoU of {percent(row[target].miou)} % on {target}"
    own = comparable(row, own, target)
    if not own:
        return f"{seen}. Its own domains are scored on other joined classes."
    if gap is None:
        return f"{seen}. Its own domains have no labelled pixel to compare it with."
    where = "its own domain" if len(own) == 1 else "its own domains, their mean"
    drop = drop_to(row, own, target)
    side = "below" if gap >= 0 else "above"
    brackets = interval(drop, level, signed=True)
    return f"{seen}: {percent(abs(gap))} points {side} {where}. The gap is {points(gap)}{brackets}."


def _compared_text(
    subject: str, other: str, target: str, difference: Difference | None, level: float
) -> str:
    if difference is None or difference.difference is None:
        return f"{subject} and {other} cannot be compared on {target}: there is no labelled pixel."
    size = f"{points(difference.difference)} points{interval(difference, level, signed=True)}"
    shown = {
        "more": f"On these images this run of {subject} scores higher: the interval lies above 0.",
        "less": f"On these images this run of {subject} scores lower: the interval lies below 0.",
        "undecided": "The interval contains 0: this run does not tell the two apart.",
        "unknown": "Without an interval this says little.",
    }[verdict(difference)]
    return f"{subject} against {other} on {target}: {size}. {shown}"


def class_losses(
    row: Mapping[str, DomainScores], own: Sequence[str], target: str
) -> dict[str, float | None]:
    """Returns how much IoU each class loses from a network's own domains to the target.

    Args:
        row: by domain, the network's scores.
        own: the domains that the network was trained on.
        target: the target domain.

    Returns:
        By class, the mean IoU on the own domains that compare with the target (see `comparable`)
        minus that on the target, the largest loss first. Classes that the ground truth of one of
        these domains lacks come last, with None.
    """
    losses: dict[str, float | None] = {}
    own = comparable(row, own, target)
    for name, there in row[target].iou.items():
        home = [iou for source in own if (iou := row[source].iou[name]) is not None]
        known = there is not None and 0 < len(home) == len(own)
        losses[name] = sum(home) / len(own) - (there or 0.0) if known else None
    lost = {name: loss for name, loss in losses.items() if loss is not None}
    order = sorted(lost, key=lambda name: (-lost[name], name))
    return {name: losses[name] for name in [*order, *(n for n in losses if n not in order)]}


def _class_findings(
    mix: str, row: Mapping[str, DomainScores], own: Sequence[str], target: str
) -> list[Finding]:
    found = []
    losses = class_losses(row, own, target)
    falling = [
        f"{_class_name(name)} ({percent(loss)} points)"
        for name, loss in losses.items()
        if loss is not None and loss > 0
    ]
    if falling:
        text = (
            f"Between its own domains and {target}, {mix} has its largest gaps in IoU at "
            f"{listed(falling[:NAMED])}; no interval is computed for a class."
        )
        found.append(Finding("Classes with the largest gaps", text))
    known = {name: iou for name, iou in row[target].iou.items() if iou is not None}
    weakest = sorted(known, key=lambda name: (known[name], name))[:NAMED]
    named = listed([f"{_class_name(name)} ({percent(known[name])} %)" for name in weakest])
    text = f"On {target}, {mix} has its lowest IoU in {named}."
    if absent := row[target].classes_absent:
        text += f" Without labels there: {listed([_class_name(name) for name in absent])}."
    found.append(Finding("Weakest classes", text))
    return found


def _held_out_findings(
    scores: Mapping[str, MixScores], sources: Mapping[str, Sequence[str]]
) -> list[Finding]:
    """Says how well a source is done without it: of the networks that never saw it, the best."""
    roles = list(dict.fromkeys(chain(*sources.values())))
    named = []
    for role in roles if len(roles) > 2 else []:
        unseen = {mix: found for mix, found in scores.items() if role not in sources[mix]}
        seen = {mix: found for mix, found in scores.items() if role in sources[mix]}
        without, having = best_mix(unseen, role), best_mix(seen, role)
        if without is None or having is None:
            continue
        mious = [scores[mix].domains[role].miou for mix in (without, having)]
        named.append(
            f"{role}: {percent(mious[0])} % by {without} without it, {percent(mious[1])} % by "
            f"{having} with it"
        )
    text = "The highest mIoU on each source, by a network that never saw it and by one that did: "
    return [Finding("Held-out sources", f"{text}{'; '.join(named)}.")] if named else []


def _class_name(name: str) -> str:
    return name.replace("_", " ")


def next_steps(facts: RunFacts, *, target: str, gap: float | None) -> list[Step]:
    """Says what to try next. Every command is one of the documentation's.

    Args:
        facts: the parameters and data sets of the run.
        target: the target domain.
        gap: the gap of the network to go on with, as a share; None where there is none.
    """
    again = 1 if facts.seed != 1 else 0
    seed = Step(
        f"Does it hold for another seed? This run has seed {facts.seed} alone.",
        f"dvc exp run -S seed={again}",
    )
    room = [] if gap is not None and gap <= 0 else _target_steps(facts, target)
    return [seed, *_augmentation_steps(facts), *room, *_data_steps(facts, target)]


def _augmentation_steps(facts: RunFacts) -> list[Step]:
    on = [
        name.replace("_", " ")
        for name, strength in facts.strengths.items()
        if strength and not name.endswith("_probability")
    ]
    worlds = [card.world is not None for card in facts.cards.values()]
    state = f"These are on: {listed(on)}" if on else "None is on"
    question = f"Which augmentation helps? {state}. One run cannot say"
    if all(worlds):
        return [
            Step(
                f"{question}; an ablation runs them apart, on images that may choose.",
                "make ablation FILE=experiments/ablation_synthetic.yaml",
            )
        ]
    own = "docs/how-to/ablations.md shows how to write a list that runs them apart."
    if any(worlds):
        return [Step(f"{question}; {own}")]
    return [
        Step(
            f"{question}; this runs them apart on CamVid and KITTI, on images that may choose. For "
            f"other sources, {own}",
            "make ablation",
        )
    ]


def _target_steps(facts: RunFacts, target: str) -> list[Step]:
    if facts.saw_target:
        return []
    if not facts.target_train:
        return [
            Step(
                f"What would five labelled images of {target} give? All of its images are scored "
                "now; this makes some of them a train split, and scores the rest.",
                "dvc exp run -S adapt.labelled.samples=5 -S data.split.by.target=random",
            )
        ]
    return [
        Step(
            f"How much of the gap could be closed? The oracle is trained on the {target}'s own "
            "labels, none of them scored.",
            "dvc exp run -S adapt.labelled.samples=all -S adapt.labelled.target_only=true",
        ),
        Step(
            f"What do five labelled images of {target} give?",
            "dvc exp run -S adapt.labelled.samples=5",
        ),
        Step(
            f"What do the {facts.target_train} images of its train split give without their "
            "labels, by self-training?",
            "dvc exp run -S adapt.self_training.weight=1",
        ),
    ]


def _data_steps(facts: RunFacts, target: str) -> list[Step]:
    card = facts.cards[target]
    sources = [other for role, other in facts.cards.items() if role != target]
    if card.name == "folder":
        if any(source.world is not None for source in sources):
            return [
                Step(
                    "How far do real street scenes carry? Some sources of this run are synthetic. "
                    "This trains on CamVid and KITTI instead.",
                    "dvc exp run $(grep -v '^#' experiments/streets.txt) \\\n"
                    "  -S domains.target=folder -S data.split.by.target=all_test",
                )
            ]
        return []
    own = Step(
        "How does a network do on your own images? docs/how-to/own-data.md says how they lie.",
        f"roadshift evaluate models/{facts.network}.keras /data/my_camera --card folder "
        "--split all",
    )
    if all(each.world is not None for each in facts.cards.values()):
        return [Step("The same on real street scenes:", "make streets"), own]
    return [own] if card.folder is None else []
