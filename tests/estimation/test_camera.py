import numpy as np
import pytest

from roadshift.estimation.camera import trait_ranges, traits
from roadshift.taxonomy import load_taxonomy

DRIVING = load_taxonomy("driving11")
ROAD, SKY, VEHICLE = (DRIVING.id_of(name) for name in ("road", "sky", "car"))


def street(height=60, width=80):
    """Sky above row 20, road from row 30 on; a vehicle of 12 rows, and one of 6."""
    ids = np.full((height, width), DRIVING.id_of("building"), np.uint8)
    ids[:20], ids[30:] = SKY, ROAD
    ids[28:40, 10:20] = VEHICLE
    ids[28:34, 50:60] = VEHICLE
    return ids


def test_light_and_colour_by_hand():
    image = np.zeros((60, 80, 3), np.uint8)
    image[:, :40] = (255, 0, 0)
    found = traits(image, street(), DRIVING)
    assert found["brightness"] == pytest.approx(0.299 / 2)
    assert found["contrast"] == pytest.approx(0.299 / 2)
    assert found["saturation"] == pytest.approx(0.5)
    assert found["warmth"] == pytest.approx(0.5)
    assert (found["aspect"], found["height"]) == (80 / 60, 60)


def test_the_horizon_and_the_size_of_vehicles_come_from_the_prediction():
    found = traits(np.zeros((60, 80, 3), np.uint8), street(), DRIVING)
    # 5 % of 20 rows of sky and of the road's rows lie beyond.
    assert found["horizon"] == pytest.approx((20 + 30) / 2 / 60, abs=0.02)
    assert found["scale"] == pytest.approx((12 + 6) / 2 / 60)
    assert found["share of sky"] == pytest.approx(1 / 3)
    assert sum(v for name, v in found.items() if name.startswith("share")) == pytest.approx(1)


def test_what_an_image_does_not_show_is_left_out():
    ids = np.full((60, 80), DRIVING.id_of("building"), np.uint8)
    found = traits(np.zeros((60, 80, 3), np.uint8), ids, DRIVING)
    assert not {"horizon", "scale"} & {*found}
    found = traits(
        np.zeros((6, 8, 3), np.uint8), np.ones((6, 8), np.uint8), load_taxonomy("binary")
    )
    assert not {"horizon", "scale"} & {*found}


def test_blur_lowers_sharpness():
    generator = np.random.default_rng(0)
    sharp = generator.integers(0, 256, (64, 64, 1)).repeat(3, -1).astype(np.uint8)
    soft = ((sharp + np.roll(sharp, 1, 0).astype(int) + np.roll(sharp, 1, 1)) // 3).astype(np.uint8)
    measured = [traits(image, street(), DRIVING)["sharpness"] for image in (soft, sharp)]
    assert measured[0] < 0.85 * measured[1]


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (1500, 2000)])
def test_any_size_has_finite_traits(shape):
    found = traits(np.full((*shape, 3), 7, np.uint8), np.zeros((2, 3), np.uint8), DRIVING)
    assert np.isfinite([*found.values()]).all()


def test_ranges_are_quantiles_of_the_images_that_have_the_trait():
    images = [{"brightness": k / 100} for k in range(101)]
    images[0]["scale"] = 0.25
    found = trait_ranges(images)
    assert (found["brightness"].low, found["brightness"].high) == (0.05, 0.95)
    assert (found["scale"].low, found["scale"].median) == (0.25, 0.25)


@pytest.mark.parametrize("shape", [(72, 128), (71, 97)])
def test_the_images_of_a_range_are_in_it_whatever_its_digits(shape):
    """16:9 is 1.777…, and the range of a camera whose images are all of one size is a point."""
    found = traits(np.zeros((*shape, 3), np.uint8), street(*shape), DRIVING)
    ranges = trait_ranges([found, found, found])
    assert [name for name, value in found.items() if not ranges[name].holds(value)] == []
    assert not ranges["aspect"].holds(found["aspect"] + 1e-5)
