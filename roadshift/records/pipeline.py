"""The input pipeline of a training: shards to augmented batches with a fixed share of each source.

Every sample's augmentation is keyed by the seed, the pass over its source, and its id, and by
nothing else: batch size, parallelism and the number of shards read at once do not change it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tensorflow as tf

from roadshift.errors import RoadshiftError
from roadshift.records.reader import ShardSet

SHUFFLE_WINDOW = 512
"""Records, still compressed, that are shuffled among each other: a few hundred kB each."""
SHARDS_AT_ONCE = 4

Policy = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
Key = Callable[[int, tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Source:
    """A source of a mix: its shards, and how many pictures of each batch are its."""

    shards: ShardSet
    per_batch: int


def batch_shares(mix: str, weights: Mapping[str, int], batch_size: int) -> dict[str, int]:
    """Parts a batch among sources by weight, by largest remainder, ties to the first.

    Raises:
        RoadshiftError: a source would get no picture.
    """
    total = sum(weights.values())
    exact = {role: batch_size * weight / total for role, weight in weights.items()}
    shares = {role: int(share) for role, share in exact.items()}
    by_remainder = sorted(exact, key=lambda role: shares[role] - exact[role])
    for role in by_remainder[: batch_size - sum(shares.values())]:
        shares[role] += 1
    for role, share in shares.items():
        if share == 0:
            raise RoadshiftError(
                f"mixes.{mix}: source '{role}' gets no picture of a batch of {batch_size}; "
                "raise its weight or train.batch_size"
            )
    return shares


def fit_height(image: tf.Tensor, label: tf.Tensor, max_height: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Scales a picture taller than `max_height` down to it, the label by nearest neighbour.

    Args:
        image: uint8 (height, width, 3).
        label: uint8 (height, width).
        max_height: pixels; 0 leaves every picture as it is.
    """
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    if max_height == 0:
        return image, label

    def scaled() -> tuple[tf.Tensor, tf.Tensor]:
        size = tf.stack([max_height, fitted_width(height, width, max_height)])
        small = tf.image.resize(image, size, method="bilinear", antialias=True)
        nearest = tf.image.resize(label[..., tf.newaxis], size, method="nearest")[..., 0]
        return tf.cast(tf.round(small), tf.uint8), nearest

    return tf.cond(height > max_height, scaled, lambda: (image, label))


def fitted_width(height: tf.Tensor, width: tf.Tensor, max_height: int) -> tf.Tensor:
    """The width that keeps a picture's shape when it is scaled to `max_height`."""
    ratio = tf.cast(max_height, tf.float64) / tf.cast(height, tf.float64)
    return tf.cast(tf.maximum(tf.round(tf.cast(width, tf.float64) * ratio), 1), tf.int32)


def training_batches(
    sources: list[Source],
    policy: Policy,
    sample_key: Key,
    max_height: int,
    seed: int,
    steps_per_epoch: int,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Endless batches of the sources' training splits.

    Args:
        sources: where pictures come from, and how many of a batch.
        policy: augmentation of (image uint8 (H, W, 3), label uint8 (H, W), key) to
            (image float32 (h, w, 3), label uint8 (h, w)) of fixed size.
        sample_key: the key of (seed, pass, id).
        max_height: pictures taller than this are scaled down to it first; 0 = none.
        seed: of order and augmentation.
        steps_per_epoch: batches an epoch.
        first_epoch: where to begin, as if the epochs before had been drawn.

    Returns:
        A data set of (images float32 (N, h, w, 3) in 0..255, labels uint8 (N, h, w)).

    Raises:
        RoadshiftError: a source has no training pictures.
    """

    def prepare(shards: ShardSet, record: tf.Tensor, index: tf.Tensor):  # type: ignore[no-untyped-def]
        example = shards.features.deserialize_example(record)
        image, label = fit_height(example["image"], example["label"][..., 0], max_height)
        return policy(image, label, sample_key(seed, index, example["id"]))

    def of_source(source: Source) -> tf.data.Dataset:
        records = _passes(source, seed, first_epoch * steps_per_epoch * source.per_batch)
        samples = records.map(
            lambda record, index: prepare(source.shards, record, index),
            num_parallel_calls=2,
            deterministic=True,
        )
        return samples.batch(source.per_batch, drop_remainder=True)

    batches = [of_source(source) for source in sources]
    if len(batches) == 1:
        return batches[0].prefetch(2)
    joined = tf.data.Dataset.zip(tuple(batches)).map(
        lambda *parts: tuple(tf.concat(column, axis=0) for column in zip(*parts, strict=True))
    )
    return joined.prefetch(2)


def _passes(source: Source, seed: int, start: int) -> tf.data.Dataset:
    """Endless (record, pass) of a source, each pass in an order of its own."""
    files = tf.constant(source.shards.files("train"))
    first_pass, offset = divmod(start, source.shards.count("train"))

    def one_pass(index: tf.Tensor) -> tf.data.Dataset:
        # Shuffled by hand, since `Dataset.shuffle` takes no seed that is a tensor, and its own
        # state could not be taken up again in the middle of a training.
        def shuffled(values: tf.Tensor) -> tf.Tensor:
            return tf.random.experimental.stateless_shuffle(values, tf.stack([seed, index]))

        records = tf.data.Dataset.from_tensor_slices(shuffled(files)).interleave(
            tf.data.TFRecordDataset, cycle_length=SHARDS_AT_ONCE
        )
        windows = records.batch(SHUFFLE_WINDOW).map(shuffled)
        return windows.unbatch().map(lambda record: (record, index))

    return tf.data.Dataset.range(first_pass, tf.int64.max).flat_map(one_pass).skip(offset)
