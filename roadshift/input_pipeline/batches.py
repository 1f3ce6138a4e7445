"""The input pipeline of a training: shards to augmented batches with a fixed share of each source.

Every sample's augmentation is keyed by the seed, the pass over its source, its data set and its
id, and by nothing else: batch size, parallelism and the number of shards read at once do not
change it. The same holds for its partner, the image that it is mixed with: the partner is read for
the sample from any shard, and not taken from the same batch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tensorflow as tf

from roadshift.augment.keys import operation_key, sample_key
from roadshift.augment.policy import Policy
from roadshift.augment.registry import ImageAndLabel
from roadshift.errors import RoadshiftError
from roadshift.input_pipeline.image_cache import WORKERS, Reader, TrainImages
from roadshift.input_pipeline.sampling import partner_draw, rare_class_draw
from roadshift.runtime import threads
from roadshift.workers import usable_cores

SHUFFLE_WINDOW = 512
"""Number of images that are shuffled together, by their numbers: none of them is read before."""
SHARDS_AT_ONCE = 4
"""Number of shards of a source that are read at once."""

PSEUDO_LABEL_ID = 254
"""The id of a pixel that awaits its pseudo-label. No class has this id."""


@dataclass(frozen=True)
class BatchSource:
    """A source of a mix.

    Attributes:
        images: its training images.
        per_batch: number of samples of each batch that are drawn from it.
    """

    images: TrainImages
    per_batch: int


@dataclass(frozen=True)
class Share:
    """The part of each batch that the devices of one machine take.

    Every device takes as many samples of each source.

    Attributes:
        devices: number of devices, of all machines together.
        here: the devices of this machine, by their place among all.
    """

    devices: int = 1
    here: range = range(1)

    def per_device(self, what: str, per_batch: int) -> int:
        """Returns the number of a source's samples that a device takes of each batch.

        Args:
            what: the source, for the message.
            per_batch: number of its samples in a batch.

        Raises:
            RoadshiftError: the devices cannot share them evenly.
        """
        if per_batch % self.devices:
            raise RoadshiftError(
                f"{what} has {per_batch} images of a batch, which {self.devices} devices cannot "
                "share evenly; change the batch size, the mix's weights or the devices"
            )
        return per_batch // self.devices

    def of(self, numbers: tf.data.Dataset, per_batch: int) -> tf.data.Dataset:
        """Returns those of a source's samples that fall to this machine, before any is read."""
        if self.devices == 1:
            return numbers
        count = per_batch // self.devices
        first, last = self.here.start * count, self.here.stop * count

        def falls(number: tf.Tensor, _: object) -> tf.Tensor:
            place = number % per_batch
            return (first <= place) & (place < last)

        return numbers.enumerate().filter(falls).map(lambda _, number: number)


WHOLE = Share()


