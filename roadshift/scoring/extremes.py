"""Choice of the images that show a network at its best, at its worst and in between."""

from roadshift.scoring.metrics import mean_iou
from roadshift.scoring.results import ImageMatrices


def best_median_worst(matrices: ImageMatrices) -> dict[str, str]:
    """Returns the ids of the images with the highest, the median and the lowest mIoU.

    The mIoU of an image is over the classes in its ground truth. The median of an even number is
    the lower one of the two in the middle. Of equal images the first by id ranks higher. Images
    without a labelled pixel are left out.

    Args:
        matrices: the confusion matrices of a network on a domain.

    Returns:
        Ids under 'best', 'median' and 'worst'. With fewer than three images an id occurs more than
        once. The result is empty where no image is labelled.
    """
    mious = [mean_iou(matrix) for matrix in matrices.matrices]
    scored = [
        (-miou, name) for name, miou in zip(matrices.ids, mious, strict=True) if miou is not None
    ]
    ranked = [name for _, name in sorted(scored)]
    if not ranked:
        return {}
    return {"best": ranked[0], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}


def example_ids(matrices: ImageMatrices) -> list[str]:
    """Returns the ids of the images that are shown: the first, the best, the median, the worst.

    Args:
        matrices: the confusion matrices of a network on a domain, in the order of scoring.

    Returns:
        Ids, each once, in the order of scoring.
    """
    shown = {*matrices.ids[:1], *best_median_worst(matrices).values()}
    return [name for name in matrices.ids if name in shown]
