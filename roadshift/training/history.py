"""The account of a training, epoch by epoch."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadshift.errors import RoadshiftError

if TYPE_CHECKING:
    from dvclive import Live  # whoever reads a history need not import it


def open_live(folder: Path) -> "Live":
    """DVCLive's curves in a folder: no experiment of its own, and nothing in dvc.yaml.

    Raises:
        RoadshiftError: the git repository has no commit yet, which DVCLive cannot do with.
    """
    from dvclive import Live
    from scmrepo.exceptions import SCMError

    try:
        return Live(str(folder), save_dvc_exp=False, dvcyaml=None)
    except SCMError as error:
        raise RoadshiftError(
            f"DVCLive asks git for the revision, and there is none ({error}); make a first "
            "commit: git add --all && git commit"
        ) from None


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to."""

    number: int
    """Counted from 1."""
    loss: float
    """Mean over the epoch's steps, penalties included."""
    learning_rate: float
    """At the epoch's end, without the encoder's factor."""
    val_miou: Mapping[str, float]
    """mIoU on each source's validation split, by role."""

    @property
    def selection_score(self) -> float:
        """What epochs are chosen by: the mean of the sources' validation mIoU."""
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
    """All epochs, and the one that was chosen."""

    epochs: list[Epoch] = field(default_factory=list)

    @property
    def best(self) -> Epoch:
        """The epoch with the highest selection score, the first of equals."""
        return max(self.epochs, key=lambda epoch: epoch.selection_score)

    def as_json(self) -> dict[str, Any]:
        """What `history.json` holds: the selected epoch, and all of them."""
        return {"selected": asdict(self.best), "epochs": [asdict(e) for e in self.epochs]}


def read_target_pictures(file: Path) -> dict[str, list[str]]:
    """Reads of `history.json` which pictures of the target training was given, by their use.

    Raises:
        RoadshiftError: it is missing or damaged.
    """
    try:
        used = json.loads(file.read_text("utf-8"))["target_pictures"]
        return {str(use): [str(name) for name in ids] for use, ids in used.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RoadshiftError(
            f"{file}: does not say which pictures of the target training was given "
            f"({type(error).__name__}); train the network again"
        ) from None
