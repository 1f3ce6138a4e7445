"""Repeatable runs of TensorFlow."""

from roadshift import runtime

runtime.prepare()  # before Keras is imported here or by a module that is imported later


def enable_determinism(seed: int) -> None:
    """Makes the rest of the process repeatable: the same bits in each run on one machine.

    Args:
        seed: seed of the random generators of Python, NumPy and TensorFlow.
    """
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
