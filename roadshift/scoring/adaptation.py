"""Adapting a network, at test time, to the pictures that it is scored on: without their labels.

Such figures are 'transductive': the network saw the pictures, all at once or one at a time,
before it was asked. They stand beside the plain ones, never in their place.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from roadshift.networks.batch_norm import (
    batch_statistics,
    learning_normalizations,
    normalizations,
)
from roadshift.networks.statistics import recompute_statistics
from roadshift.scoring.inference import Segmenter, fit_picture

BATCH_PIXELS = 2**21
"""Pictures of one size are put through the network together up to this: 2048×1024 is one."""


@contextmanager
def adapted_statistics(
    network: keras.Model, pictures: Iterable[np.ndarray], max_height: int
) -> Iterator[None]:
    """Inside, a network's batch-norm statistics of the sources are those of a domain's (AdaBN).

    It takes one pass over the pictures (Li et al. 2016, https://arxiv.org/abs/1603.04779).
    Statistics that training kept or froze were never the sources': the layers after them learned
    with those of ImageNet, and would be put off their point on the sources themselves. They stay
    as they are, as all other weights do.

    Args:
        network: has its own statistics again afterwards.
        pictures: uint8 RGB (H, W, 3), at least one.
        max_height: as for `Segmenter`.
    """
    norms = learning_normalizations(network)
    moving = [variable for norm in norms for variable in (norm.moving_mean, norm.moving_variance)]
    with _restored(moving):
        recompute_statistics(network, norms, _batches(pictures, max_height))
        yield


def _batches(pictures: Iterable[np.ndarray], max_height: int) -> Iterator[tf.Tensor]:
    """Float32 (N, H, W, 3) of pictures that follow each other and are fitted to one size."""
    batch: list[tf.Tensor] = []
    for picture in pictures:
        fitted = fit_picture(picture, max_height)
        height, width, _ = fitted.shape
        full = (len(batch) + 1) * height * width > BATCH_PIXELS
        if batch and (full or batch[0].shape != fitted.shape):
            yield tf.stack(batch)
            batch = []
        batch.append(fitted)
    if batch:
        yield tf.stack(batch)


class TentSegmenter:
    """Segments each picture with a network that was adapted to it by TENT.

    Normalizations use the statistics of the picture where training used those of its batch (the
    others as for `adapted_statistics`). The scales and offsets of all are moved to lower the mean
    entropy of its pixels, by Adam. Episodic: each picture begins with the trained
    network, so that its result depends on no other picture and on no order
    (Wang et al. 2021, https://arxiv.org/abs/2006.10726).
    """

    def __init__(
        self,
        network: keras.Model,
        max_height: int,
        steps: int,
        learning_rate: float,
        flip: bool = False,
        scales: Sequence[float] = (1.0,),
    ) -> None:
        """Prepares steps and prediction.

        Args:
            network: is as it was after each picture.
            max_height: as for `Segmenter`.
            steps: of the optimizer, for each picture.
            learning_rate: of Adam.
            flip: as for `Segmenter`, for the prediction after the last step.
            scales: as for `Segmenter`, likewise.
        """
        self._norms = learning_normalizations(network)
        self._steps = steps
        self._segmenter = Segmenter(network, max_height, flip, scales)
        norms = normalizations(network)
        affine = [variable for norm in norms for variable in (norm.gamma, norm.beta)]
        optimizer = keras.optimizers.Adam(learning_rate)
        optimizer.build(affine)
        self._changed = [*affine, *optimizer.variables]

        @tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)])
        def step(image: tf.Tensor) -> tf.Tensor:
            picture = fit_picture(image, max_height)
            values = [variable.value for variable in affine]
            # Named one by one, since a tape does not watch what training froze.
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(values)
                logits = network(picture[tf.newaxis], training=False)
                log_probability = tf.nn.log_softmax(logits)
                information = tf.exp(log_probability) * log_probability
                entropy = -tf.reduce_mean(tf.reduce_sum(information, -1))
            optimizer.apply(tape.gradient(entropy, values), affine)
            return entropy

        self._step = step

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Segments a picture as `Segmenter` does."""
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
