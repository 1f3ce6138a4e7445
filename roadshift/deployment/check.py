"""Compares an exported network with the Keras network that it was made from."""

from collections.abc import Iterable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from roadshift.deployment.formats import Size
from roadshift.deployment.runtimes import RunNetwork, TimedNetwork
from roadshift.inference.segmenter import Segmenter
from roadshift.networks.settings import InferenceSettings
from roadshift.records.reader import Example
from roadshift.scoring.confusion import confusion_matrix
from roadshift.scoring.metrics import mean_iou

MIN_AGREEMENT = 0.995
"""Smallest share of pixels on which an export in floats must agree."""
MAX_MIOU_LOSS = 0.01
"""Largest loss of mIoU that an export may have, 0..1."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """The comparison of an export with the Keras network on some images.

    Attributes:
        images: number of images.
        agreement: share of all pixels that get the same class, 0..1.
        miou_before: mIoU of the Keras network at the labels' own resolution, 0..1; None if no
            pixel is scored.
        miou_after: mIoU of the export, likewise.
        milliseconds_before: median time of the Keras network for an image, without resizing.
        milliseconds_after: median time of the export, likewise.
    """

    images: int
    agreement: float
    miou_before: float | None
    miou_after: float | None
    milliseconds_before: float
    milliseconds_after: float

    def failure(self, integers: bool) -> str:
        """Returns the limit that the export misses, as text; '' if it misses none.

        Args:
            integers: whether the export is in integers, whose agreement has no limit.
        """
        if not integers and self.agreement < MIN_AGREEMENT:
            return f"agrees on {self.agreement:.2%} of the pixels, expected {MIN_AGREEMENT:.1%}"
        before, after = self.miou_before, self.miou_after
        if before is not None and after is not None and before - after > MAX_MIOU_LOSS:
            lost, limit = 100 * (before - after), 100 * MAX_MIOU_LOSS
            return f"loses {lost:.1f} points of mIoU, expected at most {limit:.0f}"
        return ""


def check_export(
    network: keras.Model,
    run: RunNetwork,
    *,
    size: Size | None,
    max_height: int,
    classes: int,
    labelled: Iterable[Example],
) -> Check:
    """Runs the Keras network and the export on the same images.

    Args:
        network: Keras network.
        run: function that runs the export.
        size: height and width of the export's input in pixels, None for any; the Keras network gets
            images of the same size.
        max_height: height limit of the images in pixels; 0 for none.
        classes: number of classes.
        labelled: images with labels, at least one; none is larger than `size`.
    """

    @tf.function(input_signature=[tf.TensorSpec((1, None, None, 3), tf.float32)])
    def compiled(images: tf.Tensor) -> tf.Tensor:
        return network(images, training=False)

    before = TimedNetwork(lambda images: compiled(images).numpy(), size)
    after = TimedNetwork(run, size)
    settings = InferenceSettings(max_height=max_height)
    segmenters = Segmenter(before, settings), Segmenter(after, settings)
    matrices = np.zeros((2, classes, classes), np.int64)
    same, pixels, images = 0, 0, 0
    for example in labelled:
        first, second = (segmenter(example.image).ids for segmenter in segmenters)
        matrices += [confusion_matrix(example.label, each, classes) for each in (first, second)]
        same += int(np.count_nonzero(first == second))
        pixels += first.size
        images += 1
    return Check(
        images=images,
        agreement=same / pixels,
        miou_before=mean_iou(matrices[0]),
        miou_after=mean_iou(matrices[1]),
        milliseconds_before=float(np.median(before.milliseconds)),
        milliseconds_after=float(np.median(after.milliseconds)),
    )
