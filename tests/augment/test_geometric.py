import numpy as np
import pytest
import tensorflow as tf

from roadshift.augment.geometric import class_crop, cut_window, flip, random_crop, random_scale
from roadshift.augment.registry import CropWindow
from tests.augment.draws import assert_independent, assert_uniform, for_each_key


def ramp(height, width):
    """An image with red = row and green = column, and its label row + column."""
    rows, columns = np.mgrid[0:height, 0:width]
    image = np.stack([rows, columns, np.full_like(rows, 7)], axis=-1).astype(np.uint8)
    return image, (rows + columns).astype(np.uint8)


def cut(image, label, height, width, factor=None, place=(0.5, 0.5)):
    factor = None if factor is None else tf.constant(factor, tf.float32)
    window = CropWindow(factor, tf.constant(place, tf.float32))
    result = cut_window(
        tf.constant(image), tf.constant(label), window, crop_height=height, crop_width=width
    )
    return result[0].numpy(), result[1].numpy()


def test_centre_is_cut_without_a_changed_bit():
    image, label = ramp(9, 12)
    cut_image, cut_label = cut(image, label, 5, 6)
    assert np.array_equal(cut_image, image[2:7, 3:9].astype(np.float32))
    assert np.array_equal(cut_label, label[2:7, 3:9])


@pytest.mark.parametrize(("place", "row", "column"), [((0, 0), 0, 0), ((1, 1), 4, 6)])
def test_place_reaches_both_corners(place, row, column):
    image, label = ramp(9, 12)
    cut_image, cut_label = cut(image, label, 5, 6, place=place)
    assert cut_image[0, 0].tolist() == [row, column, 7]
    assert cut_label[0, 0] == row + column


def test_small_image_is_centred_and_padded():
    image, label = ramp(2, 3)
    cut_image, cut_label = cut(image, label, 4, 3)
    assert np.array_equal(cut_label, [[255] * 3, *label, [255] * 3])
    assert np.array_equal(cut_image[1:3], image)
    assert cut_image[[0, 3]] == pytest.approx(np.full((2, 3, 3), image.mean()))
    assert cut_image.mean() == pytest.approx(image.mean())


@pytest.mark.parametrize("factor", [2, 4])
def test_enlarging_puts_centres_between_pixels(factor):
    # Pixel i of the crop has its centre at (i + 0.5) / factor - 0.5 of the source.
    image, label = ramp(6, 6)
    cut_image, cut_label = cut(image, label, 6 * factor, 6 * factor, factor)
    centres = np.clip((np.arange(6 * factor) + 0.5) / factor - 0.5, 0, 5)
    assert cut_image[:, 0, 0] == pytest.approx(centres, abs=1e-4)
    assert cut_image[0, :, 1] == pytest.approx(centres, abs=1e-4)
    assert np.array_equal(cut_label, np.kron(label, np.ones((factor, factor), np.uint8)))


def test_only_the_region_of_the_crop_is_enlarged():
    image, label = ramp(16, 16)
    cut_image, cut_label = cut(image, label, 8, 8, 2.0)
    assert np.array_equal(cut_label, np.kron(label[6:10, 6:10], np.ones((2, 2), np.uint8)))
    assert cut_image[1:-1, 0, 0] == pytest.approx(np.arange(8)[1:-1] / 2 + 6 - 0.25, abs=1e-4)


@pytest.mark.parametrize(("factor", "region"), [(1.28, 6), (1.23, 7), (0.63, 13), (0.65, 12)])
def test_the_region_has_the_nearest_number_of_pixels(factor, region):
    # 8 pixels of the crop show 8 / factor of the source: 6.25, 6.5, 12.7 and 12.3.
    image, label = ramp(30, 30)
    cut_image, _ = cut(image, label, 8, 8, factor)
    for steps in (np.diff(cut_image[:, 0, 0]), np.diff(cut_image[0, :, 1])):
        assert steps[1:-1].mean() == pytest.approx(region / 8, abs=0.03)


def test_shrinking_averages_and_pads():
    # Black and white rows, one pixel each: without antialiasing they would survive or vanish.
    image = np.zeros((16, 16, 3), np.uint8)
    image[::2] = 200
    label = np.zeros((16, 16), np.uint8)
    cut_image, cut_label = cut(image, label, 8, 10, 0.5)
    assert cut_image[1:-1, 1:-1] == pytest.approx(np.full((6, 8, 3), 100), abs=1e-3)
    assert np.array_equal(cut_label[:, 1:-1], np.zeros((8, 8)))
    assert np.array_equal(cut_label[:, [0, -1]], np.full((8, 2), 255))


@pytest.mark.parametrize("factor", [0.37, 0.5, 0.8, 1.0, 1.3, 2.0, 3.1])
@pytest.mark.parametrize("place", [(0.5, 0.5), (0.1, 0.9)])
def test_image_and_label_stay_aligned(factor, place):
    # A disc drawn in the image as in the label: the image at half its height is the disc's edge.
    rows, columns = np.mgrid[0:60, 0:80]
    label = ((rows - 28) ** 2 + (columns - 43) ** 2 < 15**2).astype(np.uint8)
    image = np.repeat(label[..., None] * 200, 3, axis=-1).astype(np.uint8)
    cut_image, cut_label = cut(image, label, 64, 64, factor, place)
    seen = cut_label != 255
    disagree = seen & ((cut_image[..., 0] > 100) != (cut_label == 1))
    edge = 2 * np.pi * 15 * factor
    assert disagree.sum() <= 0.25 * edge
    # And no shift, where the disc is seen whole: both have their centre of mass in one place. At
    # exactly 0.5 the nearest of two equally near pixels is the later: half a source pixel.
    inside = seen & (cut_label == 1)
    if not (inside[[0, -1]].any() or inside[:, [0, -1]].any()):
        weight = np.where(seen, cut_image[..., 0], 0)
        for axis in np.mgrid[0:64, 0:64]:
            assert (axis * weight).sum() / weight.sum() == pytest.approx(
                axis[inside].mean(), abs=0.26
            )


