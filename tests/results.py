"""Complete scores for tests, which state only what they are about."""

from roadshift.scoring.results import DomainScores, MixScores
from roadshift.scoring.transfer import SourceScores, TransferScores


def domain_scores(miou, low=None, high=None, **changes):
    """The scores of a network on a domain of three images.

    Args:
        miou: the mIoU, 0..1 or None.
        low: lower end of its interval.
        high: upper end of its interval.
        changes: further fields of `DomainScores`.
    """
    iou = changes.setdefault("iou", {"road": miou})
    absent = [name for name, value in iou.items() if value is None]
    values = {
        "data_set": "noon",
        "images": 3,
        "miou": miou,
        "miou_low": low,
        "miou_high": high,
        "classes_scored": len(iou) - len(absent),
        "classes_absent": absent,
        "pixel_accuracy": miou,
        "mean_accuracy": miou,
        "frequency_weighted_iou": miou,
        "calibration_error": None if miou is None else 0.02,
    }
    return DomainScores(**{**values, **changes})


def mix_scores(domains, mix="ab", target_images=None):
    """The scores of the network of a mix.

    Args:
        domains: `DomainScores` by role.
        mix: the mix's name.
        target_images: number of the target's images that training was given, by their use.
    """
    return MixScores(
        mix=mix, taxonomy="driving11", target_images=target_images or {}, domains=domains
    )


def transfer_scores(domains, own, *, mix="ab", held_out=None, val=None):
    """The scores of the network of a mix that may choose.

    Args:
        domains: `DomainScores` by source.
        own: the sources that the network was trained on.
        mix: the mix's name.
        held_out: mean mIoU on held-out sources.
        val: mean mIoU on val of its own sources.
    """
    scores = {
        role: SourceScores(
            **score.model_dump(),
            held_out=role not in own,
            splits=["val"] if role in own else ["train", "val"],
        )
        for role, score in domains.items()
    }
    return TransferScores(mix=mix, taxonomy="driving11", held_out=held_out, val=val, domains=scores)
