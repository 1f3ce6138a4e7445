"""Typical, uncertain and random picks against sets whose structure is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadshift.errors import RoadshiftError
from roadshift.estimation.choosing import choose_ids
from roadshift.estimation.picking import CHOICES, Choice, k_means, pick, typical, typicality
from roadshift.inference.segmenter import Segmenter
from roadshift.networks.files import load_network
from roadshift.networks.settings import InferenceSettings
from roadshift.records.reader import examples


def groups(sizes, dimensions=8, spread=0.1, seed=0):
    """Points about far-off centres, and the group of each."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(len(sizes), dimensions)) * 5
    of = np.repeat(np.arange(len(sizes)), sizes)
    return centres[of] + generator.normal(size=(len(of), dimensions)) * spread, of


@pytest.mark.parametrize("seed", range(5))
def test_a_typical_image_of_each_group_the_largest_first(seed):
    points, of = groups([10, 60, 30], seed=seed)
    picked = typical(points, 3, 0)
    assert [of[place] for place in picked] == [1, 2, 0]


def test_errors_lead_to_the_groups_that_are_done_badly():
    """Of four groups the two small ones are wrong; the other two are large."""
    points, of = groups([50, 50, 10, 10])
    errors = np.array([0.01, 0.01, 0.5, 0.4])[of]
    assert {of[place] for place in typical(points, 2, 0)} != {2, 3}
    picked = pick(
        "weighed", [*map(str, range(120))], number=2, seed=0, features=points, errors=errors
    )
    assert [of[place] for place in picked] == [2, 3]


def test_the_most_typical_of_a_group_is_near_its_middle():
    points, _ = groups([200])
    (place,) = typical(points, 1, 0)
    distances = np.linalg.norm(points - points.mean(0), axis=1)
    assert distances[place] < np.quantile(distances, 0.2)


def test_an_outlier_is_never_typical():
    points, _ = groups([30, 30])
    points = np.vstack([points, np.full((1, 8), 40.0)])
    assert 60 not in typical(points, 2, 0)[:1]
    assert typicality(points).argmin() == 60


def test_typicality_by_hand():
    """At 0, 1 and 3, with two neighbours each: means of 2, 1.5 and 2.5."""
    found = typicality(np.array([[0.0], [1.0], [3.0]]))
    np.testing.assert_allclose(1 / found, [2, 1.5, 2.5])


def test_typicality_in_blocks_is_that_of_all_pairs():
    points = np.random.default_rng(0).normal(size=(700, 5))
    distances = np.sqrt(((points[:, np.newaxis] - points) ** 2).sum(-1))
    expected = 20 / np.sort(distances, axis=1)[:, 1:21].sum(1)
    np.testing.assert_allclose(typicality(points), expected, rtol=1e-6)


def test_k_means_finds_groups_and_agrees_with_another_library():
    cluster = pytest.importorskip("sklearn.cluster")
    points, of = groups([40, 25, 70, 12])
    found = k_means(points, 4, seed=1)
    other = cluster.KMeans(4, n_init=5, random_state=0).fit_predict(points)
    for labels in (of, other):
        assert len({*zip(found.tolist(), labels.tolist(), strict=True)}) == 4


def test_no_feature_decides_by_its_unit_alone():
    points, of = groups([30, 50])
    points = np.hstack([points, np.random.default_rng(1).normal(size=(80, 1)) * 1e6])
    assert {of[place] for place in typical(points, 2, 0)} == {0, 1}


@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 99), st.data())
@settings(max_examples=40)
def test_any_choice_picks_so_many_different_images(images, kinds, seed, data):
    """Even where images are copies of each other."""
    number = data.draw(st.integers(1, images))
    points = np.random.default_rng(seed).normal(size=(kinds, 3))[np.arange(images) % kinds]
    names = [f"image{k}" for k in range(images)]
    for choice in CHOICES:
        arguments = {"features": points, "errors": np.zeros(images)}
        picked = pick(choice, names, number=number, seed=seed, **arguments)
        assert len({*picked}) == len(picked) == number
        assert picked == pick(choice, names, number=number, seed=seed, **arguments)


def test_uncertain_ones_have_the_largest_errors():
    errors = np.array([0.1, 0.4, 0.2, 0.4])
    assert pick("uncertain", ["d", "c", "b", "a"], number=3, seed=0, errors=errors) == [3, 1, 2]


def test_a_smaller_random_pick_is_part_of_a_larger_one_and_seeds_differ():
    names = [str(k) for k in range(50)]
    five = pick("random", names, number=5, seed=3)
    assert pick("random", names, number=20, seed=3)[:5] == five
    assert pick("random", names, number=5, seed=4) != five


def test_more_images_than_there_are_are_refused():
    with pytest.raises(RoadshiftError, match="3 images are to be picked of 2"):
        pick("random", ["a", "b"], number=3, seed=0)


def test_images_of_shards_are_chosen_without_their_labels(block_shards, colour_network):
    network = load_network(colour_network)
    splits = {"train": range(12), "val": range(12, 14)}
    right = block_shards("right", splits)
    wrong = block_shards("wrong", splits, relabel=lambda label: label * 0)
    choices: list[Choice] = ["typical", "weighed", "uncertain"]
    for choice in choices:
        found, same = (
            choose_ids(network, shards, choice=choice, number=3, seed=0, max_height=0)
            for shards in (right, wrong)
        )
        assert found == sorted(found) == same
        assert {*found} <= {f"{k:03}" for k in range(12)}
    segment = Segmenter(network, InferenceSettings())
    sure = {e.id: float(segment(e.image).confidence.mean()) for e in examples(right, "train")}
    assert found == sorted(sorted(sure, key=lambda name: sure[name])[:3])
