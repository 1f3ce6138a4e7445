"""All metrics of one network on one domain."""

from collections.abc import Sequence

import numpy as np

from roadshift.scoring import metrics
from roadshift.scoring.bootstrap import bootstrap_miou
from roadshift.scoring.calibration import CalibrationSums
from roadshift.scoring.results import DomainScores, ImageMatrices
from roadshift.scoring.settings import EvaluateSettings
from roadshift.taxonomy import PartialLabel, joined_classes, joined_name

_DECIMALS = 4


def score_domain(
    matrices: ImageMatrices,
    calibration: CalibrationSums,
    *,
    data_set: str,
    class_names: Sequence[str],
    settings: EvaluateSettings,
    seed: int = 0,
    partial_labels: Sequence[PartialLabel] = (),
) -> DomainScores:
    """Scores a network on a domain.

    Classes that the domain's partial labels do not tell apart are scored as one joined class. Their
    calibration error is not defined: a network's confidence is that in one class.

    Args:
        matrices: the confusion matrix of each image, in any order.
        calibration: the calibration sums over all images.
        data_set: name of the data set.
        class_names: names of the classes in the order of their ids.
        settings: number of resamples and level of the confidence interval.
        seed: seed of the bootstrap.
        partial_labels: partial labels of the domain, with which `matrices` were counted; default
            none.

    Returns:
        The metrics, rounded to 4 decimals.

    Raises:
        ValueError: ids, matrices and names do not fit together, or an id occurs twice.
    """
    expected = (len(matrices.ids), len(class_names), len(class_names))
    if matrices.matrices.shape != expected:
        raise ValueError(f"matrices have shape {matrices.matrices.shape}, expected {expected}")
    if len(set(matrices.ids)) != len(matrices.ids):
        raise ValueError("an image is scored twice: every id must occur once")
    total = matrices.total
    iou = {
        name: None if np.isnan(value) else _rounded(value)
        for name, value in zip(class_names, metrics.class_iou(total), strict=True)
    }
    joined, alone = {}, dict(iou)
    for group in joined_classes(partial_labels, len(class_names)):
        names = [class_names[class_id] for class_id in group]
        joined[joined_name(names)] = iou[names[0]]
        for name in names:
            iou[name] = None
            del alone[name]
    scored = alone | joined
    absent = [name for name, value in scored.items() if value is None]
    # The bootstrap draws by position. Sorting makes the interval independent of the order in which
    # images were scored.
    low, high = bootstrap_miou(
        matrices.sorted().matrices,
        samples=settings.bootstrap_samples,
        seed=seed,
        level=settings.confidence_level,
    ) or (None, None)
    return DomainScores(
        data_set=data_set,
        images=len(matrices.ids),
        miou=_rounded(metrics.mean_iou(total)),
        miou_low=_rounded(low),
        miou_high=_rounded(high),
        iou=iou,
        joined=joined,
        classes_scored=len(scored) - len(absent),
        classes_absent=absent,
        pixel_accuracy=_rounded(metrics.pixel_accuracy(total)),
        mean_accuracy=_rounded(metrics.mean_accuracy(total)),
        frequency_weighted_iou=_rounded(metrics.frequency_weighted_iou(total)),
        calibration_error=(None if joined else _rounded(calibration.expected_calibration_error())),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), _DECIMALS)
