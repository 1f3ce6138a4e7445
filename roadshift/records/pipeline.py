"""The input pipeline of a training: shards to augmented batches with a fixed share of each source.

Every sample's augmentation is keyed by the seed, the pass over its source, its data set and its
id, and by nothing else: batch size, parallelism and the number of shards read at once do not
change it. So is its partner, the picture that it is mixed with: it is read for the sample from
wherever it lies, and not taken from what happens to be in the same batch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import tensorflow as tf

from roadshift.errors import RoadshiftError
from roadshift.records.height import fit_height
from roadshift.records.index import index_pictures
from roadshift.records.reader import ShardSet
from roadshift.records.sampling import partner_draw, rare_class_draw

SHUFFLE_WINDOW = 512
"""Records, still compressed, that are shuffled among each other: a few hundred kB each."""
SHARDS_AT_ONCE = 4
WORKERS = 2
"""Pictures that are decoded and augmented at once."""

TO_GUESS = 254
"""In the label of a picture without one: here its class is to be guessed. No class has this id."""

Pair = tuple[tf.Tensor, tf.Tensor]
Key = Callable[[int, tf.Tensor, str, tf.Tensor], tf.Tensor]


class Policy(Protocol):
    """The augmentation of a sample; `roadshift.augment.policy.Policy` is one."""

    @property
    def takes_partners(self) -> bool:
        """Whether samples may be mixed with others."""

    def draw_partner(self, key: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Whether the sample of a key is, and the place of the other among the candidates."""

    def __call__(
        self,
        image: tf.Tensor,
        label: tf.Tensor,
        key: tf.Tensor,
        partner: Callable[[], Pair] | None = None,
    ) -> Pair:
        """(image uint8 (H, W, 3), label uint8 (H, W)) to (float32 (h, w, 3), uint8 (h, w))."""


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


def training_batches(
    sources: list[Source],
    policy: Policy,
    sample_key: Key,
    max_height: int,
    seed: int,
    steps_per_epoch: int,
    first_epoch: int = 0,
    rare_class_temperature: float = 0.0,
) -> tf.data.Dataset:
    """Endless batches of the sources' training splits.

    Each source is gone through in passes, every picture once a pass. With a temperature pictures
    are drawn, each on its own, by the rare classes that they show; the key of a draw's
    augmentation then holds its number in place of the pass.

    A sample's partner is a picture of one of the other sources, in a mix of one source another
    picture of it, in either case drawn evenly.

    Args:
        sources: where pictures come from, and how many of a batch.
        policy: augmentation to crops of fixed size.
        sample_key: the key of (seed, pass, data set, id).
        max_height: pictures taller than this are scaled down to it first; 0 = none.
        seed: of order and augmentation.
        steps_per_epoch: batches an epoch.
        first_epoch: where to begin, as if the epochs before had been drawn.
        rare_class_temperature: of `roadshift.records.sampling.class_probabilities`, by the pixels
            of each source's own; 0 = draw by passes.

    Returns:
        A data set of (images float32 (N, h, w, 3) in 0..255, labels uint8 (N, h, w)).

    Raises:
        RoadshiftError: a source has no training pictures, or none to draw classes from.
    """

    def of_source(source: Source) -> tf.data.Dataset:
        shards = source.shards

        def key(index: tf.Tensor, sample_id: tf.Tensor) -> tf.Tensor:
            return sample_key(seed, index, shards.name, sample_id)

        def prepare(record: tf.Tensor, index: tf.Tensor, other: tf.Tensor | None = None) -> Pair:
            image, label, sample_id = _decoded(shards, record, max_height)
            partner = None if other is None else lambda: _decoded(shards, other, max_height)[:2]
            return policy(image, label, key(index, sample_id), partner)

        start = first_epoch * steps_per_epoch * source.per_batch
        if rare_class_temperature:
            records = _rare_class_draws(source, rare_class_temperature, key, start)
        else:
            records = _passes(source, seed, start)
        if policy.takes_partners:
            others = [other for other in sources if other is not source]
            records = _with_partners(records, source, others, policy, key)
        samples = records.map(prepare, num_parallel_calls=WORKERS, deterministic=True)
        return samples.batch(source.per_batch, drop_remainder=True)

    batches = [of_source(source) for source in sources]
    if len(batches) == 1:
        return batches[0].prefetch(2)
    joined = tf.data.Dataset.zip(tuple(batches)).map(
        lambda *parts: tuple(tf.concat(column, axis=0) for column in zip(*parts, strict=True))
    )
    return joined.prefetch(2)


