"""Metrics of semantic segmentation, from an integer confusion matrix.

A matrix has the truth in its rows and the prediction in its columns. A class without a pixel in
the ground truth has no IoU and no accuracy and is left out of every mean. Pixels that are wrongly
predicted as such a class count in the union of their true class, and nowhere else. Without any
pixel every mean is None.

IoU and its mean as in Everingham et al. 2010 (PASCAL VOC); the accuracies and the
frequency-weighted IoU as in Long, Shelhamer and Darrell 2015, arXiv 1411.4038.
"""

import numpy as np


def class_iou(matrix: np.ndarray) -> np.ndarray:
    """Computes the intersection over union of each class.

    Args:
        matrix: int64 or float64 (..., C, C), one or more confusion matrices.

    Returns:
        float64 (..., C) in 0..1, nan where the class is absent from the ground truth.
    """
    hits, truth = _hits_and_truth(matrix)
    return _share(hits, truth + matrix.sum(axis=-2) - hits, truth > 0)


def class_accuracy(matrix: np.ndarray) -> np.ndarray:
    """Share of each class's pixels that are recognized; shapes and nan as in `class_iou`."""
    hits, truth = _hits_and_truth(matrix)
    return _share(hits, truth, truth > 0)


def mean_iou(matrix: np.ndarray) -> float | None:
    """Mean IoU over the classes that are in the ground truth, 0..1."""
    return _scalar(mean_of_present(class_iou(matrix)))


def mean_accuracy(matrix: np.ndarray) -> float | None:
    """Mean accuracy over the classes that are in the ground truth, 0..1."""
    return _scalar(mean_of_present(class_accuracy(matrix)))


def pixel_accuracy(matrix: np.ndarray) -> float | None:
    """Share of all counted pixels that are recognized, 0..1."""
    pixels = int(matrix.sum())
    return int(np.trace(matrix)) / pixels if pixels else None


def frequency_weighted_iou(matrix: np.ndarray) -> float | None:
    """Mean IoU with each class weighted by its share of the ground truth, 0..1."""
    pixels = int(matrix.sum())
    if not pixels:
        return None
    return float(np.nansum(class_iou(matrix) * matrix.sum(axis=-1)) / pixels)


def mean_of_present(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of the values that are not nan; nan where all are."""
    present = ~np.isnan(values)
    count = present.sum(axis=-1)
    return _share(np.where(present, values, 0).sum(axis=-1), count, count > 0)


def _hits_and_truth(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(axis=-1)


def _share(part: np.ndarray, whole: np.ndarray, defined: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=defined)


def _scalar(value: np.ndarray) -> float | None:
    return None if np.isnan(value) else float(value)
