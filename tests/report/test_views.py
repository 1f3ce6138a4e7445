import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.records.reader import examples
from roadshift.report.data_uris import classes_uri, errors_uri, image_uri
from roadshift.report.views import ScoredNetwork, domain_views
from roadshift.scoring.extremes import best_median_worst
from roadshift.scoring.metrics import mean_iou
from roadshift.scoring.results import ImageMatrices
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")


@pytest.fixture(scope="module")
def shards(block_shards):
    return block_shards("toy", 7, 5)


@pytest.fixture
def scored(shards, flawed_segmenters, scored_network):
    return {mix: scored_network(segment, shards) for mix, segment in flawed_segmenters.items()}


def test_each_network_shows_its_own_best_median_and_worst_image(shards, scored, flawed_segmenters):
    views = domain_views(shards, "test", scored=scored, taxonomy=TAXONOMY)
    by_id = {example.id: example for example in examples(shards, "test")}
    for mix, entry in scored.items():
        chosen = best_median_worst(entry.matrices)
        shown = {each.kind: views.images[each.image].id for each in views.predictions[mix]}
        assert shown == chosen
        assert len({*shown.values()}) == 3
        for each in views.predictions[mix]:
            example = by_id[shown[each.kind]]
            prediction = flawed_segmenters[mix](example.image).ids
            assert each.prediction == classes_uri(prediction, TAXONOMY)
            assert each.error == errors_uri(example.label, prediction)
            place = entry.matrices.ids.index(example.id)
            assert each.miou == mean_iou(entry.matrices.matrices[place])
    for image in views.images:
        assert (image.width, image.height) == (96, 64)
        assert image.image == image_uri(by_id[image.id].image)
        assert image.label == classes_uri(by_id[image.id].label, TAXONOMY)


def test_an_image_that_several_networks_show_is_held_once(shards, scored):
    views = domain_views(shards, "test", scored=scored, taxonomy=TAXONOMY)
    ids = [image.id for image in views.images]
    assert len(set(ids)) == len(ids) <= 5


def test_a_single_image_is_all_three(block_shards, flawed_segmenters, scored_network):
    shards = block_shards("one", 3, 1)
    entry = scored_network(flawed_segmenters["a"], shards)
    views = domain_views(shards, "test", scored={"a": entry}, taxonomy=TAXONOMY)
    assert [(each.kind, each.image) for each in views.predictions["a"]] == [
        ("best", 0), ("median", 0), ("worst", 0),
    ]  # fmt: skip


def test_without_a_label_there_is_nothing_to_show(shards, scored):
    matrices = scored["a"].matrices
    nothing = ImageMatrices(matrices.ids, np.zeros_like(matrices.matrices))
    empty = ScoredNetwork(nothing, scored["a"].predictions)
    views = domain_views(shards, "test", scored={"a": empty}, taxonomy=TAXONOMY)
    assert views.images == []
    assert views.predictions == {"a": []}


def test_scores_of_other_images_are_refused(shards, scored):
    matrices = scored["a"].matrices
    other = ScoredNetwork(
        ImageMatrices(("x", *matrices.ids[1:]), matrices.matrices), scored["a"].predictions
    )
    with pytest.raises(RoadshiftError, match="mix 'a' was scored on; run the evaluate stage"):
        domain_views(shards, "test", scored={"a": other}, taxonomy=TAXONOMY)
