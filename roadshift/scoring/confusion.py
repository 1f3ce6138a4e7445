"""The confusion matrix of one image, in integers, so that sums do not depend on their order."""

import numpy as np

from roadshift.errors import RoadshiftError
from roadshift.taxonomy import IGNORE_ID


def confusion_matrix(
    label: np.ndarray, prediction: np.ndarray, classes: int, *, ignore_id: int = IGNORE_ID
) -> np.ndarray:
    """Counts the pixels of each pair of true and predicted class.

    Args:
        label: uint8 (H, W), ids 0..classes-1 or `ignore_id`.
        prediction: uint8 (H, W), ids 0..classes-1; any value where the label is ignored.
        classes: number of classes, 1..255.
        ignore_id: label id of the pixels that do not count.

    Returns:
        int64 (classes, classes): rows are the truth, columns the prediction.

    Raises:
        ValueError: shapes differ.
        RoadshiftError: an id is not one of the classes.
    """
    if label.shape != prediction.shape:
        raise ValueError(f"label has shape {label.shape}, prediction {prediction.shape}")
    counted = label != ignore_id
    truth = label[counted].astype(np.int64)
    predicted = prediction[counted].astype(np.int64)
    _check_ids("label", truth, classes)
    _check_ids("prediction", predicted, classes)
    pairs = np.bincount(classes * truth + predicted, minlength=classes * classes)
    return pairs.reshape(classes, classes).astype(np.int64, copy=False)


def _check_ids(name: str, ids: np.ndarray, classes: int) -> None:
    unknown = ids[(ids < 0) | (ids >= classes)]
    if unknown.size:
        raise RoadshiftError(
            f"{name} holds id {unknown[0]} ({np.count_nonzero(unknown == unknown[0])} pixels), "
            f"expected 0..{classes - 1}; labels and network need the same taxonomy"
        )
