"""Checks of random draws: their range, their evenness, their independence."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf


def for_each_key(function: Callable[[tf.Tensor], tf.Tensor], count: int = 200) -> np.ndarray:
    """Applies a function to the keys of as many samples, in one graph, and stacks the results.

    Args:
        function: function from a key, int64 [2], to a float32 tensor.
        count: number of samples.
    """
    keys = tf.stack([tf.fill([count], 7), tf.range(count)], axis=1)
    traced = tf.function(
        lambda: tf.map_fn(function, tf.cast(keys, tf.int64), fn_output_signature=tf.float32),
        autograph=False,
    )
    return traced().numpy().astype(np.float64)


def assert_uniform(values, low: float, high: float, slack: float = 1e-3) -> None:
    """Fails unless draws fill low..high evenly, from end to end, and stay in it.

    Args:
        values: at least 150 draws; that many come within a twentieth of either end.
        low: lower end of the range.
        high: upper end of the range.
        slack: error of the values, as a share of the range.
    """
    places = (np.asarray(values, np.float64).ravel() - low) / (high - low)
    assert len(places) >= 150
    assert -slack <= places.min() < 0.05
    assert 0.95 < places.max() <= 1 + slack
    quarters = np.histogram(places.clip(0, 1), 4, (0, 1))[0] / len(places)
    assert (abs(quarters - 0.25) < 0.12).all()


def assert_independent(*draws) -> None:
    """Fails unless the correlation of any two rows of draws is small."""
    correlations = np.corrcoef(draws)
    others = correlations[~np.eye(len(draws), dtype=bool)]
    assert (abs(others) < 0.25).all()
