"""Repeatable runs of TensorFlow."""

from contextlib import suppress

from roadshift import runtime

runtime.prepare()  # before Keras is imported here or by a module that is imported later


def enable_determinism(seed: int) -> None:
    """Makes the rest of the process repeatable: the same bits in each run on one machine.

    A GPU's memory is taken as it is needed, if no operation has run yet.

    Args:
        seed: seed of the random generators of Python, NumPy and TensorFlow.
    """
    import keras
    import tensorflow as tf

    # TensorFlow would take the whole memory of each GPU, also from its next process.
    for gpu in tf.config.list_physical_devices("GPU"):
        with suppress(RuntimeError):  # it is in use already, and so is its memory
            tf.config.experimental.set_memory_growth(gpu, True)
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
