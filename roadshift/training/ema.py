"""An exponential moving average of a network's weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

from roadshift.networks.batch_norm import updating_batch_norms


class ExponentialMovingAverage:
    """The average of everything that training changes in a network.

    After step t = 1, 2, … each average a becomes d·a + (1 - d)·w, where w is the weight and
    d = min(decay, (1 + t) / (10 + t)); it begins at the first weight (Polyak and Juditsky 1992).
    `tf.train.ExponentialMovingAverage` computes it, with this warm-up.

    The moving statistics of batch normalization are averaged by the same decay: they must fit the
    averaged weights, which lag many steps behind. Copied ones would fit the last step's weights.
    """

    def __init__(self, network: keras.Model, decay: float) -> None:
        """Begins the average at the network's weights.

        Args:
            network: the network; its trainable weights and moving statistics are averaged.
            decay: decay of the average, 0..1, 1 excluded.
        """
        norms = updating_batch_norms(network)
        statistics = [v for norm in norms for v in (norm.moving_mean, norm.moving_variance)]
        self._variables = [v.value for v in (*network.trainable_variables, *statistics)]
        self._step = tf.Variable(0.0, trainable=False)
        self._average = tf.train.ExponentialMovingAverage(decay, self._step)
        self._average.apply(self._variables)

    def update(self) -> None:
        """Adds the weights after one more step, inside a `tf.function` or outside."""
        self._step.assign_add(1.0)
        self._average.apply(self._variables)

    @property
    def variables(self) -> list[tf.Variable]:
        """The variables that `update` changes."""
        return [self._step, *(self._average.average(v) for v in self._variables)]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Context manager: the network has the averaged weights, and its own again afterwards."""
        own = [variable.numpy() for variable in self._variables]
        for variable in self._variables:
            variable.assign(self._average.average(variable))
        try:
            yield
        finally:
            for variable, value in zip(self._variables, own, strict=True):
                variable.assign(value)
