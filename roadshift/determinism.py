"""Making a process that uses TensorFlow repeatable."""

import keras
import tensorflow as tf


def be_deterministic(seed: int) -> None:
    """From here on the same program gives the same bits, on the same machine."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
