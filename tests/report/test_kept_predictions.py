"""Which predictions a network's evaluation keeps for the page."""

import numpy as np
import pytest

from roadshift.inference.evaluation import score_and_keep
from roadshift.records.reader import examples
from roadshift.scoring.extremes import example_ids


@pytest.fixture(scope="module")
def shards(block_shards):
    return block_shards("toy", 7, 9)


def test_all_predictions_are_kept_where_they_are_small_and_no_image_is_segmented_twice(
    shards, flawed_segmenters
):
    for segment in flawed_segmenters.values():
        segmented: list[np.ndarray] = []

        def count(image, segment=segment, segmented=segmented):
            segmented.append(image)
            return segment(image)

        found, kept = score_and_keep(count, shards)
        assert tuple(kept) == found.matrices.ids
        assert len(segmented) == len(kept)
        for example in examples(shards, "test"):
            assert (kept[example.id] == segment(example.image).ids).all()


def test_of_large_ones_the_examples_are_kept_and_others_evenly(
    shards, flawed_segmenters, monkeypatch
):
    # Three images of 96×64: the first, the fifth and the ninth of nine.
    monkeypatch.setattr("roadshift.inference.evaluation.KEPT_PIXELS", 3 * 96 * 64)
    for segment in flawed_segmenters.values():
        found, kept = score_and_keep(segment, shards)
        ids = found.matrices.ids
        assert {*kept} == {*example_ids(found.matrices)} | {ids[place] for place in (0, 4, 8)}
        assert [*kept] == [name for name in ids if name in kept]
        for example in examples(shards, "test"):
            if example.id in kept:
                assert (kept[example.id] == segment(example.image).ids).all()
