from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from roadshift.augment.policy import build_policy, weak_and_strong
from roadshift.augment.settings import AugmentSettings
from roadshift.errors import RoadshiftError
from roadshift.input_pipeline import batches as pipeline
from roadshift.input_pipeline.batches import (
    PSEUDO_LABEL_ID,
    BatchSource,
    batch_shares,
    training_batches,
    unlabelled_batches,
)
from roadshift.input_pipeline.image_cache import CACHE_BYTES, open_train_images
from roadshift.input_pipeline.index import index_images
from roadshift.input_pipeline.sampling import class_probabilities
from roadshift.records.reader import open_shards
from roadshift.records.writer import write_shards
from roadshift.taxonomy import IGNORE_ID, load_taxonomy

TAXONOMY = load_taxonomy("driving11")
TRAIN = 6
"""Images of source a; source b has four."""
AUG = {"random_scale": 0.5, "random_crop": 1.0, "flip": 0.5}


@pytest.fixture(scope="module")
def shards(tmp_path_factory, toy_samples):
    """Shards by name: a, many (a with one shard per image), b, and untrained (no train images)."""
    root = tmp_path_factory.mktemp("pipeline")
    made = {}
    for name, splits, prefix in (
        ("a", {"train": TRAIN, "val": 1}, "a"),
        ("b", {"train": 4}, "b"),
        ("untrained", {"test": 2}, "t"),
    ):
        samples = toy_samples(root / name, splits, prefix=prefix)
        (root / f"{name}-shards").mkdir()
        write_shards(
            samples,
            ("train", "val", "test"),
            images=root / name / "images",
            labels=root / name / "labels",
            taxonomy=TAXONOMY,
            dataset=name,
            shard_megabytes=1,
            folder=root / f"{name}-shards",
        )
        made[name] = open_shards(root / f"{name}-shards")
    made["many"] = split_up(made["a"], root / "many")
    return made


def split_up(shards, folder):
    """Writes the same records again, each to its own file."""
    folder.mkdir()
    lengths = {}
    for number, record in enumerate(tf.data.TFRecordDataset(shards.files("train"))):
        file = folder / f"{number}.tfrecord"
        with tf.io.TFRecordWriter(str(file)) as sink:
            sink.write(record.numpy())
        lengths[file] = 1
    return replace(shards, shard_lengths={"train": lengths})


def batches(
    sources,
    count,
    aug=AUG,
    seed=3,
    steps_per_epoch=2,
    first_epoch=0,
    max_height=0,
    temperature=0.0,
    cache_bytes=CACHE_BYTES,
):
    policy = build_policy(AugmentSettings(**aug), 16, 24)
    opened = open_train_images([shards for shards, _ in sources], max_height, cache_bytes)
    dataset = training_batches(
        [BatchSource(found, share) for found, (_, share) in zip(opened, sources, strict=True)],
        policy,
        seed=seed,
        steps_per_epoch=steps_per_epoch,
        first_epoch=first_epoch,
        rare_class_temperature=temperature,
    )
    return [(image.numpy(), label.numpy()) for image, label in dataset.take(count)]


def numbers(images):
    """Returns the number of each image's sample: it is the red value, and no crop here is padded.

    The smallest zoom, 1 / 1.5, makes 16×27 of an image, enough for a crop of 16×24.
    """
    return np.round(images[..., 0].mean(axis=(1, 2))).astype(int).tolist()


