"""Computing a training step in bfloat16, with weights and statistics in float32."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from roadshift.networks.settings import Precision


@contextmanager
def computing_in(network: keras.Model, precision: Precision) -> Iterator[None]:
    """Context manager: the network's layers compute in another precision.

    A `tf.function` keeps the precision in which it was traced. Weights, batch-norm statistics and
    those of IBN stay in float32, and so does the scaling of images, whose 256 levels bfloat16 could
    just tell apart. Outside of the block, and in its file, the network is one of float32.

    Args:
        network: the network.
        precision: 'float32' changes nothing.
    """
    if precision == "float32":
        yield
        return
    layers = [
        layer
        for layer in network._flatten_layers(include_self=False)
        if not isinstance(layer, keras.layers.Rescaling)
    ]
    policies = [layer.dtype_policy for layer in layers]
    for layer in layers:
        layer.dtype_policy = f"mixed_{precision}"
    try:
        yield
    finally:
        for layer, policy in zip(layers, policies, strict=True):
            layer.dtype_policy = policy
