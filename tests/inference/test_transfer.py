"""Which images of the sources a network is scored on, and the means that choose."""

import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.inference.scorers import Scorers, score_split
from roadshift.inference.segmenter import Segmentation
from roadshift.inference.transfer import score_transfer
from roadshift.records.reader import open_shards
from roadshift.records.writer import write_shards
from roadshift.scoring.settings import EvaluateSettings
from roadshift.scoring.transfer import TransferScores, counted, mean_miou
from roadshift.taxonomy import load_taxonomy

SETTINGS = EvaluateSettings(bootstrap_samples=20)


def segment(image):
    """All is class 0, as half of no label is."""
    shape = image.shape[:2]
    return Segmentation(np.zeros(shape, np.uint8), np.full(shape, 0.5, np.float32))


def adapted(shards, splits):
    return score_split(segment, shards, *splits)


def write_sources(tmp_path_factory, toy_samples, *written):
    """Opens the sources with all splits, without val, and with test alone, as ika's is."""
    found = {}
    for role, splits in {
        "a": {"train": 3, "val": 2, "test": 4},
        "b": {"train": 4, "test": 2},
        "c": {"test": 3},
    }.items():
        place = tmp_path_factory.mktemp(role)
        samples = toy_samples(place, splits, prefix=role)
        (place / "shards").mkdir()
        write_shards(
            samples,
            written,
            images=place / "images",
            labels=place / "labels",
            taxonomy=load_taxonomy("driving11"),
            dataset=f"toys_{role}",
            shard_megabytes=1,
            folder=place / "shards",
        )
        found[role] = open_shards(place / "shards")
    return found


@pytest.fixture(scope="module")
def sources(tmp_path_factory, toy_samples):
    return write_sources(tmp_path_factory, toy_samples, "train", "val")


def transfer(sources, own, segment=segment):
    scorers = Scorers(segment, 15, {"adabn": adapted})
    return score_transfer(scorers, sources, own=own, settings=SETTINGS, seed=0)


def test_all_that_a_network_has_not_seen_is_scored_but_for_test(sources, capsys):
    found = transfer(sources, own=["a"])
    assert {role: s.splits for role, s in found.scores.items()} == {"a": ["val"], "b": ["train"]}
    assert {role: s.held_out for role, s in found.scores.items()} == {"a": False, "b": True}
    # Five images of a, the last two of val; four of train in b.
    assert {*found.matrices.domains["a"].ids} == {"a003", "a004"}
    assert {*found.matrices.domains["b"].ids} == {f"b{index:03}" for index in range(4)}
    assert found.matrices.adapted["adabn"]["b"].ids == found.matrices.domains["b"].ids
    assert found.scores["b"].adapted["adabn"].images == 4
    assert "c (toys_c): no image in train or val, so no score" in capsys.readouterr().out
    other = transfer(sources, own=["b"])
    assert {role: s.splits for role, s in other.scores.items()} == {"a": ["train", "val"]}
    assert other.scores["a"].images == 5


def test_no_test_image_is_scored_where_the_shards_have_a_test_split(tmp_path_factory, toy_samples):
    whole = write_sources(tmp_path_factory, toy_samples, "train", "val", "test")
    assert {role: shards.count("test") for role, shards in whole.items()} == {
        "a": 4,
        "b": 2,
        "c": 3,
    }
    seen = set()

    def note(image):
        # The red value is the number of the sample.
        seen.add(int(image[0, 0, 0]))
        return segment(image)

    found = transfer({"a": whole["a"], "c": whole["c"]}, own=[], segment=note)
    assert found.scores["a"].splits == ["train", "val"]
    assert {*found.matrices.domains["a"].ids} == {f"a{index:03}" for index in range(5)}
    assert found.matrices.adapted["adabn"]["a"].ids == found.matrices.domains["a"].ids
    # The last four of nine are of test, and so are all of c.
    assert seen == {0, 1, 2, 3, 4}
    assert found.scores.keys() == {"a"}
    own = transfer(whole, own=["a"])
    assert own.scores["b"].splits == ["train"]
    assert {*own.matrices.domains["a"].ids} == {"a003", "a004"}


def test_the_means_are_over_sources_and_leave_joined_classes_out(sources, tmp_path):
    scores = transfer(sources, own=["a"]).scores
    low = scores["b"].model_copy(update={"miou": 0.2})
    more = {"a": scores["a"].model_copy(update={"miou": 0.9}), "b": low,
            "d": low.model_copy(update={"miou": 0.4}),
            "e": low.model_copy(update={"miou": 0.8, "joined": {"x + y": 0.8}}),
            "f": low.model_copy(update={"miou": None})}  # fmt: skip
    assert counted(more, held_out=True) == ["b", "d"]
    assert mean_miou(more, held_out=True) == 0.3
    assert mean_miou(more, held_out=False) == 0.9
    assert mean_miou({"b": low}, held_out=False) is None
    file = tmp_path / "ab.json"
    written = TransferScores(
        mix="ab", taxonomy="driving11", held_out=0.3, val=0.9, domains=more,
        target_images={"labelled": 2},
    )  # fmt: skip
    written.save(file)
    assert TransferScores.load(file) == written
    assert TransferScores.load(file).target_use == "supervised"
    file.write_text('{"mix": "ab"}', "utf-8")
    with pytest.raises(RoadshiftError, match=r"ab\.json: not the transfer scores of a mix .*repro"):
        TransferScores.load(file)
    with pytest.raises(RoadshiftError, match=r"none\.json: missing; run dvc repro"):
        TransferScores.load(tmp_path / "none.json")