@pytest.mark.parametrize("factor", [0.3, 0.77, 1.9])
def test_labels_are_never_blended(factor):
    label = np.random.default_rng(0).choice([0, 3, 200, 255], (31, 47)).astype(np.uint8)
    image = np.repeat(label[..., None], 3, axis=-1)
    _, cut_label = cut(image, label, 24, 40, factor)
    assert cut_label.dtype == np.uint8
    assert set(np.unique(cut_label)) <= {0, 3, 200, 255}


def test_zoom_of_one_is_the_plain_cut():
    image, label = ramp(13, 17)
    plain, zoomed = cut(image, label, 8, 9), cut(image, label, 8, 9, 1.0)
    assert zoomed[0] == pytest.approx(plain[0], abs=1e-4)
    assert np.array_equal(zoomed[1], plain[1])


def test_an_image_may_shrink_to_a_single_pixel():
    image, label = ramp(2, 2)
    _, cut_label = cut(image, label, 8, 8, 0.25)
    assert (cut_label != 255).sum() == 1


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_scale_draws_log_uniformly_between_its_bounds(strength):
    draws = for_each_key(lambda key: random_scale(CropWindow(), key, strength).factor, 300)
    assert_uniform(np.log(draws), -np.log(1 + strength), np.log(1 + strength))


@pytest.mark.parametrize("strength", [0.6, 1.0])
def test_crop_is_random_as_often_as_asked_and_then_anywhere(strength):
    places = for_each_key(lambda key: random_crop(CropWindow(), key, strength).place, 300)
    random = (places != 0.5).any(axis=1)
    assert random.mean() == pytest.approx(strength, abs=0.08)
    for axis in places[random].T:
        assert_uniform(axis, 0, 1)
        assert axis.max() < 1
    assert_independent(*places[random].T)


def thin_label():
    """A label with a lone pixel of class 3, a column of class 1, and ignored pixels."""
    label = np.zeros((30, 50), np.uint8)
    label[:, 40] = 1
    label[4, 9] = 3
    label[20:] = 255
    return label


@pytest.mark.parametrize("strength", [0.6, 1.0])
def test_a_class_crop_lies_around_every_class_equally_often(strength):
    label = thin_label()
    window = CropWindow(label=tf.constant(label))
    places = for_each_key(lambda key: class_crop(window, key, strength).place, 1000)
    moved = (places != 0.5).any(axis=1)
    assert moved.mean() == pytest.approx(strength, abs=0.06)
    rows, columns = np.floor(places[moved].T * [[30], [50]]).astype(int)
    drawn = label[rows, columns]
    assert {*drawn} == {0, 1, 3}
    for each in (0, 1, 3):
        assert (drawn == each).mean() == pytest.approx(1 / 3, abs=0.08)
    assert_uniform(rows[drawn == 1], 0, 19)


def test_the_pixel_of_a_class_crop_is_in_the_crop():
    label = thin_label()
    image = np.repeat(label[..., np.newaxis], 3, axis=-1)
    window = CropWindow(label=tf.constant(label))
    for factor in (None, 1.9):
        for i in range(40):
            place = np.array(class_crop(window, tf.constant([5, i], tf.int64), 1.0).place)
            row, column = np.floor(place * label.shape).astype(int)
            _, cropped = cut(image, label, 12, 16, factor, place)
            assert label[row, column] in cropped


def test_a_partial_label_is_a_class_more():
    label = np.zeros((6, 8), np.uint8)
    label[2, 5] = 200
    window = CropWindow(label=tf.constant(label))
    places = for_each_key(lambda key: class_crop(window, key, 1.0).place, 300)
    drawn = label[tuple(np.floor(places.T * [[6], [8]]).astype(int))]
    assert (drawn == 200).mean() == pytest.approx(0.5, abs=0.1)


def test_a_label_without_a_class_keeps_its_crop():
    window = CropWindow(place=(0.25, 0.75), label=tf.fill((6, 8), tf.constant(255, tf.uint8)))
    place = class_crop(window, tf.constant([5, 1], tf.int64), 1.0).place
    assert np.array(place).tolist() == [0.25, 0.75]


def test_equal_parts_of_the_places_give_every_window():
    # Rooms of 4 rows and 6 columns: 5 and 7 windows, each at a fifth and a seventh of the places.
    image, label = ramp(9, 12)
    for parts, axis in ((5, 0), (7, 1)):
        for number in range(parts):
            for share in (number + 0.02, number + 0.98):
                place = np.where(np.arange(2) == axis, share / parts, 0)
                corner = cut(image, label, 5, 6, place=place)[0][0, 0]
                assert corner[axis] == number


def test_flip_mirrors_both_or_neither():
    image, label = ramp(3, 5)
    image = tf.constant(image, tf.float32)
    flips = 0
    for i in range(200):
        result, flipped = flip(image, tf.constant(label), tf.constant([3, i], tf.int64), 0.25)
        mirrored = bool(flipped[0, 0] == label[0, -1])
        flips += mirrored
        step = -1 if mirrored else 1
        assert np.array_equal(result, image[:, ::step])
        assert np.array_equal(flipped, label[:, ::step])
    assert flips / 200 == pytest.approx(0.25, abs=0.08)
