import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.inference.resizing import resize_to_stride
from roadshift.inference.segmenter import Segmenter
from roadshift.inference.tile_geometry import MARGIN, OVERLAP, fade, fitted_sides, tile_spans
from roadshift.inference.tiles import MIN_PIXELS, TiledSegmenter
from roadshift.networks.build import build_network
from roadshift.networks.files import load_network
from roadshift.networks.settings import STRIDE, InferenceSettings, ModelSettings


@pytest.fixture(scope="module")
def colours(colour_network):
    return load_network(colour_network)


@pytest.mark.parametrize("length", [32, 512, 544, 768, 800, 1024, 2048, 5024])
@pytest.mark.parametrize("tile", [512, 736, 1440])
def test_tiles_cover_a_line_and_their_weights_sum_to_one(length, tile):
    spans = tile_spans(length, tile)
    total = np.zeros(length)
    for start, lines in spans:
        assert start % STRIDE == 0
        assert lines % STRIDE == 0
        assert lines <= tile
        total[start : start + lines] += fade(lines, start > 0, start + lines < length)
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert spans[-1][0] + spans[-1][1] == length


def test_the_edge_of_a_tile_does_not_count():
    weights = fade(512, before=True, after=True)
    assert not weights[:MARGIN].any()
    assert not weights[-MARGIN:].any()
    assert weights[OVERLAP // 2 - 1] < 0.5 < weights[OVERLAP // 2]


# The images have more than MIN_PIXELS pixels, the first fills 2 by 3 tiles of 512 by 512 pixels.
# Some sides are not multiples of the stride.
@pytest.mark.parametrize(("height", "width"), [(700, 1050), (1200, 230), (1200, 800), (97, 3001)])
@pytest.mark.parametrize("max_height", [0, 90, 640])
def test_tiles_and_strips_give_what_the_whole_image_gives(
    colours, draw_blocks, height, width, max_height
):
    image, label = draw_blocks(5, height, width)
    settings = InferenceSettings(max_height=max_height)
    expected = Segmenter(colours, settings)(image)
    found = TiledSegmenter(colours, settings, MIN_PIXELS)(image)
    # The network sees one pixel beyond each pixel, so that tiles lose nothing.
    assert np.mean(found.ids == expected.ids) > 0.9999
    # Interpolation rounds in another order.
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=5e-3)
    if max_height == 0:
        assert np.mean(found.ids == label) > 0.85


@pytest.mark.parametrize("max_height", [0, 90, 384])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.3])
@pytest.mark.parametrize("shape", [(1, 1), (97, 300), (400, 80), (368, 1242), (719, 33)])
def test_sides_are_those_of_the_resized_image(shape, max_height, scale):
    image = np.zeros((*shape, 3), np.uint8)
    rows, columns = fitted_sides(image, max_height, scale)
    resized = resize_to_stride(image, max_height, scale)
    assert (rows.fitted, columns.fitted) == resized.shape[:2]


@pytest.mark.parametrize(("height", "width"), [(700, 1050), (1200, 800), (300, 400)])
@pytest.mark.parametrize("max_height", [0, 640])
def test_parts_cover_an_image_once_and_are_small(colours, draw_blocks, height, width, max_height):
    image, _ = draw_blocks(5, height, width)
    count, number = np.zeros((height, width), int), 0
    settings = InferenceSettings(max_height=max_height)
    for part in TiledSegmenter(colours, settings, MIN_PIXELS).parts(image):
        assert part.ids.size <= MIN_PIXELS
        count[part.rows, part.columns] += 1
        number += 1
    assert (count == 1).all()
    assert number <= 12  # a part for each row would be slow


def test_a_network_that_sees_far_agrees_on_nearly_all_pixels(draw_blocks):
    model = ModelSettings(encoder="unet", weights="none", base_filters=4)
    network = build_network(model, ("road", "sky", "person"), seed=2)
    image, _ = draw_blocks(6, 640, 900)
    expected = Segmenter(network, InferenceSettings())(image).ids
    found = TiledSegmenter(network, InferenceSettings(), MIN_PIXELS)(image).ids
    assert len(np.unique(expected)) > 1
    assert np.mean(found == expected) > 0.995


VIEWS = {
    "one": InferenceSettings(max_height=128),
    "mirrored": InferenceSettings(max_height=128, tta_flip=True),
    "another size": InferenceSettings(max_height=128, tta_scales=(0.5,)),
    "all": InferenceSettings(max_height=128, tta_flip=True, tta_scales=(0.5, 1.0, 1.5)),
}


@pytest.mark.parametrize("settings", VIEWS.values(), ids=VIEWS)
def test_an_image_that_fits_is_left_to_the_segmenter(colours, draw_blocks, settings):
    image, _ = draw_blocks(7, 300, 400)
    found = TiledSegmenter(colours, settings, MIN_PIXELS)(image)
    expected = Segmenter(colours, settings)(image)
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.confidence, expected.confidence)


# The images have more pixels than MIN_PIXELS, but the network sees fewer of them.
@pytest.mark.parametrize("settings", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize(("height", "width"), [(1080, 1920), (901, 777), (260, 1300)])
def test_views_of_a_large_image_are_averaged_in_strips(
    colours, draw_blocks, settings, height, width
):
    image, _ = draw_blocks(8, height, width)
    expected = Segmenter(colours, settings)(image)
    found = TiledSegmenter(colours, settings, MIN_PIXELS)(image)
    assert found.ids.dtype == np.uint8
    assert found.confidence.dtype == np.float32
    assert np.mean(found.ids == expected.ids) > 0.9999
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=5e-3)


def test_a_view_counts_where_it_is_seen(draw_blocks):
    model = ModelSettings(encoder="unet", weights="none", base_filters=4)
    network = build_network(model, ("road", "sky", "person"), seed=2)
    settings = InferenceSettings(max_height=256, tta_flip=True, tta_scales=(0.5, 1.0))
    image, _ = draw_blocks(9, 700, 900)
    expected = Segmenter(network, settings)(image)
    found = TiledSegmenter(network, settings, MIN_PIXELS)(image)
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-4)
    # The average differs from a single view, and from an average without mirroring back.
    single = Segmenter(network, InferenceSettings(max_height=256))(image)
    assert np.abs(single.confidence - expected.confidence).max() > 1e-3
    assert np.abs(found.confidence - found.confidence[:, ::-1]).max() > 1e-3


@pytest.mark.parametrize(
    ("views", "seen"),
    [
        ({"tta_flip": True}, "512x608"),
        ({"tta_scales": (0.5, 1.0)}, "512x608"),
        ({"max_height": 400, "tta_scales": (1.0, 2.0)}, "672x800"),
    ],
)
def test_views_that_are_too_large_for_the_network_are_refused(colours, draw_blocks, views, seen):
    image, _ = draw_blocks(7, 600, 500)
    with pytest.raises(RoadshiftError) as refused:
        TiledSegmenter(colours, InferenceSettings(**views), MIN_PIXELS)(image)
    assert str(refused.value) == (
        f"the network sees an image of 500x600 at {seen}; test-time augmentation needs a view of "
        "at most 262144 pixels: give --no-tta-flip and --tta-scale 1, or a larger --max-pixels"
    )
