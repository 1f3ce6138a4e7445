import pickle

import numpy as np
import pytest
from PIL import Image

from roadshift.checking.near_copies import Thumbnail, find_near_copies
from tests.checking.scenes import moved, scene


@pytest.mark.parametrize("seed", range(5))
def test_the_same_place_a_moment_later_is_a_near_copy(seed):
    others = [Thumbnail(scene(100 + i)) for i in range(20)]
    others.insert(7, Thumbnail(scene(seed)))
    ((image, other, correlation),) = find_near_copies([Thumbnail(moved(scene(seed)))], others)
    assert (image, other) == (0, 7)
    assert 0.6 <= correlation <= 1


def test_other_scenes_are_none():
    scenes = [Thumbnail(scene(seed)) for seed in range(60)]
    assert find_near_copies(scenes[:30], scenes[30:]) == []


def test_another_size_and_brightness_is_a_near_copy():
    image = scene(3)
    small = np.asarray(Image.fromarray(image).resize((200, 100)))
    darker = (image * 0.6).astype(np.uint8)
    found = find_near_copies([Thumbnail(small), Thumbnail(darker)], [Thumbnail(image)])
    assert [(each.image, each.other) for each in found] == [(0, 0), (1, 0)]
    assert min(each.correlation for each in found) > 0.95


def test_the_same_pixels_are_a_duplicate_and_no_near_copy():
    first, second = Thumbnail(scene(1)), Thumbnail(scene(1))
    assert first.digest == second.digest
    assert find_near_copies([first], [second]) == []


def test_the_same_pixels_in_another_shape_are_no_duplicate():
    image = scene(1)
    assert Thumbnail(image).digest != Thumbnail(image.reshape(400, 200, 3)).digest


def test_blank_images_are_like_nothing():
    white, grey = (Thumbnail(np.full((9, 16, 3), value, np.uint8)) for value in (255, 100))
    assert (white.is_blank, Thumbnail(scene(1)).is_blank) == (True, False)
    assert find_near_copies([white], [grey, Thumbnail(scene(1))]) == []


def test_images_of_a_pixel_and_no_images():
    dot = Thumbnail(np.zeros((1, 1, 3), np.uint8))
    assert find_near_copies([dot], []) == []
    assert find_near_copies([], [dot]) == []
    assert find_near_copies([dot], [Thumbnail(scene(1))]) == []


def test_a_thumbnail_that_has_been_compared_goes_to_another_process():
    image = Thumbnail(scene(1))
    expected = image.correlation(Thumbnail(moved(scene(1))))
    again = pickle.loads(pickle.dumps(image))  # noqa: S301 - our own bytes
    assert again.correlation(Thumbnail(moved(scene(1)))) == expected
    ((*places, correlation),) = find_near_copies([again], [Thumbnail(moved(scene(1)))])
    assert (places, correlation) == ([0, 0], pytest.approx(expected))
