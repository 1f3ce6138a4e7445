"""Which pictures show a network at its best, at its worst and in between."""

from collections.abc import Sequence

import numpy as np

from roadshift.scoring.metrics import mean_iou


def picture_mious(matrices: np.ndarray) -> list[float | None]:
    """The mIoU of each picture, over the classes that it shows.

    Args:
        matrices: int64 (pictures, classes, classes), rows the truth.

    Returns:
        Each in 0..1; None of a picture without a labelled pixel.
    """
    return [mean_iou(matrix) for matrix in matrices]


def best_median_worst(ids: Sequence[str], matrices: np.ndarray) -> dict[str, str]:
    """The ids of the pictures with the highest, the median and the lowest mIoU.

    The lower one of two in the middle; of equals the first by id ranks as the better. Pictures
    without a labelled pixel are left out.

    Args:
        ids: of the pictures.
        matrices: int64 (pictures, classes, classes), in the same order, rows the truth.

    Returns:
        Ids under 'best', 'median' and 'worst', the same one more than once where there are fewer
        than three pictures; empty where none is labelled.
    """
    scored = [
        (miou, str(name))
        for name, miou in zip(ids, picture_mious(matrices), strict=True)
        if miou is not None
    ]
    ranked = [name for _, name in sorted(scored, key=lambda entry: (-entry[0], entry[1]))]
    if not ranked:
        return {}
    return {"best": ranked[0], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}
