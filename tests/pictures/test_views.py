import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.pictures.layers import classes_uri, errors_uri, picture_uri
from roadshift.pictures.views import Scored, domain_views
from roadshift.records.reader import examples
from roadshift.scoring.extremes import best_median_worst
from roadshift.scoring.inference import score_pictures
from roadshift.scoring.metrics import mean_iou
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")


@pytest.fixture(scope="module")
def shards(block_shards):
    return block_shards("toy", 7, 5)


@pytest.fixture
def scored(shards, flawed_segmenters):
    found = {mix: score_pictures(s, shards, "test") for mix, s in flawed_segmenters.items()}
    return {mix: Scored(flawed_segmenters[mix], f.ids, f.matrices) for mix, f in found.items()}


def test_each_network_shows_its_own_best_median_and_worst_picture(shards, scored):
    views = domain_views(shards, "test", scored, TAXONOMY)
    by_id = {example.id: example for example in examples(shards, "test")}
    for mix, entry in scored.items():
        chosen = best_median_worst(entry.ids, entry.matrices)
        shown = {s.kind: views.pictures[s.picture].id for s in views.samples[mix]}
        assert shown == chosen
        assert len({*shown.values()}) == 3
        for sample in views.samples[mix]:
            example = by_id[shown[sample.kind]]
            prediction, _ = entry.segment(example.image)
            assert sample.prediction == classes_uri(prediction, TAXONOMY)
            assert sample.error == errors_uri(example.label, prediction)
            assert sample.miou == mean_iou(entry.matrices[list(entry.ids).index(example.id)])
    for picture in views.pictures:
        assert (picture.width, picture.height) == (96, 64)
        assert picture.image == picture_uri(by_id[picture.id].image)
        assert picture.label == classes_uri(by_id[picture.id].label, TAXONOMY)


def test_a_picture_that_several_networks_show_is_held_once(shards, scored):
    views = domain_views(shards, "test", scored, TAXONOMY)
    ids = [picture.id for picture in views.pictures]
    assert len(set(ids)) == len(ids) <= 5


def test_a_single_picture_is_all_three(block_shards, flawed_segmenters):
    shards = block_shards("one", 3, 1)
    found = score_pictures(flawed_segmenters["a"], shards, "test")
    entry = Scored(flawed_segmenters["a"], found.ids, found.matrices)
    views = domain_views(shards, "test", {"a": entry}, TAXONOMY)
    assert [(s.kind, s.picture) for s in views.samples["a"]] == [
        ("best", 0), ("median", 0), ("worst", 0),
    ]  # fmt: skip


def test_without_a_label_there_is_nothing_to_show(shards, scored):
    entry = scored["a"]
    empty = Scored(entry.segment, entry.ids, np.zeros_like(entry.matrices))
    views = domain_views(shards, "test", {"a": empty}, TAXONOMY)
    assert views.pictures == []
    assert views.samples == {"a": []}


def test_scores_of_other_pictures_are_refused(shards, scored):
    entry = scored["a"]
    other = Scored(entry.segment, ["x", *list(entry.ids)[1:]], entry.matrices)
    with pytest.raises(RoadshiftError, match="mix 'a' was scored on; run the evaluate stage"):
        domain_views(shards, "test", {"a": other}, TAXONOMY)
