import math

import numpy as np
import pytest
import tensorflow as tf

from roadshift.augment import regions
from roadshift.augment.registry import OPERATIONS, operations_of
from tests.augment.draws import assert_independent, assert_uniform, for_each_key

KEY = tf.constant([3, 4], tf.int64)


def keys(count):
    return [tf.constant([9, i], tf.int64) for i in range(count)]


def coat(label, offset):
    """An image whose values give its label and, by the offset, its source."""
    return np.repeat(label[..., None].astype(np.float32) + offset, 3, axis=-1)


def pair(seed, ids, height=20, width=30):
    """An image and its label of blocks of 5×5 pixels; seed 0 gives the own pair, 1 the other."""
    blocks = np.random.default_rng(seed).choice(ids, (height // 5, width // 5))
    label = np.kron(blocks, np.ones((5, 5))).astype(np.uint8)
    return coat(label, 300 * seed), label


OWN, OTHER = pair(0, [0, 1, 2, 255]), pair(1, [3, 4, 5, 6, 7, 255])


def mixed(operation, key, own=OWN, other=OTHER):
    return [part.numpy() for part in operation(*map(tf.constant, (*own, *other)), key)]


@pytest.mark.parametrize("name", sorted(each.name for each in operations_of("mix")))
def test_label_and_image_agree_to_the_pixel(name):
    pasted = 0
    for key in keys(30):
        image, label = mixed(OPERATIONS[name].apply, key)
        mask = image[..., 0] >= 300
        assert (label == np.where(mask, OTHER[1], OWN[1])).all()
        assert np.array_equal(image, np.where(mask[..., None], OTHER[0], OWN[0]))
        pasted += mask.mean()
    assert 0.2 < pasted / 30 < 0.7


@pytest.mark.parametrize("name", sorted(each.name for each in operations_of("mix")))
def test_same_key_same_mix_and_other_key_another(name):
    first = mixed(OPERATIONS[name].apply, KEY)
    assert np.array_equal(mixed(OPERATIONS[name].apply, KEY)[0], first[0])
    assert any(
        not np.array_equal(mixed(OPERATIONS[name].apply, key)[0], first[0]) for key in keys(3)
    )


@pytest.mark.parametrize("number", [1, 2, 3, 4, 7, 19])
def test_classmix_takes_half_of_the_classes_present_rounded_up(number):
    other = pair(1, [*range(number), 255], 100, 100)
    assert set(np.unique(other[1])) == {*range(number), 255}
    own = pair(0, [20], 100, 100)
    taken = []
    for key in keys(12):
        image, label = mixed(regions.classmix, key, own, other)
        classes = set(np.unique(label)) - {20}
        assert len(classes) == math.ceil(number / 2)
        # A class that is taken is taken whole, and no ignored pixel is.
        assert np.array_equal(image[..., 0] >= 300, np.isin(other[1], list(classes)))
        assert 255 not in classes
        taken.append(frozenset(classes))
    assert len(set(taken)) > 1 or number == 1


def test_classmix_takes_every_class_as_often():
    other = pair(1, [2, 3, 5, 9], 40, 40)
    own = pair(0, [20], 40, 40)
    counts = dict.fromkeys([2, 3, 5, 9], 0)
    for key in keys(120):
        for chosen in set(np.unique(mixed(regions.classmix, key, own, other)[1])) - {20}:
            counts[chosen] += 1
    assert all(count / 120 == pytest.approx(0.5, abs=0.16) for count in counts.values())


def test_classmix_with_a_partner_of_ignored_pixels_changes_nothing():
    other = pair(1, [255])
    image, label = mixed(regions.classmix, KEY, OWN, other)
    assert np.array_equal(image, OWN[0])
    assert np.array_equal(label, OWN[1])


def test_cutmix_pastes_one_rectangle_of_the_crops_aspect():
    own, other = tf.zeros([40, 60, 3]), tf.ones([40, 60, 3])
    label = tf.zeros([40, 60], tf.uint8)
    areas, edges, centres = [], [], []
    for image in for_each_key(
        lambda key: regions.cutmix(own, label, other, label, key)[0], count=300
    ):
        mask = image[..., 0] > 0
        rows, columns = mask.any(axis=1), mask.any(axis=0)
        assert np.array_equal(mask, np.outer(rows, columns))
        areas.append(mask.mean())
        edges.append([*rows[[0, -1]], *columns[[0, -1]]])
        if mask.any():
            centres.append([np.flatnonzero(side).mean() for side in (rows, columns)])
            if not any(edges[-1]):
                assert columns.sum() / 60 == pytest.approx(rows.sum() / 40, abs=1 / 40 + 1 / 60)
    # Uniform in 0..1 before the crop's edges cut it: side s, centre uniform, on average
    # E[(s - s²/4)²] of the crop with s² uniform, which is 1/2 - 1/5 + 1/48 = 0.32.
    assert np.mean(areas) == pytest.approx(0.32, abs=0.04)
    # It reaches an edge where its centre is within s / 2: in E[s] / 2 = 1/3 of the draws.
    assert np.mean(edges, axis=0) == pytest.approx(1 / 3, abs=0.08)
    assert_independent(*np.transpose(centres))


def test_erasing_fills_a_rectangle_with_noise_and_ignores_it():
    image, label = pair(0, [0, 1, 2], 50, 80)
    for key in keys(10):
        result, erased = regions.random_erasing(tf.constant(image), tf.constant(label), key, 1.0)
        mask = erased.numpy() == 255
        assert np.array_equal(mask, np.outer(mask.any(axis=1), mask.any(axis=0)))
        assert np.array_equal(result.numpy()[~mask], image[~mask])
        assert np.array_equal(erased.numpy()[~mask], label[~mask])
        values = result.numpy()[mask]
        assert values.min() >= 0
        assert values.max() <= 255


def test_what_is_erased_has_any_area_any_aspect_and_any_place():
    image, label = map(tf.constant, pair(0, [0], 160, 160))
    areas, aspects, places = [], [], []
    for erased in for_each_key(
        lambda key: tf.cast(regions.random_erasing(image, label, key, 1.0)[1], tf.float32)
    ):
        mask = erased == 255
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        areas.append(mask.mean())
        aspects.append(len(rows) / len(columns))
        if max(len(rows), len(columns)) < 150:
            places.append([side[0] / (160 - len(side)) for side in (rows, columns)])
    assert_uniform(areas, 0.02, 0.4, 0.01)
    # Sides are whole pixels, and no longer than the crop's.
    assert_uniform(np.log(aspects), np.log(0.3), -np.log(0.3), 0.05)
    for axis in np.transpose(places):
        assert_uniform(axis, 0, 1)
    assert_independent(*np.transpose(places))
    assert_independent(areas, np.log(aspects))


def test_erased_values_do_not_follow_the_draws_of_the_rectangle():
    # A crop of one pixel, whose value is seen whenever it is erased.
    image, label = tf.fill([1, 1, 3], -1.0), tf.zeros([1, 1], tf.uint8)
    found = for_each_key(
        lambda key: regions.random_erasing(image, label, key, 0.6)[0][0, 0], count=400
    )
    for channel in found[found[:, 0] >= 0].T:
        assert_uniform(channel, 0, 255)


def test_erased_values_are_uniform():
    image, label = pair(0, [0], 100, 100)
    for key in keys(3):
        result, erased = regions.random_erasing(tf.constant(image), tf.constant(label), key, 1.0)
        values = result.numpy()[erased.numpy() == 255]
        assert values.mean() == pytest.approx(127.5, abs=8)
        assert values.std() == pytest.approx(255 / 12**0.5, rel=0.06)


@pytest.mark.parametrize("strength", [0.2, 0.7])
def test_erasing_happens_as_often_as_asked(strength):
    image, label = map(tf.constant, pair(0, [0]))
    erased = [
        (regions.random_erasing(image, label, key, strength)[1].numpy() == 255).any()
        for key in keys(80)
    ]
    assert np.mean(erased) == pytest.approx(strength, abs=0.16)


def test_classmix_pastes_a_partial_label_whole_or_not_at_all():
    """An id above those of the classes is one more class to choose from."""
    other = pair(1, [3, 13, 14], 100, 100)
    own = pair(0, [0], 100, 100)
    taken = []
    for key in keys(20):
        _, label = mixed(regions.classmix, key, own, other)
        pasted = {*np.unique(label).tolist()} - {0}
        assert len(pasted) == 2
        for each in pasted:
            assert ((label == each) == (other[1] == each)).all()
        taken.append(pasted)
    assert {13, 14} in taken
