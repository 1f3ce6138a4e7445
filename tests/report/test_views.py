from dataclasses import replace

import numpy as np
import pytest

from roadshift.datasets.samples import Sample
from roadshift.errors import RoadshiftError
from roadshift.records.contents import read_contents
from roadshift.records.reader import examples, open_shards
from roadshift.records.writer import write_shards
from roadshift.report.data_uris import classes_uri, errors_uri, image_uri
from roadshift.report.page import PAGE_MEGABYTES
from roadshift.report.views import ScoredNetwork, domain_views
from roadshift.scoring.extremes import best_median_worst, example_ids
from roadshift.scoring.metrics import mean_iou
from roadshift.scoring.results import ImageMatrices
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")


@pytest.fixture(scope="module")
def shards(block_shards):
    return block_shards("toy", 7, 5)


@pytest.fixture
def scored(shards, flawed_segmenters, scored_network):
    """By mix, its scores, with the predictions of the example images and no others."""
    networks = {mix: scored_network(segment, shards) for mix, segment in flawed_segmenters.items()}
    return {
        mix: replace(
            entry,
            predictions={name: entry.predictions[name] for name in example_ids(entry.matrices)},
        )
        for mix, entry in networks.items()
    }


def kinds_by_id(views, mix):
    return {kind: views.images[index].id for kind, index in views.kinds[mix].items()}


def test_all_images_are_shown_with_the_score_of_each_network(shards, scored):
    views = domain_views(shards, "test", scored=scored, taxonomy=TAXONOMY)
    by_id = {example.id: example for example in examples(shards, "test")}
    assert views.total == 5
    assert [image.id for image in views.images] == list(by_id)
    for place, image in enumerate(views.images):
        assert (image.width, image.height) == (96, 64)
        assert image.image == image_uri(by_id[image.id].image)
        assert image.label == classes_uri(by_id[image.id].label, TAXONOMY)
        assert image.mious == {
            mix: pytest.approx(mean_iou(entry.matrices.matrices[place]), abs=1e-4)
            for mix, entry in scored.items()
        }


def test_each_network_has_its_own_best_median_and_worst_image(shards, scored):
    views = domain_views(shards, "test", scored=scored, taxonomy=TAXONOMY)
    for mix, entry in scored.items():
        assert kinds_by_id(views, mix) == best_median_worst(entry.matrices)
        assert len({*views.kinds[mix].values()}) == 3


def test_an_image_has_the_predictions_that_were_kept_and_no_other(
    shards, scored, flawed_segmenters
):
    views = domain_views(shards, "test", scored=scored, taxonomy=TAXONOMY)
    by_id = {example.id: example for example in examples(shards, "test")}
    for mix, entry in scored.items():
        kept = [image for image in views.images if mix in image.predictions]
        assert {image.id for image in kept} == {*entry.predictions}
        assert views.predicted(mix) == len(kept) < 5
        for image in kept:
            example, shown = by_id[image.id], image.predictions[mix]
            prediction = flawed_segmenters[mix](example.image).ids
            assert shown.prediction == classes_uri(prediction, TAXONOMY)
            assert shown.error == errors_uri(example.label, prediction)


def test_a_single_image_is_all_three(block_shards, flawed_segmenters, scored_network):
    shards = block_shards("one", 3, 1)
    entry = scored_network(flawed_segmenters["a"], shards)
    views = domain_views(shards, "test", scored={"a": entry}, taxonomy=TAXONOMY)
    assert views.kinds == {"a": {"best": 0, "median": 0, "worst": 0}}
    assert len(views.images) == 1


def test_without_a_label_there_is_no_best_image_and_all_are_shown(shards, scored):
    matrices = scored["a"].matrices
    nothing = ImageMatrices(matrices.ids, np.zeros_like(matrices.matrices))
    empty = ScoredNetwork(nothing, scored["a"].predictions)
    views = domain_views(shards, "test", scored={"a": empty}, taxonomy=TAXONOMY)
    assert views.kinds == {"a": {}}
    assert [image.mious for image in views.images] == 5 * [{"a": None}]