def batch_shares(mix: str, weights: Mapping[str, int], batch_size: int) -> dict[str, int]:
    """Splits a batch among sources by weight: largest remainder, ties to the first.

    Args:
        mix: name of the mix, for the message.
        weights: weight of each source, by role.
        batch_size: number of images in a batch.

    Returns:
        Number of images in a batch, by role.

    Raises:
        RoadshiftError: a source would get no image.
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
                f"mixes.{mix}: source '{role}' gets no image of a batch of {batch_size}; "
                "raise its weight or train.batch_size"
            )
    return shares


def training_batches(
    sources: list[BatchSource],
    policy: Policy,
    *,
    seed: int,
    steps_per_epoch: int,
    first_epoch: int = 0,
    rare_class_temperature: float = 0.0,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """Makes endless batches of the sources' train splits.

    Each source is read in passes, every image once a pass. With a temperature, rare-class sampling
    draws each image independently; the augmentation's key then holds the number of the draw in
    place of the pass.

    A sample's partner is drawn from the other sources, each as likely, or in a mix of one source
    from its other images.

    Args:
        sources: the sources, each with its number of samples in a batch.
        policy: the augmentation; it makes crops of a fixed size.
        seed: seed of order and augmentation.
        steps_per_epoch: number of batches in an epoch.
        first_epoch: number of epochs to skip; the batches are those that follow.
        rare_class_temperature: temperature of rare-class sampling from the pixels of each source
            (see `roadshift.input_pipeline.sampling.class_probabilities`); 0 for passes.
        share: the part of each batch to make, a batch for each of its devices in turn; default all.

    Returns:
        A data set of (images float32 (N, h, w, 3) in 0..255, labels uint8 (N, h, w)).

    Raises:
        RoadshiftError: rare-class sampling is on, but a source has no labelled pixel.
    """

    def of_source(source: BatchSource) -> tf.data.Dataset:
        images = source.images

        def key(index: tf.Tensor, sample_id: tf.Tensor) -> tf.Tensor:
            return sample_key(
                seed=seed, epoch=index, dataset=images.shards.name, sample_id=sample_id
            )

        def prepare(
            image: tf.Tensor, label: tf.Tensor, sample_id: tf.Tensor, index: tf.Tensor,
            *partner: tf.Tensor,
        ) -> ImageAndLabel:  # fmt: skip
            given = (lambda: (partner[0], partner[1])) if partner else None
            return policy(image, label, key(index, sample_id), given)

        start = first_epoch * steps_per_epoch * source.per_batch
        count = share.per_device(f"data set '{images.shards.name}'", source.per_batch)
        if rare_class_temperature:
            numbers = _rare_class_draws(
                images, temperature=rare_class_temperature, key=key, start=start
            )
        else:
            numbers = _passes(images, seed, start)
        handles = _handles(share.of(numbers, source.per_batch), images)
        if policy.takes_partners:
            others = [other.images for other in sources if other is not source]
            handles = _with_partners(handles, images=images, others=others, policy=policy, key=key)
        found = _look_up(handles, images.reader)
        samples = found.map(prepare, num_parallel_calls=WORKERS, deterministic=True)
        return samples.batch(count, drop_remainder=True)

    batches = [of_source(source) for source in sources]
    if len(batches) == 1:
        return _on_all_cores(batches[0]).prefetch(2 * len(share.here))
    joined = tf.data.Dataset.zip(tuple(batches)).map(
        lambda *parts: tuple(tf.concat(column, axis=0) for column in zip(*parts, strict=True))
    )
    return _on_all_cores(joined).prefetch(2 * len(share.here))


def unlabelled_batches(
    source: BatchSource,
    labelled: list[BatchSource],
    *,
    weak: Policy,
    strong: Policy,
    seed: int,
    steps_per_epoch: int,
    first_epoch: int = 0,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """Makes endless batches of unlabelled images, each augmented by two policies.

    Args:
        source: the unlabelled images, which are read in passes, and their number in a batch.
        labelled: the sources that partners are drawn from, each as likely.
        weak: policy that makes the crops for the teacher.
        strong: policy that makes the crops for the network: the same ones, mixed with a partner
            and augmented.
        seed: seed of order and augmentation.
        steps_per_epoch: number of batches in an epoch.
        first_epoch: number of epochs to skip; the batches are those that follow.
        share: the part of each batch to make, a batch for each of its devices in turn; default all.

    Returns:
        A data set of the fields of `roadshift.training.self_training.UnlabelledBatch`: the weak
        crops, float32 (N, h, w, 3) in 0..255; bool (N, h, w), whether their pixels lie inside the
        image; the strong crops, like the weak ones; their labels, uint8 (N, h, w):
        `PSEUDO_LABEL_ID` where they show the image, a class where they show the partner, the
        ignore id elsewhere.
    """
    images = source.images

    def key(index: tf.Tensor, sample_id: tf.Tensor) -> tf.Tensor:
        return sample_key(seed=seed, epoch=index, dataset=images.shards.name, sample_id=sample_id)

    def prepare(
        image: tf.Tensor, label: tf.Tensor, sample_id: tf.Tensor, index: tf.Tensor,
        partner: tf.Tensor, partner_label: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:  # fmt: skip
        # The real label is dropped here. Operations that hide a pixel still write the ignore id.
        unmarked = tf.fill(tf.shape(label), tf.constant(PSEUDO_LABEL_ID, tf.uint8))
        seen, marks = weak(image, unmarked, key(index, sample_id))
        given = partner, partner_label
        mixed, labels = strong(image, unmarked, key(index, sample_id), lambda: given)
        return seen, tf.equal(marks, PSEUDO_LABEL_ID), mixed, labels

    start = first_epoch * steps_per_epoch * source.per_batch
    others = [other.images for other in labelled]
    handles = _handles(share.of(_passes(images, seed, start), source.per_batch), images)
    handles = _with_partners(handles, images=images, others=others, policy=strong, key=key)
    found = _look_up(handles, images.reader)
    samples = found.map(prepare, num_parallel_calls=WORKERS, deterministic=True)
    count = share.per_device("self-training", source.per_batch)
    batches = samples.batch(count, drop_remainder=True)
    return _on_all_cores(batches).prefetch(2 * len(share.here))


def _on_all_cores(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Lets all usable cores make samples.

    TensorFlow's own pool is that of `roadshift.runtime.threads`, whose number decides the order of
    sums. A sample does not depend on how many are made at once.
    """
    cores = usable_cores()
    if cores <= threads():
        return batches
    options = tf.data.Options()
    options.threading.private_threadpool_size = cores
    return batches.with_options(options)


