import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.networks.files import load_network
from roadshift.networks.network import build_network
from roadshift.networks.settings import ModelSettings
from roadshift.prediction.tiles import LEAST_PIXELS, MARGIN, OVERLAP, TiledSegmenter, _fade, _spans
from roadshift.scoring.inference import STRIDE, Segmenter


@pytest.fixture(scope="module")
def colours(colour_network):
    return load_network(colour_network)


@pytest.mark.parametrize("length", [32, 512, 544, 768, 800, 1024, 2048, 5024])
@pytest.mark.parametrize("tile", [512, 736, 1440])
def test_tiles_cover_a_line_and_their_weights_sum_to_one(length, tile):
    spans = _spans(length, tile)
    total = np.zeros(length)
    for start, lines in spans:
        assert start % STRIDE == 0
        assert lines % STRIDE == 0
        assert lines <= tile
        total[start : start + lines] += _fade(lines, start > 0, start + lines < length)
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert spans[-1][0] + spans[-1][1] == length


def test_the_edge_of_a_tile_does_not_count():
    weights = _fade(512, before=True, after=True)
    assert not weights[:MARGIN].any()
    assert not weights[-MARGIN:].any()
    assert weights[OVERLAP // 2 - 1] < 0.5 < weights[OVERLAP // 2]


# Larger than LEAST_PIXELS, in tiles of 512 by 512: 2 by 3 of them; and sides that are no
# multiples of the stride.
@pytest.mark.parametrize(("height", "width"), [(700, 1050), (1200, 230), (97, 3001)])
@pytest.mark.parametrize("max_height", [0, 90, 640])
def test_tiles_and_strips_give_what_the_whole_picture_gives(
    colours, draw_blocks, height, width, max_height
):
    image, label = draw_blocks(5, height, width)
    expected, expected_probability = Segmenter(colours, max_height)(image)
    tiled = TiledSegmenter(colours, max_height, LEAST_PIXELS)
    prediction, probability = tiled(image)
    # The network sees one pixel around each, so that tiles lose nothing.
    assert np.mean(prediction == expected) > 0.9999
    # Places between pixels are rounded in another order.
    np.testing.assert_allclose(probability, expected_probability, atol=5e-3)
    if max_height == 0:
        assert np.mean(prediction == label) > 0.85


def test_a_network_that_sees_far_agrees_on_nearly_all_pixels(draw_blocks):
    settings = ModelSettings(encoder="unet", weights="none", base_filters=4)
    network = build_network(settings, ("road", "sky", "person"), seed=2)
    image, _ = draw_blocks(6, 640, 900)
    expected, _ = Segmenter(network, 0)(image)
    prediction, _ = TiledSegmenter(network, 0, LEAST_PIXELS)(image)
    assert len(np.unique(expected)) > 1
    assert np.mean(prediction == expected) > 0.995


@pytest.mark.parametrize("views", [(False, (1.0,)), (True, (0.5, 1.0))])
def test_a_picture_that_fits_is_left_to_the_segmenter(colours, draw_blocks, views):
    image, _ = draw_blocks(7, 300, 400)
    found = TiledSegmenter(colours, 128, LEAST_PIXELS, *views)(image)
    for one, other in zip(found, Segmenter(colours, 128, *views)(image), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("views", [(True, (1.0,)), (False, (0.5,))])
def test_other_views_of_a_picture_that_does_not_fit_are_refused(colours, draw_blocks, views):
    image, _ = draw_blocks(7, 600, 500)
    with pytest.raises(RoadshiftError, match="500x600 is above 262144 pixels"):
        TiledSegmenter(colours, 128, LEAST_PIXELS, *views)(image)
