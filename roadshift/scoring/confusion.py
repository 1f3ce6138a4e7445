"""The confusion matrix of one image, in integers, so that sums do not depend on their order."""

from collections.abc import Sequence

import numpy as np

from roadshift.errors import RoadshiftError
from roadshift.taxonomy import IGNORE_ID, PartialLabel, scored_ids


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


def partial_rows(
    label: np.ndarray, prediction: np.ndarray, partial_labels: Sequence[PartialLabel], classes: int
) -> np.ndarray:
    """Counts the pixels of each pair of partial label and predicted class.

    Args:
        label: uint8 (H, W), label ids.
        prediction: uint8 (H, W), ids 0..classes-1.
        partial_labels: the partial labels to count.
        classes: number of classes, 1..255.

    Returns:
        int64 (partial labels, classes): rows that follow those of `confusion_matrix`.
    """
    rows = np.zeros((len(partial_labels), classes), np.int64)
    for row, partial in zip(rows, partial_labels, strict=True):
        row += np.bincount(prediction[label == partial.id], minlength=classes)
    return rows


def joined_matrices(
    matrices: np.ndarray, rows: np.ndarray, partial_labels: Sequence[PartialLabel]
) -> np.ndarray:
    """Joins the classes that partial labels do not tell apart: all count as the first of them.

    Args:
        matrices: int64 (images, classes, classes), the confusion matrices of the exact labels.
        rows: int64 (images, partial labels, classes), see `partial_rows`.
        partial_labels: the partial labels, in the order of the rows.

    Returns:
        int64 (images, classes, classes). The rows and columns of the other joined classes are 0.
    """
    classes = matrices.shape[-1]
    scored = scored_ids(partial_labels, classes)
    labels = scored[[*range(classes), *(partial.id for partial in partial_labels)]]
    counts = np.concatenate([matrices, rows], axis=1)
    columns, joined = np.zeros_like(counts), np.zeros_like(matrices)
    for predicted in range(classes):
        columns[..., scored[predicted]] += counts[..., predicted]
    for row, label in enumerate(labels):
        joined[:, label] += columns[:, row]
    return joined


def _check_ids(name: str, ids: np.ndarray, classes: int) -> None:
    unknown = ids[(ids < 0) | (ids >= classes)]
    if unknown.size:
        raise RoadshiftError(
            f"{name} holds id {unknown[0]} ({np.count_nonzero(unknown == unknown[0])} pixels), "
            f"expected 0..{classes - 1}; labels and network need the same taxonomy"
        )
