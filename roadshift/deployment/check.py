"""Holds an exported network against the Keras network that it was made from."""

from collections.abc import Iterable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from roadshift.deployment.formats import Size
from roadshift.deployment.runtimes import Run, TimedNetwork
from roadshift.records.reader import Example
from roadshift.scoring.confusion import confusion_matrix
from roadshift.scoring.inference import Segmenter
from roadshift.scoring.metrics import mean_iou

AGREEMENT = 0.995
"""The least share of pixels on which an export in floats must agree."""
LOSS = 0.01
"""The most mIoU that an export in integers may lose."""


@dataclass(frozen=True)
class Check:
    """What an export came to on some pictures."""

    pictures: int
    agreement: float
    """Share of all pixels that get the same class, 0..1."""
    miou_before: float | None
    """Of the Keras network at the labels' own resolution, 0..1; None without any pixel."""
    miou_after: float | None
    milliseconds_before: float
    """Median over the pictures of the network's part, without scaling."""
    milliseconds_after: float

    def failure(self, integers: bool) -> str:
        """Which bar was missed; '' where none was."""
        if not integers and self.agreement < AGREEMENT:
            return f"agrees on {self.agreement:.2%} of the pixels, expected {AGREEMENT:.1%}"
        before, after = self.miou_before, self.miou_after
        if before is not None and after is not None and before - after > LOSS:
            lost, most = 100 * (before - after), 100 * LOSS
            return f"loses {lost:.1f} points of mIoU, expected at most {most:.0f}"
        return ""


def check_export(
    network: keras.Model,
    run: Run,
    size: Size | None,
    max_height: int,
    classes: int,
    found: Iterable[Example],
) -> Check:
    """Runs both on the same pictures, at least one.

    Args:
        network: the Keras network.
        run: what runs the export.
        size: of the pictures that the export takes, None for any; both get them so.
        max_height: taller pictures are scaled down to it; 0 for none.
        classes: how many there are.
        found: pictures with labels, none larger than `size`.
    """

    @tf.function(input_signature=[tf.TensorSpec((1, None, None, 3), tf.float32)])
    def compiled(pictures: tf.Tensor) -> tf.Tensor:
        return network(pictures, training=False)

    before = TimedNetwork(lambda pictures: compiled(pictures).numpy(), size)
    after = TimedNetwork(run, size)
    segmenters = Segmenter(before, max_height), Segmenter(after, max_height)
    matrices = np.zeros((2, classes, classes), np.int64)
    same, pixels, pictures = 0, 0, 0
    for example in found:
        first, second = (segmenter(example.image)[0] for segmenter in segmenters)
        matrices += [confusion_matrix(example.label, each, classes) for each in (first, second)]
        same += int(np.count_nonzero(first == second))
        pixels += first.size
        pictures += 1
    return Check(
        pictures,
        same / pixels,
        mean_iou(matrices[0]),
        mean_iou(matrices[1]),
        float(np.median(before.milliseconds)),
        float(np.median(after.milliseconds)),
    )
