"""Which predictions a network's evaluation keeps for the page."""

import pytest

from roadshift.inference.evaluation import segment_examples
from roadshift.inference.scorers import score_split
from roadshift.scoring.extremes import example_ids


@pytest.fixture(scope="module")
def shards(block_shards):
    return block_shards("toy", 7, 9)


@pytest.fixture(scope="module")
def networks(shards, flawed_segmenters):
    """By mix, the segmenter and the confusion matrices of its nine images."""
    return {
        mix: (segment, score_split(segment, shards, "test").matrices)
        for mix, segment in flawed_segmenters.items()
    }


def test_all_predictions_are_kept_where_they_are_small(shards, networks):
    for segment, matrices in networks.values():
        kept = segment_examples(segment, shards, matrices)
        assert tuple(kept) == matrices.ids


def test_of_large_ones_the_examples_are_kept_and_others_evenly(shards, networks, monkeypatch):
    # Three images of 96×64: the first, the fourth and the seventh of nine.
    monkeypatch.setattr("roadshift.inference.evaluation.KEPT_PIXELS", 3 * 96 * 64)
    for segment, matrices in networks.values():
        kept = segment_examples(segment, shards, matrices)
        spread = {matrices.ids[place] for place in (0, 3, 6)}
        assert {*kept} == {*example_ids(matrices)} | spread
        assert [*kept] == [name for name in matrices.ids if name in kept]
