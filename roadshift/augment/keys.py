"""Seeds of the random operations: a key for each sample, and from it one for each operation.

Nothing here depends on the order in which samples are drawn, on the batch size or on the number
of workers: the same (seed, epoch, data set, sample, operation) always gives the same draws.
"""

import zlib

import tensorflow as tf

# SipHash keys: any two that differ will do. Two halves give 126 bits against collisions.
_HALVES = ([0, 1], [2, 3])
_LARGEST_INT64 = 2**63 - 1


def sample_key(*, seed: int, epoch: tf.Tensor, dataset: str, sample_id: tf.Tensor) -> tf.Tensor:
    """Makes the key of one sample in one epoch.

    The key is SipHash-2-4 (`tf.strings.to_hash_bucket_strong`), which is the same on every
    platform and in every process, of the text `seed/epoch/dataset/sample_id`, once for each half.

    Args:
        seed: seed of the run.
        epoch: integer scalar, number of the epoch or pass.
        dataset: the name of the data set that the sample is from, without a slash.
        sample_id: string scalar, unique within its data set.

    Returns:
        int64 [2], each value in 0..2^63 - 2.
    """
    parts = [str(seed), tf.strings.as_string(epoch), dataset, sample_id]
    text = tf.strings.join(parts, separator="/")
    halves = [tf.strings.to_hash_bucket_strong(text, _LARGEST_INT64, key) for key in _HALVES]
    return tf.stack(halves)


def operation_key(key: tf.Tensor, name: str) -> tf.Tensor:
    """Derives an operation's key from a sample's.

    The name counts by its CRC-32, not by its place in the chain, so that switching one operation
    on or off does not change the draws of the others.

    Args:
        key: int32 or int64 [2], key of the sample.
        name: name of the operation.

    Returns:
        int64 [2].
    """
    folded = tf.cast(zlib.crc32(name.encode()), tf.int64)
    return tf.random.fold_in(tf.cast(key, tf.int64), folded, alg="philox")


def draw_uniform(key: tf.Tensor, low: float, high: float, shape: tuple[int, ...] = ()) -> tf.Tensor:
    """Draws float32 values uniform in low..high (high excluded) of the given shape from a key."""
    # The algorithm is named, since TensorFlow's own choice depends on the device.
    return tf.random.stateless_uniform(shape, key, low, high, tf.float32, alg="philox")