def test_images_never_take_more_than_their_bound(shards, scored):
    everything = domain_views(shards, "test", scored=scored, taxonomy=TAXONOMY)
    for most in range(0, everything.size, 2500):
        views = domain_views(shards, "test", scored=scored, taxonomy=TAXONOMY, most_bytes=most)
        assert views.size <= most
        assert len(views.images) < views.total == 5
        for kinds in views.kinds.values():
            assert all(index < len(views.images) for index in kinds.values())
    exact = domain_views(
        shards, "test", scored=scored, taxonomy=TAXONOMY, most_bytes=everything.size
    )
    assert exact == everything


def test_images_become_narrower_where_more_of_them_fit(shards, scored, monkeypatch):
    monkeypatch.setattr("roadshift.report.views.WIDTHS", (96, 48))
    wide = domain_views(shards, "test", scored=scored, taxonomy=TAXONOMY)
    assert {image.width for image in wide.images} == {96}
    most = wide.size * 2 // 3
    narrow = domain_views(shards, "test", scored=scored, taxonomy=TAXONOMY, most_bytes=most)
    assert {(image.width, image.height) for image in narrow.images} == {(48, 32)}
    assert len(narrow.images) > 3
    assert narrow.size <= most


def noisy_domain(folder, save_image, number, mixes):
    """Shards of images that hardly compress, wider than a page shows, and all their predictions."""
    random = np.random.default_rng(0)
    (folder / "shards").mkdir()
    classes = len(TAXONOMY.classes)
    samples, labels = [], {}
    for k in range(number):
        label = random.integers(0, classes, (400, 700)).astype(np.uint8)
        save_image(folder / f"images/{k}.png", random.integers(0, 256, (400, 700, 3), np.uint8))
        save_image(folder / f"labels/{k}.png", label)
        samples.append(Sample(f"i{k:02}", "test", "", f"{k}.png", f"{k}.png", 700, 400))
        labels[f"i{k:02}"] = label
    write_shards(
        samples,
        ("test",),
        images=folder / "images",
        labels=folder / "labels",
        taxonomy=TAXONOMY,
        dataset="noise",
        shard_megabytes=100,
        folder=folder / "shards",
    )
    shards = open_shards(folder / "shards")
    ids = read_contents(shards.folder, "test", shards.class_names).ids
    scored = {}
    for shift, mix in enumerate(mixes, 1):
        predictions = {name: (labels[name] + shift) % classes for name in ids}
        matrices = random.integers(0, 9, (number, classes, classes))
        scored[mix] = ScoredNetwork(ImageMatrices(ids, matrices), predictions)
    return shards, scored


def test_a_page_of_many_large_images_stays_below_its_bound(parts, tmp_path, save_image):
    shards, scored = noisy_domain(tmp_path, save_image, 24, parts.scores)
    views = domain_views(shards, "test", scored=scored, taxonomy=TAXONOMY)
    assert {image.width for image in views.images} == {320}
    assert 6 < len(views.images) < views.total == 24
    # Images beside one another are alike: those that are left out lie between those that are not.
    places = [int(image.id[1:]) for image in views.images]
    assert min(places) < 6
    assert max(places) >= 18
    small = replace(views, images=[], kinds={mix: {} for mix in parts.scores})
    for role in ("a", "b"):
        parts.domains[role] = replace(parts.domains[role], views=small)
    parts.domains["target"] = replace(parts.domains["target"], views=views)
    html = parts.html()
    assert 4e6 < len(html.encode()) < PAGE_MEGABYTES * 1e6
    assert f"{len(views.images)} of the 24 test images of target can be chosen" in html


def test_scores_of_other_images_are_refused(shards, scored):
    matrices = scored["a"].matrices
    other = ScoredNetwork(
        ImageMatrices(("x", *matrices.ids[1:]), matrices.matrices), scored["a"].predictions
    )
    with pytest.raises(RoadshiftError, match="mix 'a' was scored on; run the evaluate stage"):
        domain_views(shards, "test", scored={"a": other}, taxonomy=TAXONOMY)