def by_pass(sources, count, per_pass=TRAIN, **settings):
    """Returns crop and label of the first source's images by (pass, number)."""
    seen = [
        (number, image, label)
        for images, labels in batches(sources, count, **settings)
        for number, image, label in zip(numbers(images), images, labels, strict=True)
    ]
    return {
        (place // per_pass, number): (image, label)
        for place, (number, image, label) in enumerate(seen)
    }


def same(one, other):
    return all(
        np.array_equal(a, b)
        for x, y in zip(one, other, strict=True)
        for a, b in zip(x, y, strict=True)
    )


def test_batches_are_of_the_size_and_type_that_a_training_takes(shards):
    ((images, labels),) = batches([(shards["a"], 4)], 1)
    assert images.shape == (4, 16, 24, 3)
    assert images.dtype == np.float32
    assert images.min() >= 0
    assert images.max() <= 255
    assert labels.shape == (4, 16, 24)
    assert labels.dtype == np.uint8


def test_labels_hold_known_ids_only(shards):
    for _, labels in batches([(shards["a"], 3), (shards["b"], 2)], 12):
        assert set(np.unique(labels)) <= {*range(11), 255}


def test_every_batch_has_its_share_of_each_source(shards):
    # Source b's images are told from a's by their keys: a pass of a has six, of b four.
    found = [numbers(images) for images, _ in batches([(shards["a"], 3), (shards["b"], 2)], 4)]
    assert all(len(batch) == 5 for batch in found)
    of_a = [n for batch in found for n in batch[:3]]
    of_b = [n for batch in found for n in batch[3:]]
    assert sorted(of_a[:6]) == sorted(of_a[6:]) == list(range(6))
    assert sorted(of_b[:4]) == sorted(of_b[4:]) == list(range(4))


def test_every_image_is_seen_once_a_pass_and_in_a_new_order(shards):
    seen = [n for images, _ in batches([(shards["a"], 2)], 12) for n in numbers(images)]
    passes = [seen[i : i + TRAIN] for i in range(0, len(seen), TRAIN)]
    assert all(sorted(one) == list(range(TRAIN)) for one in passes)
    assert len({tuple(one) for one in passes}) > 1


def test_a_batch_may_be_larger_than_the_source(shards):
    ((images, _),) = batches([(shards["b"], 10)], 1)
    found = numbers(images)
    assert sorted(found[:4]) == sorted(found[4:8]) == list(range(4))


def test_the_same_seed_gives_the_same_batches_and_another_others(shards):
    sources = [(shards["a"], 3)]
    first = batches(sources, 5)
    assert same(first, batches(sources, 5))
    assert not same(first, batches(sources, 5, seed=4))


@pytest.mark.slow
def test_a_training_taken_up_again_sees_what_it_would_have_seen(shards):
    # 7 steps of 4 and 3 images: epochs begin in the middle of a pass of either source.
    sources = [(shards["a"], 4), (shards["b"], 3)]
    whole = batches(sources, 7 * 7, steps_per_epoch=7)
    for first_epoch in (1, 5):
        resumed = batches(sources, 7 * 2, steps_per_epoch=7, first_epoch=first_epoch)
        assert same(whole[7 * first_epoch : 7 * (first_epoch + 2)], resumed)


@pytest.mark.slow
def test_the_batch_size_does_not_change_an_images_augmentation(shards):
    one = by_pass([(shards["a"], 1)], 12)
    four = by_pass([(shards["a"], 4)], 3)
    mixed = {
        (place // TRAIN, number): (image, label)
        for place, (number, image, label) in enumerate(
            (number, image, label)
            for images, labels in batches([(shards["a"], 2), (shards["b"], 3)], 6)
            for number, image, label in zip(
                numbers(images[:2]), images[:2], labels[:2], strict=True
            )
        )
    }
    assert set(one) == set(four) == set(mixed) == {(p, n) for p in range(2) for n in range(TRAIN)}
    for key in one:
        assert same([one[key]], [four[key]])
        assert same([one[key]], [mixed[key]])


def test_the_number_of_shards_does_not_change_an_images_augmentation(shards):
    one = by_pass([(shards["a"], 3)], 4)
    many = by_pass([(shards["many"], 3)], 4)
    assert set(one) == set(many)
    for key in one:
        assert same([one[key]], [many[key]])


@pytest.mark.parametrize("at_once", [1, 6])
def test_what_is_done_at_once_does_not_change_an_images_augmentation(shards, monkeypatch, at_once):
    before = by_pass([(shards["many"], 3)], 4)
    monkeypatch.setattr(pipeline, "SHARDS_AT_ONCE", at_once)
    monkeypatch.setattr(pipeline, "WORKERS", at_once)
    after = by_pass([(shards["many"], 3)], 4)
    assert set(before) == set(after)
    for key in before:
        assert same([before[key]], [after[key]])


def test_the_augmentation_is_new_in_every_pass(shards):
    seen = by_pass([(shards["a"], 3)], 4)
    differ = [not same([seen[0, n]], [seen[1, n]]) for n in range(TRAIN)]
    assert sum(differ) >= TRAIN - 1


def test_a_window_smaller_than_the_source_loses_nothing(shards, monkeypatch):
    monkeypatch.setattr(pipeline, "SHUFFLE_WINDOW", 4)
    seen = [n for images, _ in batches([(shards["many"], 2)], 6) for n in numbers(images)]
    assert sorted(seen[:TRAIN]) == sorted(seen[TRAIN:]) == list(range(TRAIN))


def test_without_augmentation_the_centre_is_cut(shards):
    for images, labels in batches([(shards["a"], 6)], 1, aug={}):
        # 24 of 40 columns from 8, 16 of 24 rows from 4.
        for number, image, label in zip(numbers(images), images, labels, strict=True):
            rows, columns = np.mgrid[4:20, 8:32]
            assert (image == np.dstack([np.full_like(rows, number), columns, rows])).all()
            counted = (rows + columns + number) % 12
            assert (label == np.where(counted == 11, 255, counted)).all()


def test_tall_images_are_scaled_before_the_crop(shards):
    # 24×40 images fitted to 12 rows are 20 wide: within a crop of 16×24 the rest is ignored.
    ((_, labels),) = batches([(shards["a"], 2)], 1, aug={}, max_height=12)
    assert (labels[:, :2] == 255).all()
    assert (labels[:, 14:] == 255).all()
    assert (labels[:, :, :2] == 255).all()
    assert (labels[:, 2:14, 2:22] != 255).mean() > 0.8


def test_a_source_without_training_images(shards):
    with pytest.raises(RoadshiftError, match="'untrained' has no images in split 'train'"):
        batches([(shards["untrained"], 2)], 1)


MIXING = AUG | {"cutmix": 0.6, "fda_beta": 0.1, "transfer_probability": 0.4}


def keyed(sources, count, per_pass, **settings):
    """Returns crop and label of the first source's images, in the order of the source's stream."""
    per_batch = sources[0][1]
    seen = [
        (image, label)
        for images, labels in batches(sources, count, **settings)
        for image, label in zip(images[:per_batch], labels[:per_batch], strict=True)
    ]
    assert len(seen) >= 2 * per_pass
    return seen[: 2 * per_pass]


@pytest.mark.slow
def test_the_batch_size_does_not_change_an_images_partner(shards):
    a, b = shards["a"], shards["b"]
    one = keyed([(a, 1), (b, 1)], 12, TRAIN, aug=MIXING)
    assert same(one, keyed([(a, 4), (b, 2)], 3, TRAIN, aug=MIXING))
    assert not same(one, keyed([(a, 1), (b, 1)], 12, TRAIN))


@pytest.mark.slow
def test_the_number_of_shards_does_not_change_an_images_partner(shards):
    # FDA changes the image alone, so its label still identifies it: the same zoom and place.
    aug = AUG | {"fda_beta": 0.1}
    a, b, many = shards["a"], shards["b"], shards["many"]

    def by_label(sources):
        seen = keyed(sources, 12, TRAIN, aug=aug)
        return {label.tobytes(): image for image, label in seen}

    for one, other in (
        (by_label([(a, 1)]), by_label([(many, 1)])),
        (by_label([(b, 1), (a, 1)]), by_label([(b, 1), (many, 1)])),
    ):
        assert one.keys() == other.keys()
        assert all(np.array_equal(image, other[label]) for label, image in one.items())


def test_a_partner_is_of_the_other_source(shards, tmp_path, toy_samples):
    # A source whose images are red beyond any of the first one's.
    far = toy_samples(tmp_path / "far", {"test": 100, "train": 3}, prefix="f")
    (tmp_path / "shards").mkdir()
    write_shards(
        far,
        ("train",),
        images=tmp_path / "far/images",
        labels=tmp_path / "far/labels",
        taxonomy=TAXONOMY,
        dataset="far",
        shard_megabytes=1,
        folder=tmp_path / "shards",
    )
    sources = [(shards["a"], 2), (open_shards(tmp_path / "shards"), 2)]
    for images, labels in batches(sources, 8, aug={"cutmix": 1.0}):
        red = images[..., 0]
        assert set(np.unique(red[:2])) <= {*range(TRAIN), 100, 101, 102}
        for image, label in zip(images, labels, strict=True):
            number, column, row = (image[..., channel].astype(int) for channel in range(3))
            counted = (row + column + number) % 12
            assert (label == np.where(counted == 11, 255, counted)).all()
    assert (red[2:] < 100).any()


def test_a_partner_in_a_mix_of_one_source_is_another_image_of_it(shards):
    pasted = set()
    for images, _ in batches([(shards["a"], 3)], 10, aug={"cutmix": 1.0}):
        for image in images[..., 0]:
            pasted.add(frozenset(np.unique(image).astype(int).tolist()))
    assert max(map(len, pasted)) == 2
    assert frozenset().union(*pasted) == set(range(TRAIN))


@pytest.mark.parametrize("temperature", [0.0, 0.5])
@pytest.mark.slow
def test_a_training_with_partners_taken_up_again(shards, temperature):
    sources = [(shards["a"], 4), (shards["b"], 3)]
    settings = {"aug": MIXING, "steps_per_epoch": 3, "temperature": temperature}
    whole = batches(sources, 3 * 4, **settings)
    assert same(whole[6:], batches(sources, 6, first_epoch=2, **settings))


@pytest.mark.parametrize("temperature", [0.0, 0.5])
@pytest.mark.slow
def test_what_is_kept_in_memory_does_not_change_a_batch(shards, temperature):
    sources = [(shards["many"], 4), (shards["b"], 3)]
    colours = {"hue": 0.1, "contrast": 0.4, "colour_cast": 0.3}
    aug = MIXING | colours
    settings = {"aug": aug, "temperature": temperature, "max_height": 20, "first_epoch": 1}
    kept = batches(sources, 6, **settings)
    assert same(kept, batches(sources, 6, cache_bytes=0, **settings))


@pytest.fixture
def labelled_as(tmp_path, toy_samples):
    """Writes one training image for each (id of ten columns, id of the other thirty)."""

    def write(ids):
        samples = toy_samples(tmp_path / "source", {"train": len(ids)})
        for sample, (left, right) in zip(samples, ids, strict=True):
            label = np.full((24, 40), right, np.uint8)
            label[:, :10] = left
            Image.fromarray(label).save(tmp_path / "source/labels" / sample.label)
        folder = tmp_path / "shards"
        folder.mkdir()
        source = tmp_path / "source"
        write_shards(
            samples,
            ("train",),
            images=source / "images",
            labels=source / "labels",
            taxonomy=TAXONOMY,
            dataset="toy",
            shard_megabytes=1,
            folder=folder,
        )
        return open_shards(folder)

    return write


def test_a_source_without_a_labelled_pixel(labelled_as):
    blank = labelled_as([(255, 255)] * 2)
    assert batches([(blank, 2)], 1)
    with pytest.raises(RoadshiftError, match="no pixel of data set 'toy' in split 'train' is lab"):
        batches([(blank, 2)], 1, temperature=0.1)


def test_rare_classes_draw_images_by_the_formula(labelled_as):
    # Of eight images one shows a rare class, on a quarter of its pixels.
    rare = labelled_as([(5 if number == 3 else 255, 0) for number in range(8)])
    total = index_images(rare, "train").pixels.sum(axis=0)
    assert total[5] == 240
    chance = class_probabilities(total.tolist(), 1.0)[5]
    assert chance == pytest.approx(1 / (1 + np.exp((240 - 8 * 720) / (240 + 8 * 720))))
    seen = [
        n
        for images, _ in batches([(rare, 8)], 50, aug={}, temperature=1.0)
        for n in numbers(images)
    ]
    expected = [(1 - chance) / 8 + (chance if number == 3 else 0) for number in range(8)]
    assert np.bincount(seen, minlength=8) / 400 == pytest.approx(expected, abs=0.07)


def test_an_image_drawn_twice_is_augmented_anew(shards):
    seen = [
        (number, label.tobytes())
        for images, labels in batches([(shards["a"], 3)], 10, temperature=0.5)
        for number, label in zip(numbers(images), labels, strict=True)
    ]
    assert len(set(seen)) >= 0.9 * len(seen)


def test_rare_class_draws_do_not_depend_on_batch_or_shards(shards):
    one = keyed([(shards["a"], 1)], 12, TRAIN, temperature=0.5)
    assert same(one, keyed([(shards["many"], 4)], 3, TRAIN, temperature=0.5))
    assert same(one, keyed([(shards["a"], 2), (shards["b"], 1)], 6, TRAIN, temperature=0.5))


def test_equal_ids_of_two_data_sets_are_augmented_apart(shards):
    twin = replace(shards["a"], name="twin")
    one, other = by_pass([(shards["a"], TRAIN)], 1), by_pass([(twin, TRAIN)], 1)
    assert {*one} == {*other}
    assert sum(not np.array_equal(one[key][1], other[key][1]) for key in one) >= TRAIN - 1


def test_the_images_of_two_data_sets_do_not_meet_in_the_same_order(shards):
    # Two sets with the same ids and sizes: by chance an image of one meets the same image of the
    # other in every sixth place, 20 of 120 with a deviation of 4; it does in 22.
    sources = [(shards["a"], TRAIN), (replace(shards["a"], name="twin"), TRAIN)]
    met = [numbers(images) for images, _ in batches(sources, 20)]
    pairs = [pair for batch in met for pair in zip(batch[:TRAIN], batch[TRAIN:], strict=True)]
    assert len(pairs) == 120
    assert sum(first == second for first, second in pairs) <= 32
    assert len({tuple(batch) for batch in met}) > 10


def test_the_windows_of_a_pass_are_not_shuffled_alike(shards, monkeypatch):
    monkeypatch.setattr(pipeline, "SHUFFLE_WINDOW", 3)
    # By chance two windows of three have the same order in 3.3 of 20 passes, with a deviation of
    # 1.7; none has it here.
    alike = 0
    for images, _ in batches([(shards["a"], TRAIN)], 20):
        # The file has the images in the order of their numbers.
        seen = numbers(images)
        alike += [n % 3 for n in seen[:3]] == [n % 3 for n in seen[3:]]
    assert alike <= 8


@pytest.mark.parametrize(
    ("weights", "batch_size", "expected"),
    [
        ({"a": 1}, 8, {"a": 8}),
        ({"a": 1, "b": 1}, 8, {"a": 4, "b": 4}),
        ({"a": 1, "b": 1}, 7, {"a": 4, "b": 3}),  # 3.5 and 3.5: the tie goes to the first
        ({"a": 3, "b": 1}, 8, {"a": 6, "b": 2}),
        ({"a": 2, "b": 1}, 8, {"a": 5, "b": 3}),  # 5.33 and 2.67
        ({"a": 1, "b": 1, "c": 1}, 8, {"a": 3, "b": 3, "c": 2}),  # 2.67 each
        ({"a": 5, "b": 3, "c": 1}, 4, {"a": 2, "b": 1, "c": 1}),  # 2.22, 1.33, 0.44
    ],
)
def test_shares_by_largest_remainder(weights, batch_size, expected):
    assert batch_shares("mix", weights, batch_size) == expected


@pytest.mark.parametrize(
    ("weights", "batch_size", "role"), [({"a": 1, "b": 1}, 1, "b"), ({"a": 20, "b": 1}, 8, "b")]
)
def test_a_source_that_would_get_no_image(weights, batch_size, role):
    match = rf"mixes\.ab: source '{role}' gets no image of a batch of {batch_size}; raise"
    with pytest.raises(RoadshiftError, match=match):
        batch_shares("ab", weights, batch_size)


def unlabelled(source, labelled, aug, count, first_epoch=0, cache_bytes=CACHE_BYTES):
    weak, strong = weak_and_strong(AugmentSettings(**aug), 16, 24)
    shards, share = source
    of_source, of_labelled = open_train_images([shards, labelled], 0, cache_bytes)
    dataset = unlabelled_batches(
        BatchSource(of_source, share),
        [BatchSource(of_labelled, 1)],
        weak=weak,
        strong=strong,
        seed=3,
        steps_per_epoch=2,
        first_epoch=first_epoch,
    )
    return [[part.numpy() for part in batch] for batch in dataset.take(count)]


def test_classes_of_labelled_images_are_pasted_and_the_rest_is_to_be_guessed(shards):
    partners = set()
    # Other operations with a partner are off, and the labels of the image itself are dropped.
    aug = {"random_crop": 1.0, "cutmix": 1.0, "fda_beta": 0.2}
    for weak, shown, mixed, labels in unlabelled((shards["a"], 3), shards["b"], aug, 8):
        assert weak.shape == mixed.shape == (3, 16, 24, 3)
        assert shown.all()
        for seen, image, label in zip(weak, mixed, labels, strict=True):
            kept = label == PSEUDO_LABEL_ID
            np.testing.assert_array_equal(image[kept], seen[kept])
            # Red is the number of the sample, all three together tell the class.
            pasted = image[~kept].astype(int)
            np.testing.assert_array_equal(pasted.sum(-1) % 12, label[~kept])
            (partner,) = {*pasted[:, 0]}
            partners.add(partner)
            assert len({*label[~kept]}) == 6  # of eleven, rounded up
    assert partners == {0, 1, 2, 3}


def test_a_mixture_is_augmented_as_a_whole(shards):
    plain, aug = {"random_crop": 1.0}, {"random_crop": 1.0, "brightness": 0.3}
    source = shards["a"], 3
    pairs = zip(
        unlabelled(source, shards["b"], plain, 4), unlabelled(source, shards["b"], aug, 4),
        strict=True,
    )  # fmt: skip
    shifts = []
    for (weak, _, mixed, labels), (again, _, shifted, same) in pairs:
        np.testing.assert_array_equal(weak, again)
        np.testing.assert_array_equal(labels, same)
        for one, other in zip(mixed, shifted, strict=True):
            inside = (other > 0) & (other < 255)
            if inside.any():  # all may have become black
                shifts.append((other - one)[inside].mean())
                np.testing.assert_allclose((other - one)[inside], shifts[-1], atol=1e-3)
    assert np.abs(shifts).max() > 10


@pytest.mark.slow
def test_what_lies_beyond_the_edge_or_was_erased_does_not_count(shards):
    source = shards["a"], 3
    smaller = unlabelled(source, shards["b"], {"random_scale": 3.0}, 4)
    assert not all(shown.all() for _, shown, _, _ in smaller)
    for _, shown, _, labels in smaller:
        np.testing.assert_array_equal((labels == IGNORE_ID) & shown, np.zeros_like(shown))
        assert (labels[~shown] != PSEUDO_LABEL_ID).all()
    for _, shown, _, labels in unlabelled(source, shards["b"], {"random_erasing": 1.0}, 2):
        assert shown.all()
        assert (labels == IGNORE_ID).any()


@pytest.mark.slow
def test_unlabelled_batches_go_on_from_an_epoch(shards):
    source = shards["a"], 4
    whole = unlabelled(source, shards["b"], AUG, 6)
    later = unlabelled(source, shards["b"], AUG, 2, first_epoch=2)
    for batch, again in zip(whole[4:], later, strict=True):
        for one, other in zip(batch, again, strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_is_kept_in_memory_does_not_change_an_unlabelled_batch(shards):
    given = (shards["many"], 4), shards["b"], AUG, 4
    for batch, read in zip(unlabelled(*given), unlabelled(*given, cache_bytes=0), strict=True):
        for one, other in zip(batch, read, strict=True):
            np.testing.assert_array_equal(one, other)
