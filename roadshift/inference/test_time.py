"""Test-time adaptation: a network adapts to the test images, without labels, before predicting.

Such scores are *transductive*: the network has seen the very images that are scored. They are
reported beside the plain scores, never in their place.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from roadshift.inference.resizing import resize_to_stride
from roadshift.inference.segmenter import Segmentation, Segmenter
from roadshift.networks.batch_norm import (
    batch_norms,
    batch_statistics,
    updating_batch_norms,
)
from roadshift.networks.settings import InferenceSettings
from roadshift.networks.statistics import recompute_statistics

BATCH_PIXELS = 2**21
"""Limit on the pixels of a batch of several images: those of one image of 2048×1024."""


@contextmanager
def adapted_batch_norm(
    network: keras.Model, images: Iterable[np.ndarray], max_height: int
) -> Iterator[None]:
    """Context manager: replaces the batch-norm statistics learned on the sources (AdaBN).

    The statistics become those of the given images, in one pass over them (Li et al. 2016,
    https://arxiv.org/abs/1603.04779). Frozen ImageNet statistics are left alone: the later layers
    were trained with them.

    Args:
        network: network; its own statistics are restored at the end.
        images: uint8 RGB (H, W, 3), at least one.
        max_height: height limit of the images in pixels; 0 for none.
    """
    norms = updating_batch_norms(network)
    moving = [variable for norm in norms for variable in (norm.moving_mean, norm.moving_variance)]
    with _restored(moving):
        recompute_statistics(network, norms, _batches(images, max_height))
        yield


def _batches(images: Iterable[np.ndarray], max_height: int) -> Iterator[tf.Tensor]:
    """Yields batches, float32 (N, H, W, 3), of consecutive images that are resized to one size."""
    batch: list[tf.Tensor] = []
    for image in images:
        fitted = resize_to_stride(image, max_height)
        height, width, _ = fitted.shape
        full = (len(batch) + 1) * height * width > BATCH_PIXELS
        if batch and (full or batch[0].shape != fitted.shape):
            yield tf.stack(batch)
            batch = []
        batch.append(fitted)
    if batch:
        yield tf.stack(batch)


class TentSegmenter:
    """Segments each image with the network adapted to it by TENT.

    Batch norms use the statistics of the image where training used those of its batch; frozen
    statistics are left alone, as in `adapted_batch_norm`. Adam moves the scales and offsets of all
    batch norms to lower the mean entropy of the image's pixels. Adaptation is episodic: every image
    starts from the trained network, so that its result depends on no other image and on no order
    (Wang et al. 2021, https://arxiv.org/abs/2006.10726).
    """

    def __init__(
        self,
        network: keras.Model,
        settings: InferenceSettings,
        *,
        steps: int,
        learning_rate: float,
    ) -> None:
        """Compiles the adaptation step and the prediction.

        Args:
            network: network; its own weights are restored after each image.
            settings: height limit, and the views of the prediction after the last step.
            steps: number of optimizer steps on each image.
            learning_rate: learning rate of Adam.
        """
        self._norms = updating_batch_norms(network)
        self._steps = steps
        self._segmenter = Segmenter(network, settings)
        norms = batch_norms(network)
        affine = [variable for norm in norms for variable in (norm.gamma, norm.beta)]
        optimizer = keras.optimizers.Adam(learning_rate)
        optimizer.build(affine)
        self._changed = [*affine, *optimizer.variables]

        @tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)])
        def step(image: tf.Tensor) -> tf.Tensor:
            fitted = resize_to_stride(image, settings.max_height)
            values = [variable.value for variable in affine]
            # They are watched explicitly, since a tape does not watch frozen variables.
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(values)
                logits = network(fitted[tf.newaxis], training=False)
                log_probability = tf.nn.log_softmax(logits)
                information = tf.exp(log_probability) * log_probability
                entropy = -tf.reduce_mean(tf.reduce_sum(information, -1))
            optimizer.apply(tape.gradient(entropy, values), affine)
            return entropy

        self._step = step

    def __call__(self, image: np.ndarray) -> Segmentation:
        """Segments an image as `Segmenter` does."""
        with _restored(self._changed), batch_statistics(self._norms):
            for _ in range(self._steps):
                self._step(image)
            return self._segmenter(image)


@contextmanager
def _restored(variables: Sequence[keras.Variable]) -> Iterator[None]:
    values = [variable.numpy() for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
