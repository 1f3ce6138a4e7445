"""The history of a training, epoch by epoch."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from roadshift.errors import RoadshiftError
from roadshift.training.settings import EpochRule

if TYPE_CHECKING:
    from dvclive import Live  # not needed to read a history


def open_live(folder: Path) -> "Live":
    """Opens DVCLive's curves in a folder, without an experiment and without changes to dvc.yaml.

    Raises:
        RoadshiftError: the git repository has no commit yet, and DVCLive needs one.
    """
    from dvclive import Live
    from scmrepo.exceptions import SCMError

    try:
        return Live(str(folder), save_dvc_exp=False, dvcyaml=None)
    except SCMError as error:
        raise RoadshiftError(
            f"DVCLive needs the revision from git, and there is none ({error}); make a first "
            "commit: git add --all && git commit"
        ) from None


class Validation(NamedTuple):
    """A network's score on the val split of a source.

    Attributes:
        miou: mIoU, 0..1.
        standard_error: its standard error over the images, as a share.
    """

    miou: float
    standard_error: float


@dataclass(frozen=True)
class Epoch:
    """The results of an epoch.

    Attributes:
        number: number of the epoch, from 1.
        loss: mean loss over the epoch's steps, penalties included.
        learning_rate: learning rate at the epoch's end, without the encoder's factor.
        val_miou: mIoU on each source's val split by role, 0..1.
        standard_error: standard error of the selection score over the images, as a share.
    """

    number: int
    loss: float
    learning_rate: float
    val_miou: Mapping[str, float]
    standard_error: float

    @classmethod
    def validated(
        cls, number: int, loss: float, learning_rate: float, found: Mapping[str, Validation]
    ) -> "Epoch":
        """Makes an epoch of its number, its loss, its rate and its validation by source."""
        # The images of two sources are independent.
        error = math.hypot(*(each.standard_error for each in found.values())) / len(found)
        scores = {role: each.miou for role, each in found.items()}
        return cls(number, loss, learning_rate, scores, error)

    @property
    def selection_score(self) -> float:
        """The score that epochs are compared by: the mean of the sources' val mIoU."""
        return sum(self.val_miou.values()) / len(self.val_miou)

    def log(self, live: "Live") -> None:
        """Adds the epoch to DVCLive's curves."""
        live.log_metric("loss", round(self.loss, 6))
        live.log_metric("learning_rate", round(self.learning_rate, 9))
        for role, miou in self.val_miou.items():
            live.log_metric(f"val_miou/{role}", round(miou, 6))
        live.next_step()


@dataclass
class History:
    """All epochs of a training, and the selected one.

    Attributes:
        rule: which epoch is selected.
        epochs: the finished epochs.
    """

    rule: EpochRule
    epochs: list[Epoch] = field(default_factory=list)

    @property
    def best(self) -> Epoch:
        """The epoch with the highest selection score; of equals the first."""
        return max(self.epochs, key=lambda epoch: epoch.selection_score)

    @property
    def selected(self) -> Epoch:
        """The epoch whose weights are kept: the last one that the rule allows."""
        if self.rule == "last":
            return self.epochs[-1]
        # The one-standard-error rule (Breiman et al., Classification and Regression Trees, 1984):
        # what lies within the best score's own uncertainty is as good.
        floor = self.best.selection_score - self.best.standard_error
        return [epoch for epoch in self.epochs if epoch.selection_score >= floor][-1]

    def as_json(self) -> dict[str, Any]:
        """Returns the content of `history.json`: what was selected, by which rule, and all epochs.

        `below_best` is how far the selected epoch's score lies below the best, as a share.
        """
        return {
            "rule": self.rule,
            "selected": asdict(self.selected),
            "best": self.best.number,
            "below_best": self.best.selection_score - self.selected.selection_score,
            "epochs": [asdict(epoch) for epoch in self.epochs],
        }


def count_target_images(file: Path, scored_ids: Iterable[str]) -> dict[str, int]:
    """Counts the target's images that a training was given, and checks that none is scored.

    Args:
        file: the training's `history.json`.
        scored_ids: the ids of the target's images that are to be scored.

    Returns:
        Number of images by their use, 'labelled' and 'unlabelled'.

    Raises:
        RoadshiftError: the file is missing or damaged, or training was given an image that is to
            be scored.
    """
    scored = {*scored_ids}
    given = _target_images(file)
    for use, ids in given.items():
        if both := sorted(scored & {*ids}):
            raise RoadshiftError(
                f"{file}: training was given image '{both[0]}' of the target ({use}), which is to "
                "be scored; run the train stage again"
            )
    return {use: len(ids) for use, ids in given.items()}


def _target_images(file: Path) -> dict[str, list[str]]:
    try:
        given = json.loads(file.read_text("utf-8"))["target_images"]
        return {str(use): [str(name) for name in ids] for use, ids in given.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RoadshiftError(
            f"{file}: does not say which target images training was given "
            f"({type(error).__name__}); train the network again"
        ) from None
