import numpy as np
import pytest

from roadshift.estimation.probability_grid import grid_step, probability_grid
from roadshift.inference.tiles import ProbabilityPart, TiledSegmenter
from roadshift.networks.files import load_network
from roadshift.networks.settings import InferenceSettings


def in_parts(height, width, classes, cuts):
    """A function that yields parts whose probabilities tell their place."""
    places = np.arange(height * width).reshape(height, width)
    values = (places[..., np.newaxis] * classes + np.arange(classes)).astype(np.float32)

    def parts(_):
        for top, bottom in zip([0, *cuts], [*cuts, height], strict=True):
            for columns in (slice(0, width // 3), slice(width // 3, width)):
                yield ProbabilityPart(slice(top, bottom), columns, values[top:bottom, columns])

    return parts, values


@pytest.mark.parametrize("limit", [1, 7, 50, 400, 10_000])
@pytest.mark.parametrize("size", [(20, 30), (1, 1), (1, 37), (41, 3)])
def test_a_grid_is_every_nth_pixel_whatever_the_parts(size, limit):
    height, width = size
    cuts = sorted({*range(3, height, 5)})
    parts, values = in_parts(height, width, 2, cuts)
    image = np.zeros((height, width, 3), np.uint8)
    grid = probability_grid(parts, image, classes=2, limit=limit)
    assert grid.probabilities.shape[0] * grid.probabilities.shape[1] <= limit
    np.testing.assert_array_equal(grid.probabilities, grid.on_grid(values))


@pytest.mark.parametrize(("height", "width", "limit", "step"), [
    (160, 256, 65536, 1), (256, 256, 65536, 1), (256, 257, 65536, 2), (1080, 1920, 65536, 6),
])  # fmt: skip
def test_the_step_is_the_smallest_that_fits(height, width, limit, step):
    assert grid_step(height, width, limit) == step


@pytest.mark.parametrize(
    "settings",
    [InferenceSettings(), InferenceSettings(max_height=256, tta_flip=True, tta_scales=(0.5, 1.0))],
)
def test_probabilities_are_those_of_ids_and_confidence(colour_network, draw_blocks, settings):
    """In one piece and in tiles."""
    network = load_network(colour_network)
    image, _ = draw_blocks(3, 520, 700)
    for limit in (2**20, 2**18):
        segmenter = TiledSegmenter(network, settings, limit)
        expected = segmenter(image)
        found = np.zeros((520, 700, 11), np.float32)
        number = 0
        for part in segmenter.probability_parts(image):
            found[part.rows, part.columns] = part.probabilities
            number += 1
        assert (number > 1) == (limit == 2**18)
        np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)
        np.testing.assert_allclose(found.max(-1), expected.confidence, rtol=1e-4)
        assert (found.argmax(-1) == expected.ids).mean() > 0.9999
