"""The columns of an ablation's tables: single scores, and means over mixes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ablation.records import RunRecord
from roadshift.report.ablations import HELD_OUT, VAL, transfer_column
from roadshift.scoring.results import DomainScores, ImageMatrices, Method
from roadshift.scoring.tables import domain_title
from roadshift.scoring.transfer import SourceScores, TransferScores, counted
from stages.params import TARGET


@dataclass(frozen=True)
class Outcome:
    """A run that has ended.

    Attributes:
        record: record of the run.
        transfer: by mix and source, the confusion matrices behind the scores that may choose.
        test: by mix and domain, those of test images; empty without a look at them.
        ran: whether any of its stages had to run.
    """

    record: RunRecord
    transfer: Mapping[str, Mapping[str, ImageMatrices]]
    test: Mapping[str, Mapping[str, ImageMatrices]]
    ran: bool

    @property
    def cells(self) -> dict[str, ImageMatrices]:
        """The matrices by column: of the transfer scores, then of test images."""
        found = {
            transfer_column(mix, role): each
            for mix, sources in self.transfer.items()
            for role, each in sources.items()
        }
        several = len(self.test) > 1
        for mix, domains in self.test.items():
            found |= {test_column(mix, role, several): each for role, each in domains.items()}
        return found


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Attributes:
        primary: the column of the verdicts, which is drawn as a chart.
        heads: by column, the words above it, in the order of the table.
        singles: the columns that are scores of one network on one domain.
        means: by further column, the weights of the single columns that it is the mean of.
    """

    primary: str
    heads: Mapping[str, str]
    singles: Sequence[str]
    means: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def weights(self) -> Mapping[str, float]:
        """The weights of the single columns that the primary column is the mean of."""
        return self.means.get(self.primary, {self.primary: 1.0})


def test_column(mix: str, role: str, several: bool) -> str:
    """The column of a network's test scores on a domain: the role, behind the mix if several."""
    return f"{mix}→{role}" if several else role


def mean_weights(transfer: Mapping[str, TransferScores], *, held_out: bool) -> dict[str, float]:
    """The columns of a mean over mixes of their transfer scores, with their weights.

    Args:
        transfer: by mix, its transfer scores.
        held_out: whether the mean is over held-out sources, or over a mix's own.

    Returns:
        Empty where no source counts.
    """
    by_mix = {
        mix: roles
        for mix, found in transfer.items()
        if (roles := counted(found.domains, held_out=held_out))
    }
    return {
        transfer_column(mix, role): 1 / len(by_mix) / len(roles)
        for mix, roles in by_mix.items()
        for role in roles
    }


def transfer_heads(transfer: Mapping[str, TransferScores]) -> dict[str, str]:
    """The words above the columns of single transfer scores, by column."""
    return {
        transfer_column(mix, role): _head(mix, role, score)
        for mix, found in transfer.items()
        for role, score in found.domains.items()
    }


def transfer_columns(record: RunRecord) -> Columns:
    """The columns of the scores that may choose: held-out sources first, val of own sources then.

    Args:
        record: a run of the baseline.
    """
    singles = transfer_heads(record.transfer)
    heads: dict[str, str] = {}
    means: dict[str, dict[str, float]] = {}
    for name, held_out in ((HELD_OUT, True), (VAL, False)):
        weights = mean_weights(record.transfer, held_out=held_out)
        if not weights:
            continue
        means[name] = weights
        shown = {key: singles[key] for key in weights}
        if len(shown) == 1:
            heads[name] = f"{name}: {next(iter(shown.values()))}"
        else:
            heads |= {name: f"{name}, mean", **shown}
    return Columns(HELD_OUT if HELD_OUT in means else VAL, heads, [*singles], means)


def test_columns(record: RunRecord) -> Columns:
    """The columns of the scores on test images; of several mixes, the target's mean comes last."""
    heads = {column: domain_title(column, score) for column, score in record.domains.items()}
    singles = [*heads]
    if len(record.mixes) == 1:
        return Columns(TARGET, heads, singles)
    of_target = [test_column(mix, TARGET, True) for mix in record.mixes]
    means = {TARGET: {column: 1 / len(of_target) for column in of_target}}
    return Columns(TARGET, {**heads, TARGET: f"{TARGET}, mean over mixes"}, singles, means)


def _head(mix: str, role: str, score: SourceScores) -> str:
    splits = " and ".join(score.splits)
    return f"{mix}→{role} = {score.data_set} ({score.images} images of {splits})"


def mious(record: RunRecord, method: Method | None, *, final: bool) -> dict[str, float | None]:
    """The mIoU of a run for its progress line, by the words before it.

    Args:
        record: record of the run.
        method: the test-time adaptation whose scores count; None for plain scores.
        final: whether test scores are asked for; an earlier look may have left some.
    """
    found: dict[str, float | None] = {}
    for mix, transfer in record.transfer.items():
        for role, score in transfer.domains.items():
            found[f"{mix}→{role} {'+'.join(score.splits)}"] = _miou(score, method)
    for column, test in record.domains.items() if final else ():
        found[f"{column} test"] = _miou(test, method)
    return found


def _miou(score: DomainScores, method: Method | None) -> float | None:
    return score.miou if method is None else score.adapted[method].miou
