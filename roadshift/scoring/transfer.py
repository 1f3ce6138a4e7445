"""The scores of a network on images that may choose: of held-out sources, and val of its own.

Gulrajani and Lopez-Paz, In search of lost domain generalization (ICLR 2021, arXiv 2007.01434), call
the first leave-one-domain-out and the second training-domain validation.
"""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from roadshift.json_file import JsonFile
from roadshift.scoring.results import DomainScores, TargetUse, target_use


class SourceScores(DomainScores):
    """The metrics of a network on a source.

    Attributes:
        held_out: whether the network was not trained on the source.
        splits: names of the scored splits: train and val of a held-out source, which the network
            has seen neither of, else val.
    """

    held_out: bool
    splits: list[str]


class TransferScores(JsonFile):
    """The metrics of the network of a mix on the sources, none of test and none of the target.

    Attributes:
        mix: name of the mix.
        taxonomy: name of the taxonomy of its classes.
        held_out: mean mIoU over the held-out sources; None without any. Sources with joined classes
            do not count, since their mIoU is over other classes.
        val: mean mIoU over the val splits of its own sources; None without any.
        target_images: number of images of the target that training was given, by their use:
            'labelled' and 'unlabelled'.
        domains: by role of a source.
    """

    content: ClassVar[str] = "the transfer scores of a mix"

    mix: str
    taxonomy: str
    held_out: float | None
    val: float | None
    target_images: dict[str, int] = Field(default_factory=dict)
    domains: dict[str, SourceScores]

    @property
    def target_use(self) -> TargetUse:
        """The use that training made of the target."""
        return target_use(self.target_images)


def counted(domains: Mapping[str, SourceScores], *, held_out: bool) -> list[str]:
    """Lists the sources that the mean over held-out sources is of, or the mean over own ones.

    A source with joined classes, or without a labelled pixel, is left out.
    """
    return [
        role
        for role, score in domains.items()
        if score.held_out == held_out and not score.joined and score.miou is not None
    ]


def mean_miou(domains: Mapping[str, SourceScores], *, held_out: bool) -> float | None:
    """Mean mIoU over the sources that `counted` lists, rounded to 4 decimals; None without any."""
    mious = [domains[role].miou or 0.0 for role in counted(domains, held_out=held_out)]
    return round(sum(mious) / len(mious), 4) if mious else None