def unlabelled_batches(
    source: Source,
    labelled: list[Source],
    weak: Policy,
    strong: Policy,
    sample_key: Key,
    max_height: int,
    seed: int,
    steps_per_epoch: int,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Endless batches of pictures without their labels, each picture seen by two policies.

    Args:
        source: where pictures come from, gone through in passes, and how many of a batch.
        labelled: where the partners come from that a policy mixes them with, drawn evenly.
        weak: what the teacher sees.
        strong: what the network sees: the same crop, mixed with a partner's and augmented.
        sample_key: the key of (seed, pass, data set, id).
        max_height: pictures taller than this are scaled down to it first; 0 = none.
        seed: of order and augmentation.
        steps_per_epoch: batches an epoch.
        first_epoch: where to begin, as if the epochs before had been drawn.

    Returns:
        A data set of (weak pictures float32 (N, h, w, 3) in 0..255; where they show the picture
        and not what lies beyond its edge, bool (N, h, w); strong pictures, as the weak ones; their
        labels uint8 (N, h, w), `TO_GUESS` where they show the picture, a class where the partner,
        the ignore id where neither).
    """

    def key(index: tf.Tensor, sample_id: tf.Tensor) -> tf.Tensor:
        return sample_key(seed, index, source.shards.name, sample_id)

    def prepare(record: tf.Tensor, index: tf.Tensor, other: tf.Tensor) -> tuple[tf.Tensor, ...]:
        image, label, sample_id = _decoded(source.shards, record, max_height)
        # Whatever the label holds is left behind here; an operation that hides a pixel marks it.
        unmarked = tf.fill(tf.shape(label), tf.constant(TO_GUESS, tf.uint8))
        seen, marks = weak(image, unmarked, key(index, sample_id))
        # All shards hold the same features.
        mixed, labels = strong(
            image,
            unmarked,
            key(index, sample_id),
            lambda: _decoded(source.shards, other, max_height)[:2],
        )
        return seen, tf.equal(marks, TO_GUESS), mixed, labels

    start = first_epoch * steps_per_epoch * source.per_batch
    records = _with_partners(_passes(source, seed, start), source, labelled, strong, key)
    samples = records.map(prepare, num_parallel_calls=WORKERS, deterministic=True)
    return samples.batch(source.per_batch, drop_remainder=True).prefetch(2)


def _decoded(
    shards: ShardSet, record: tf.Tensor, max_height: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Image, label and id of a record."""
    example = shards.features.deserialize_example(record)
    return *fit_height(example["image"], example["label"][..., 0], max_height), example["id"]


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


def _rare_class_draws(
    source: Source,
    temperature: float,
    key: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    start: int,
) -> tf.data.Dataset:
    """Endless (record, number of the draw) of a source, by the rare classes that records show."""
    index = index_pictures(source.shards, "train")
    if not index.pixels.any():
        raise RoadshiftError(
            f"{source.shards.folder}: no pixel of data set '{source.shards.name}' in split 'train' "
            "is labelled, so no class can be drawn; set train.rare_class_temperature to 0"
        )
    draw = rare_class_draw(index, temperature)

    def record(number: tf.Tensor) -> tf.data.Dataset:
        # No sample's id is empty, so no sample's augmentation has this key.
        draws = tf.random.stateless_uniform([2], key(number, tf.constant("")), alg="philox")
        return index.records(draw(draws)).map(lambda record: (record, number))

    return tf.data.Dataset.range(start, tf.int64.max).flat_map(record)


def _with_partners(
    records: tf.data.Dataset,
    source: Source,
    others: list[Source],
    policy: Policy,
    key: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
) -> tf.data.Dataset:
    """Adds to (record, index) the record of the partner, empty where the policy wants none."""
    own, *further = (index_pictures(s.shards, "train") for s in (source, *others))
    candidates, draw = partner_draw(own, further)
    id_alone = {"id": tf.io.FixedLenFeature((), tf.string)}

    def find(record: tf.Tensor, index: tf.Tensor) -> tuple[tf.Tensor, ...]:
        sample_id = tf.io.parse_single_example(record, id_alone)["id"]
        wanted, place = policy.draw_partner(key(index, sample_id))
        return record, index, tf.cast(wanted, tf.int64), draw(place, sample_id)

    def read(
        record: tf.Tensor, index: tf.Tensor, wanted: tf.Tensor, number: tf.Tensor
    ) -> tf.data.Dataset:
        found = candidates.records(number).take(wanted)
        # A slice: under op determinism `from_tensors` inside a function would switch parallel
        # maps and prefetching off.
        one = found.concatenate(tf.data.Dataset.from_tensor_slices([""])).take(1)
        return one.map(lambda partner: (record, index, partner))

    return records.map(find).flat_map(read)
