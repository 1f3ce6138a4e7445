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
from roadshift.records.pictures import WORKERS, Pictures, Reader
from roadshift.records.sampling import partner_draw, rare_class_draw

SHUFFLE_WINDOW = 512
"""Pictures that are shuffled among each other, still compressed: a few hundred kB each."""
SHARDS_AT_ONCE = 4

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
    """A source of a mix: its pictures, and how many of each batch are its."""

    pictures: Pictures
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
        seed: of order and augmentation.
        steps_per_epoch: batches an epoch.
        first_epoch: where to begin, as if the epochs before had been drawn.
        rare_class_temperature: of `roadshift.records.sampling.class_probabilities`, by the pixels
            of each source's own; 0 = draw by passes.

    Returns:
        A data set of (images float32 (N, h, w, 3) in 0..255, labels uint8 (N, h, w)).

    Raises:
        RoadshiftError: a source has no pictures to draw classes from.
    """

    def of_source(source: Source) -> tf.data.Dataset:
        pictures = source.pictures

        def key(index: tf.Tensor, sample_id: tf.Tensor) -> tf.Tensor:
            return sample_key(seed, index, pictures.shards.name, sample_id)

        def prepare(
            image: tf.Tensor, label: tf.Tensor, sample_id: tf.Tensor, index: tf.Tensor,
            *partner: tf.Tensor,
        ) -> Pair:  # fmt: skip
            given = (lambda: (partner[0], partner[1])) if partner else None
            return policy(image, label, key(index, sample_id), given)

        start = first_epoch * steps_per_epoch * source.per_batch
        if rare_class_temperature:
            handles = _rare_class_draws(pictures, rare_class_temperature, key, start)
        else:
            handles = _passes(pictures, seed, start)
        if policy.takes_partners:
            others = [other.pictures for other in sources if other is not source]
            handles = _with_partners(handles, pictures, others, policy, key)
        found = _look_up(handles, pictures.reader)
        samples = found.map(prepare, num_parallel_calls=WORKERS, deterministic=True)
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
        seed: of order and augmentation.
        steps_per_epoch: batches an epoch.
        first_epoch: where to begin, as if the epochs before had been drawn.

    Returns:
        A data set of (weak pictures float32 (N, h, w, 3) in 0..255; where they show the picture
        and not what lies beyond its edge, bool (N, h, w); strong pictures, as the weak ones; their
        labels uint8 (N, h, w), `TO_GUESS` where they show the picture, a class where the partner,
        the ignore id where neither).
    """
    pictures = source.pictures

    def key(index: tf.Tensor, sample_id: tf.Tensor) -> tf.Tensor:
        return sample_key(seed, index, pictures.shards.name, sample_id)

    def prepare(
        image: tf.Tensor, label: tf.Tensor, sample_id: tf.Tensor, index: tf.Tensor,
        partner: tf.Tensor, partner_label: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:  # fmt: skip
        # Whatever the label holds is left behind here; an operation that hides a pixel marks it.
        unmarked = tf.fill(tf.shape(label), tf.constant(TO_GUESS, tf.uint8))
        seen, marks = weak(image, unmarked, key(index, sample_id))
        given = partner, partner_label
        mixed, labels = strong(image, unmarked, key(index, sample_id), lambda: given)
        return seen, tf.equal(marks, TO_GUESS), mixed, labels

    start = first_epoch * steps_per_epoch * source.per_batch
    others = [other.pictures for other in labelled]
    handles = _with_partners(_passes(pictures, seed, start), pictures, others, strong, key)
    found = _look_up(handles, pictures.reader)
    samples = found.map(prepare, num_parallel_calls=WORKERS, deterministic=True)
    return samples.batch(source.per_batch, drop_remainder=True).prefetch(2)


def _look_up(handles: tf.data.Dataset, reader: Reader) -> tf.data.Dataset:
    """From (handle, index) to (image, label, id, index), and with a partner its image and label.

    A map of its own, apart from that which augments: TensorFlow rounds by how it has rewritten a
    graph, and what is done to a picture must not be rounded by where the picture came from.
    """

    def look_up(handle: tf.Tensor, index: tf.Tensor, *other: tf.Tensor) -> tuple[tf.Tensor, ...]:
        found = *reader.picture(handle), index
        if not other:
            return found
        nothing = tf.zeros([0, 0, 3], tf.uint8), tf.zeros([0, 0], tf.uint8)
        absent = tf.equal(other[0], reader.nothing)
        partner = tf.cond(absent, lambda: nothing, lambda: reader.picture(other[0])[:2])
        return *found, *partner

    return handles.map(look_up, num_parallel_calls=WORKERS, deterministic=True)


def _passes(pictures: Pictures, seed: int, start: int) -> tf.data.Dataset:
    """Endless (handle, pass) of a source, each pass in an order of its own."""
    files = tf.range(len(pictures.shards.files("train")))
    first_pass, offset = divmod(start, pictures.shards.count("train"))

    def one_pass(index: tf.Tensor) -> tf.data.Dataset:
        # Shuffled by hand, since `Dataset.shuffle` takes no seed that is a tensor, and its own
        # state could not be taken up again in the middle of a training.
        def shuffled(values: tf.Tensor) -> tf.Tensor:
            return tf.random.experimental.stateless_shuffle(values, tf.stack([seed, index]))

        handles = tf.data.Dataset.from_tensor_slices(shuffled(files)).interleave(
            pictures.in_file, cycle_length=SHARDS_AT_ONCE
        )
        windows = handles.batch(SHUFFLE_WINDOW).map(shuffled)
        return windows.unbatch().map(lambda handle: (handle, index))

    return tf.data.Dataset.range(first_pass, tf.int64.max).flat_map(one_pass).skip(offset)


def _rare_class_draws(
    pictures: Pictures,
    temperature: float,
    key: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    start: int,
) -> tf.data.Dataset:
    """Endless (handle, number of the draw) of a source, by the rare classes that pictures show."""
    index, shards = pictures.index, pictures.shards
    if not index.pixels.any():
        raise RoadshiftError(
            f"{shards.folder}: no pixel of data set '{shards.name}' in split 'train' is labelled, "
            "so no class can be drawn; set train.rare_class_temperature to 0"
        )
    draw = rare_class_draw(index, temperature)

    def handle(number: tf.Tensor) -> tf.data.Dataset:
        # No sample's id is empty, so no sample's augmentation has this key.
        draws = tf.random.stateless_uniform([2], key(number, tf.constant("")), alg="philox")
        drawn = pictures.reader.at(index, draw(draws))
        return drawn.map(lambda handle: (handle, number))

    return tf.data.Dataset.range(start, tf.int64.max).flat_map(handle)


def _with_partners(
    handles: tf.data.Dataset,
    pictures: Pictures,
    others: list[Pictures],
    policy: Policy,
    key: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
) -> tf.data.Dataset:
    """Adds to (handle, index) the handle of the partner, of none where the policy wants none."""
    reader = pictures.reader
    candidates, draw = partner_draw(pictures.index, [other.index for other in others])

    def find(handle: tf.Tensor, index: tf.Tensor) -> tuple[tf.Tensor, ...]:
        sample_id = reader.sample_id(handle)
        wanted, place = policy.draw_partner(key(index, sample_id))
        return handle, index, tf.cast(wanted, tf.int64), draw(place, sample_id)

    def fetch(
        handle: tf.Tensor, index: tf.Tensor, wanted: tf.Tensor, number: tf.Tensor
    ) -> tf.data.Dataset:
        found = reader.at(candidates, number).take(wanted)
        # A slice: under op determinism `from_tensors` inside a function would switch parallel
        # maps and prefetching off.
        one = found.concatenate(tf.data.Dataset.from_tensor_slices([reader.nothing])).take(1)
        return one.map(lambda partner: (handle, index, partner))

    return handles.map(find).flat_map(fetch)
