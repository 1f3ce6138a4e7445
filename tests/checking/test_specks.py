import io

import numpy as np
import pytest
from PIL import Image

from roadshift.checking.specks import find_specks
from tests.checking.scenes import discs, scaled


def regions(values):
    """Sizes of the regions of equal values, by flooding; pixels touch at sides and corners."""
    height, width = values.shape
    seen, sizes = np.zeros(values.shape, bool), []
    for start in np.ndindex(height, width):
        if seen[start]:
            continue
        pending, size = [start], 0
        seen[start] = True
        while pending:
            y, x = pending.pop()
            size += 1
            for ny in range(max(0, y - 1), min(height, y + 2)):
                for nx in range(max(0, x - 1), min(width, x + 2)):
                    if not seen[ny, nx] and values[ny, nx] == values[y, x]:
                        seen[ny, nx] = True
                        pending.append((ny, nx))
        sizes.append(size)
    return sizes


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (2, 2), (17, 23)])
def test_specks_are_the_regions_of_one_or_two_pixels(seed, shape):
    values = np.random.default_rng(seed).integers(0, 3 + seed, shape)
    assert find_specks(values).number == sum(size <= 2 for size in regions(values))


def test_the_boundary_is_the_pairs_of_pixels_that_differ():
    values = np.zeros((4, 5), int)
    values[1:3, 1:3] = 7
    assert find_specks(values) == (0, 8)


def through_jpeg(label):
    file = io.BytesIO()
    Image.fromarray(label).save(file, "JPEG", quality=95)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("seed", range(3))
def test_a_mask_saved_with_loss_or_blended_is_suspect_and_a_sharp_one_is_not(seed):
    label = discs(seed)
    assert not find_specks(label).is_suspect
    assert not find_specks(scaled(label, Image.Resampling.NEAREST)).is_suspect
    assert find_specks(scaled(label, Image.Resampling.BILINEAR)).is_suspect
    assert find_specks(through_jpeg(label)).is_suspect


def test_a_label_of_one_value_has_none():
    found = find_specks(np.zeros((3, 4)))
    assert (found.number, found.boundary, found.per_1000) == (0, 0, 0)
    assert not found.is_suspect
