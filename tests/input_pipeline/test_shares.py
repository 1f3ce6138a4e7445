"""A batch that several devices share: together they make the samples of the whole batch."""

import numpy as np
import pytest
import tensorflow as tf

from roadshift.augment.policy import build_policy, weak_and_strong
from roadshift.augment.settings import AugmentSettings
from roadshift.errors import RoadshiftError
from roadshift.input_pipeline import batches as pipeline
from roadshift.input_pipeline.batches import (
    WHOLE,
    BatchSource,
    Share,
    training_batches,
    unlabelled_batches,
)
from roadshift.input_pipeline.image_cache import CACHE_BYTES, open_train_images
from roadshift.records.reader import open_shards
from roadshift.records.writer import write_shards
from roadshift.taxonomy import load_taxonomy

AUG = AugmentSettings(random_scale=0.5, random_crop=1.0, classmix=0.5)
PER_BATCH = {"a": 4, "b": 2}
STEPS = 5


@pytest.fixture(scope="module")
def sets(tmp_path_factory, toy_samples):
    root = tmp_path_factory.mktemp("shares")
    made = []
    for name, count in (("a", 7), ("b", 3)):
        samples = toy_samples(root / name, {"train": count}, prefix=name)
        folder = root / f"{name}-shards"
        folder.mkdir()
        write_shards(
            samples, ("train",), images=root / name / "images", labels=root / name / "labels",
            taxonomy=load_taxonomy("driving11"), dataset=name, shard_megabytes=1, folder=folder,
        )  # fmt: skip
        made.append(open_shards(folder))
    return made


def batches(sets, share, temperature=0.0, cache_bytes=CACHE_BYTES):
    opened = open_train_images(sets, 0, cache_bytes)
    parts = [BatchSource(o, n) for o, n in zip(opened, PER_BATCH.values(), strict=True)]
    dataset = training_batches(
        parts, build_policy(AUG, 16, 24), seed=3, steps_per_epoch=2, first_epoch=1,
        rare_class_temperature=temperature, share=share,
    )  # fmt: skip
    return [[x.numpy() for x in batch] for batch in dataset.take(STEPS * len(share.here))]


@pytest.mark.parametrize("machines", [1, 2])
@pytest.mark.parametrize(("temperature", "cache_bytes"), [(0.0, 0), (0.5, CACHE_BYTES)])
def test_devices_share_the_samples_of_each_source(sets, machines, temperature, cache_bytes):
    whole = batches(sets, WHOLE, temperature, cache_bytes)
    here = 2 // machines
    shares = [Share(2, range(first, first + here)) for first in range(0, 2, here)]
    found = [batches(sets, share, temperature, cache_bytes) for share in shares]
    # By step, a batch for each device.
    by_step = [
        [batch for each in found for batch in each[step * here : (step + 1) * here]]
        for step in range(STEPS)
    ]
    for together, devices in zip(whole, by_step, strict=True):
        assert len(devices) == 2
        for part in range(2):  # images, labels
            for source in (slice(0, 2), slice(2, 3)):
                rows = np.concatenate([device[part][source] for device in devices])
                of_source = slice(0, 4) if source.start == 0 else slice(4, 6)
                np.testing.assert_array_equal(rows, together[part][of_source])


@pytest.mark.parametrize("cores", [1, 5])
def test_more_cores_than_threads_make_the_same_samples(sets, monkeypatch, cores):
    """TensorFlow's own threads are two by default, however many cores there are."""
    expected = batches(sets, WHOLE)
    pools = []
    prefetch = tf.data.Dataset.prefetch

    def spied(dataset, number):
        pools.append(dataset.options().threading.private_threadpool_size)
        return prefetch(dataset, number)

    monkeypatch.setattr(pipeline, "usable_cores", lambda: cores)
    monkeypatch.setattr(tf.data.Dataset, "prefetch", spied)
    found = batches(sets, WHOLE)
    assert pools == [5 if cores == 5 else None]
    for one, other in zip(expected, found, strict=True):
        for rows, others in zip(one, other, strict=True):
            np.testing.assert_array_equal(rows, others)


def test_devices_share_unlabelled_images(sets):
    def made(share):
        opened = open_train_images(sets, 0)
        weak, strong = weak_and_strong(AUG, 16, 24)
        dataset = unlabelled_batches(
            BatchSource(opened[0], 4), [BatchSource(opened[1], 2)], weak=weak, strong=strong,
            seed=3, steps_per_epoch=2, share=share,
        )  # fmt: skip
        return [[x.numpy() for x in batch] for batch in dataset.take(STEPS * len(share.here))]

    whole, first, second = (made(s) for s in (WHOLE, Share(2, range(1)), Share(2, range(1, 2))))
    for together, one, other in zip(whole, first, second, strict=True):
        for all_rows, *rows in zip(together, one, other, strict=True):
            np.testing.assert_array_equal(np.concatenate(rows), all_rows)


def test_a_share_that_does_not_divide_by_the_devices_is_one_line(sets):
    with pytest.raises(RoadshiftError) as caught:
        batches(sets, Share(4, range(4)))
    assert str(caught.value) == (
        "data set 'b' has 2 images of a batch, which 4 devices cannot share evenly; change the "
        "batch size, the mix's weights or the devices"
    )


def test_no_image_is_read_that_falls_to_another_machine(sets, tmp_path):
    """Shuffling holds numbers: a record is read for its sample alone."""
    shards = sets[1]
    (file,) = shards.files("train")
    content = bytearray(open(file, "rb").read())  # noqa: SIM115
    opened = open_train_images([shards], 0, cache_bytes=0)
    dataset = training_batches(
        [BatchSource(opened[0], 3)], build_policy(AugmentSettings(), 16, 24), seed=3,
        steps_per_epoch=2, share=Share(3, range(1)),
    )  # fmt: skip
    ids = opened[0].index.ids
    red = int(next(iter(dataset))[0][0, ..., 0].numpy().mean().round())
    others = [number for number in range(len(ids)) if not ids[number].endswith(f"{red:03}")]
    for number in others:
        _, end = opened[0].index.bounds[number]
        content[end - 20] ^= 255
    with open(file, "r+b") as sink:
        before = sink.read()
        sink.seek(0)
        sink.write(content)
    try:
        images, _ = next(iter(dataset))
        assert int(images[0, ..., 0].numpy().mean().round()) == red
        whole = training_batches(
            [BatchSource(opened[0], 3)], build_policy(AugmentSettings(), 16, 24), seed=3,
            steps_per_epoch=2,
        )  # fmt: skip
        with pytest.raises(tf.errors.DataLossError):
            next(iter(whole))
    finally:
        with open(file, "r+b") as sink:
            sink.write(before)
