"""Partial labels: labels that say of a pixel only that it is one of several classes.

A set's class that straddles classes of a taxonomy gives partial labels. Their ids follow those of
the classes, so a label image holds classes, partial labels and the ignore id.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PartialLabel:
    """A label that stands for one of several classes.

    Attributes:
        id: label id, from the number of classes on.
        classes: ids of the classes, ascending, at least two.
        name: names of the classes, joined by ' or '.
    """

    id: int
    classes: tuple[int, ...]
    name: str

    @classmethod
    def of(
        cls, label_id: int, classes: Iterable[int], class_names: Sequence[str]
    ) -> "PartialLabel":
        """Makes the partial label of some classes, with its name."""
        ids = tuple(sorted(classes))
        return cls(label_id, ids, " or ".join(class_names[class_id] for class_id in ids))


def spread_pixels(
    pixels: np.ndarray, partial_labels: Sequence[PartialLabel], classes: int
) -> np.ndarray:
    """Spreads the pixels of partial labels over their classes, each with the same share.

    Args:
        pixels: int64 (..., classes + partial labels), number of pixels of each class, then of each
            partial label.
        partial_labels: the partial labels, in the order of their columns.
        classes: number of classes.

    Returns:
        (..., classes), number of pixels of each class: int64, the same numbers, without partial
        labels, else float64.
    """
    if not partial_labels:
        return pixels
    spread = pixels[..., :classes].astype(np.float64)
    for column, partial in enumerate(partial_labels, classes):
        spread[..., list(partial.classes)] += pixels[..., [column]] / len(partial.classes)
    return spread


def joined_classes(
    partial_labels: Iterable[PartialLabel], classes: int
) -> tuple[tuple[int, ...], ...]:
    """Joins the classes that partial labels do not tell apart.

    Two classes are joined if a partial label holds both, or if a chain of partial labels leads from
    one to the other. No finer classes can be scored without leaving pixels out.

    Args:
        partial_labels: the partial labels of a data set.
        classes: number of classes.

    Returns:
        The ids of the classes of each group of at least two, both ascending.
    """
    first = list(range(classes))
    for partial in partial_labels:
        group = {first[class_id] for class_id in partial.classes}
        first = [min(group) if each in group else each for each in first]
    groups = (tuple(k for k in range(classes) if first[k] == each) for each in sorted({*first}))
    return tuple(group for group in groups if len(group) > 1)


def is_wrong(
    label: np.ndarray, prediction: np.ndarray, partial_labels: Iterable[PartialLabel]
) -> np.ndarray:
    """Returns where a prediction is neither the labelled class nor one of a partial label's.

    Args:
        label: uint8 (H, W), label ids.
        prediction: uint8 (H, W), class ids.
        partial_labels: the partial labels that may occur.

    Returns:
        bool (H, W); true where the label is ignored.
    """
    wrong = label != prediction
    for partial in partial_labels:
        wrong &= (label != partial.id) | ~np.isin(prediction, partial.classes)
    return wrong


def joined_name(class_names: Iterable[str]) -> str:
    """Returns the name of a joined class."""
    return " + ".join(class_names)


def split_joined(name: str) -> list[str]:
    """Returns the names of the classes that a joined class consists of."""
    return name.split(" + ")


def scored_ids(partial_labels: Sequence[PartialLabel], classes: int) -> np.ndarray:
    """Returns the class that each label id is scored as.

    Args:
        partial_labels: the partial labels of a data set.
        classes: number of classes.

    Returns:
        uint8 (256,): of joined classes and their partial labels the first class, of any other id
        the id itself.
    """
    ids = np.arange(256, dtype=np.uint8)
    for group in joined_classes(partial_labels, classes):
        ids[list(group)] = group[0]
    for partial in partial_labels:
        ids[partial.id] = ids[partial.classes[0]]
    return ids
