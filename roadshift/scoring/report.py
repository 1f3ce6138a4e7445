"""What is written about one model on one domain."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from roadshift.scoring import metrics
from roadshift.scoring.bootstrap import bootstrap_miou
from roadshift.scoring.calibration import CalibrationSums
from roadshift.scoring.settings import EvaluateSettings

_DECIMALS = 4


def score_domain(
    ids: Sequence[str],
    matrices: np.ndarray,
    calibration: CalibrationSums,
    class_names: Sequence[str],
    settings: EvaluateSettings,
    seed: int = 0,
) -> dict[str, Any]:
    """Scores a model on a domain, ready to be written as JSON.

    Args:
        ids: N ids of pictures, each once, in any order.
        matrices: int64 (N, C, C), their confusion matrices.
        calibration: the sums over all of them.
        class_names: C names.
        settings: bootstrap and its level.
        seed: seed of the bootstrap.

    Returns:
        pictures (count), miou, miou_low and miou_high (ends of the confidence interval), iou
        (class name to value), classes_scored (how many classes the mIoU is over), classes_absent
        (names of those without a pixel in the ground truth), pixel_accuracy, mean_accuracy,
        frequency_weighted_iou, calibration_error. Shares are 0..1, rounded to 4 decimals; what is
        not defined is None.

    Raises:
        ValueError: ids, matrices and names do not fit together, or an id comes twice.
    """
    expected = (len(ids), len(class_names), len(class_names))
    if matrices.shape != expected:
        raise ValueError(f"matrices have shape {matrices.shape}, expected {expected}")
    if len(set(ids)) != len(ids):
        raise ValueError("a picture is scored twice: every id must come once")
    # Draws go by place, so a fixed order makes the interval independent of the order of scoring.
    matrices = matrices[np.argsort(np.array(ids, dtype=str), kind="stable")]
    total = matrices.sum(axis=0)
    iou = {
        name: None if np.isnan(value) else _rounded(value)
        for name, value in zip(class_names, metrics.class_iou(total), strict=True)
    }
    absent = [name for name, value in iou.items() if value is None]
    low, high = bootstrap_miou(
        matrices, settings.bootstrap_samples, seed, settings.confidence_level
    ) or (None, None)
    return {
        "pictures": len(ids),
        "miou": _rounded(metrics.mean_iou(total)),
        "miou_low": _rounded(low),
        "miou_high": _rounded(high),
        "iou": iou,
        "classes_scored": len(class_names) - len(absent),
        "classes_absent": absent,
        "pixel_accuracy": _rounded(metrics.pixel_accuracy(total)),
        "mean_accuracy": _rounded(metrics.mean_accuracy(total)),
        "frequency_weighted_iou": _rounded(metrics.frequency_weighted_iou(total)),
        "calibration_error": _rounded(calibration.expected_calibration_error()),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), _DECIMALS)
