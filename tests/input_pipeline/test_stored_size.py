from functools import partial

import pytest

from roadshift.augment.policy import build_policy
from roadshift.augment.settings import AugmentSettings
from roadshift.input_pipeline.batches import BatchSource, training_batches
from roadshift.input_pipeline.image_cache import CACHE_BYTES, open_train_images
from roadshift.input_pipeline.stored_size import scale_down
from roadshift.records.reader import examples, open_shards
from roadshift.records.writer import write_shards
from roadshift.taxonomy import load_taxonomy

HEIGHT = 20
AUG = AugmentSettings(random_scale=0.5, random_crop=1.0, flip=0.5, classmix=0.5)


@pytest.fixture(scope="module")
def sets(tmp_path_factory, toy_samples):
    """Shards of sources a and b: at the images' own size, 24×40, and with train scaled down."""
    root = tmp_path_factory.mktemp("stored")
    made = []
    for scaled in ({}, {"train": partial(scale_down, height=HEIGHT)}):
        opened = []
        for name in ("a", "b"):
            samples = toy_samples(root / name, {"train": 5, "val": 1}, prefix=name)
            folder = root / f"{name}{len(scaled)}"
            folder.mkdir()
            write_shards(
                samples, ("train", "val"), images=root / name / "images",
                labels=root / name / "labels", taxonomy=load_taxonomy("driving11"), dataset=name,
                shard_megabytes=1, folder=folder, scale_down=scaled,
            )  # fmt: skip
            opened.append(open_shards(folder))
        made.append(opened)
    return made


def test_only_training_images_are_scaled_down(sets):
    for shards in sets[1]:
        for split, shape in (("train", (HEIGHT, 33)), ("val", (24, 40))):
            for example in examples(shards, split):
                assert example.label.shape == example.image.shape[:2] == shape


@pytest.mark.slow
@pytest.mark.parametrize(("cache_bytes", "temperature"), [(0, 0.5), (CACHE_BYTES, 0.0)])
def test_a_training_of_this_height_limit_sees_the_same_batches(sets, cache_bytes, temperature):
    found = []
    for opened in sets:
        images = open_train_images(opened, HEIGHT, cache_bytes)
        batches = training_batches(
            [BatchSource(of, 2) for of in images], build_policy(AUG, 16, 24), seed=3,
            steps_per_epoch=2, rare_class_temperature=temperature,
        )  # fmt: skip
        found.append([(image.numpy(), label.numpy()) for image, label in batches.take(3)])
    for (image, label), (other_image, other_label) in zip(*found, strict=True):
        assert (image == other_image).all()
        assert (label == other_label).all()