def _look_up(handles: tf.data.Dataset, reader: Reader) -> tf.data.Dataset:
    """Maps (handle, index) to (image, label, id, index), and a partner to its image and label.

    This is a `map` of its own: TensorFlow's graph rewriting changes rounding, so decoding and
    augmenting in one graph would make results depend on whether images are cached.
    """

    def look_up(handle: tf.Tensor, index: tf.Tensor, *other: tf.Tensor) -> tuple[tf.Tensor, ...]:
        found = *reader.image(handle), index
        if not other:
            return found
        nothing = tf.zeros([0, 0, 3], tf.uint8), tf.zeros([0, 0], tf.uint8)
        absent = tf.equal(other[0], reader.nothing)
        partner = tf.cond(absent, lambda: nothing, lambda: reader.image(other[0])[:2])
        return *found, *partner

    if reader.at_once is None:
        return handles.map(look_up)
    return handles.map(look_up, num_parallel_calls=reader.at_once, deterministic=True)


def _handles(numbers: tf.data.Dataset, images: TrainImages) -> tf.data.Dataset:
    """Maps (number of an image in the index, index) to (handle, index)."""

    def fetch(number: tf.Tensor, index: tf.Tensor) -> tf.data.Dataset:
        return images.reader.at(images.index, number).map(lambda handle: (handle, index))

    return numbers.flat_map(fetch)


def _passes(images: TrainImages, seed: int, start: int) -> tf.data.Dataset:
    """Makes endless (number of an image in the index, pass), each pass in another order."""
    files = tf.range(len(images.shards.files("train")))
    first_pass, offset = divmod(start, images.shards.count("train"))

    def one_pass(index: tf.Tensor) -> tf.data.Dataset:
        # The data set counts, or the same images of two sources would meet in every pass. No
        # sample's id is empty, so no sample's augmentation has this key.
        key = sample_key(
            seed=seed, epoch=index, dataset=images.shards.name, sample_id=tf.constant("")
        )

        # `Dataset.shuffle` would not do: its seed cannot be a tensor, and its state cannot be
        # restored in the middle of a training.
        def shuffled(values: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
            return tf.random.experimental.stateless_shuffle(values, key, alg="philox")

        def shuffled_window(number: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
            return shuffled(window, tf.random.fold_in(key, number, alg="philox"))

        in_files = operation_key(key, "files")
        numbers = tf.data.Dataset.from_tensor_slices(shuffled(files, in_files)).interleave(
            images.in_file, cycle_length=SHARDS_AT_ONCE
        )
        windows = numbers.batch(SHUFFLE_WINDOW).enumerate().map(shuffled_window)
        return windows.unbatch().map(lambda number: (number, index))

    return tf.data.Dataset.range(first_pass, tf.int64.max).flat_map(one_pass).skip(offset)


def _rare_class_draws(
    images: TrainImages,
    *,
    temperature: float,
    key: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    start: int,
) -> tf.data.Dataset:
    """Makes endless (number of an image in the index, number of the draw) by rare classes."""
    index, shards = images.index, images.shards
    if not index.pixels.any():
        raise RoadshiftError(
            f"{shards.folder}: no pixel of data set '{shards.name}' in split 'train' is labelled, "
            "so no class can be drawn; set train.rare_class_temperature to 0"
        )
    draw = rare_class_draw(index, temperature)

    def drawn(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # No sample's id is empty, so no sample's augmentation has this key.
        draws = tf.random.stateless_uniform([2], key(number, tf.constant("")), alg="philox")
        return draw(draws), number

    return tf.data.Dataset.range(start, tf.int64.max).map(drawn)


def _with_partners(
    handles: tf.data.Dataset,
    *,
    images: TrainImages,
    others: list[TrainImages],
    policy: Policy,
    key: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
) -> tf.data.Dataset:
    """Adds the partner's handle to (handle, index), `Reader.nothing` if the policy wants none."""
    reader = images.reader
    candidates, draw = partner_draw(images.index, [other.index for other in others])

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
