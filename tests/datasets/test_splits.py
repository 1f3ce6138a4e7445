import random
from typing import Any

import pytest
from pydantic import ValidationError

from roadshift.datasets.card import load_card
from roadshift.datasets.splits import SplitConfig, Splits, SplitScheme, SplitShares, seeded_order
from roadshift.errors import RoadshiftError

ONE_SEED: dict[str, Any] = {"seed": 0, "val": 0.1, "test": 0.3}
CITIES = {f"{city}_{n}": city for city in "abcdefghij" for n in range(3)}


def refuse(match, function, *args):
    with pytest.raises(RoadshiftError, match=match) as caught:
        function(*args)
    assert "\n" not in str(caught.value)


def counts(split_of):
    found = list(split_of.values())
    return {split: found.count(split) for split in ("train", "val", "test")}


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({}, "exactly one"),
        ({"official": {"a": "test"}, "random": {"test": 1.0}}, "exactly one"),
        ({"random": {"train": 0.5, "test": 0.4}}, "not to 1"),
        ({"official": {"a": "testing"}}, "official.a"),
        ({"groups": {"a": "test"}, "random": {"test": 1.0}}, "exactly one"),
        ({"random": {"test": 1.0}, "val_share": 0.1}, "val_share needs"),
        ({"groups": {"a": "train"}, "val_share": 0.1}, "val_share needs"),
        ({"shuffled": {"seed": 1, "counts": {"test": 5}}, "val_share": 0.1}, "val_share needs"),
        ({"shuffled": {"seed": 1, "counts": {"test": 0}}}, "greater than 0"),
        (
            {"random": {"test": 1.0}, "named": {"group": {"random": {"test": 1.0}}}},
            "'group' is a split scheme of every card",
        ),
        ({"official": {"a": "test"}, "val_share": 0.1}, "val_share needs"),
    ],
)
def test_unsound_splits_are_refused(splits, message):
    with pytest.raises(ValidationError, match=message):
        Splits(**splits)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val": 0.0}, "greater than 0"),
        ({"test": 1.0}, "less than 1"),
        ({"val": 0.5, "test": 0.5}, "leave no share for train"),
        ({"seed": -1}, "greater than or equal to 0"),
    ],
)
def test_unsound_shares_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        SplitShares(**{**ONE_SEED, **changes})


def test_the_seeded_order_is_one_for_all_time():
    # `printf 7:a | sha256sum` begins with 82d9; those of 7:b, 7:c and 7:d with ec2a, 18ec, d3a3.
    assert seeded_order("abcd", 7) == seeded_order("dcba", 7) == ["c", "a", "d", "b"]


def scheme(by, splits=None):
    return (splits or Splits(random={"test": 1.0})).split_scheme(SplitConfig(by=by, **ONE_SEED))


def test_groups_stay_whole_and_are_split_by_their_share():
    split_of = scheme("group").assign_splits(CITIES, {}, 0)
    assert {*split_of} == {*CITIES}
    assert counts(split_of) == {"train": 18, "val": 3, "test": 9}
    of_city = {city: {split_of[i] for i in CITIES if CITIES[i] == city} for city in "abcdefghij"}
    assert all(len(splits) == 1 for splits in of_city.values())


def test_random_splits_images_and_not_groups():
    split_of = scheme("random").assign_splits(CITIES, {}, 0)
    assert counts(split_of) == {"train": 18, "val": 3, "test": 9}
    assert len({(CITIES[i], split) for i, split in split_of.items()}) > 10


def test_another_seed_is_another_choice():
    for by in ("group", "random"):
        assert scheme(by).assign_splits(CITIES, {}, 0) == scheme(by).assign_splits(CITIES, {}, 0)
        assert scheme(by).assign_splits(CITIES, {}, 0) != scheme(by).assign_splits(CITIES, {}, 1)


@pytest.mark.parametrize("seed", range(5))
def test_three_groups_are_one_each(seed):
    groups = {i: g for i, g in CITIES.items() if g in "abc"}
    assert counts(scheme("group").assign_splits(groups, {}, seed)) == {
        "train": 3,
        "val": 3,
        "test": 3,
    }


def test_what_cannot_be_split_by_group():
    two = {i: g for i, g in CITIES.items() if g in "ab"}
    refuse(
        r"2 groups \(drives, cities\) are too few for 3 splits",
        scheme("group").assign_splits,
        two,
        {},
        0,
    )
    odd = {**CITIES, "x": ""}
    refuse("'x' has no group", scheme("group").assign_splits, odd, {}, 0)
    table = SplitScheme(groups=dict.fromkeys("abc", "test"))
    refuse("the group 'd' has no split", table.assign_splits, CITIES, {}, 0)


def test_an_unknown_split_is_answered_with_the_nearest():
    card = load_card("kitti")
    refuse(
        "kitti: 'curse' .*did you mean 'course'",
        card.split_scheme,
        SplitConfig(by="curse", **ONE_SEED),
    )
    refuse("did you mean 'official'", card.split_scheme, SplitConfig(by="oficial", **ONE_SEED))
    refuse(
        "known: official, group, random, course",
        card.split_scheme,
        SplitConfig(by="xyz", **ONE_SEED),
    )


@pytest.mark.parametrize("name", ["kitti", "kitti_ids"])
def test_the_split_of_the_course_is_what_its_notebook_does(name):
    ids = [f"{n:06}_10" for n in range(200)]
    # As the notebook has it: sorted pairs, shuffled, the first 70 % for training.
    pairs = [(f"image_2/{i}.png", f"semantic_rgb/{i}.png") for i in ids]
    random.seed(123)
    random.shuffle(pairs)
    training = {image[8:-4] for image, _ in pairs[:140]}
    groups = dict.fromkeys(ids, "")
    split_of = [
        scheme("course", load_card(name).splits).assign_splits(groups, {}, seed) for seed in (0, 1)
    ]
    for found in split_of:
        assert {i for i in ids if found[i] == "test"} == {*ids} - training
        assert counts(found) == {"train": 126, "val": 14, "test": 60}
    assert split_of[0] != split_of[1]
    # Once and for all, whatever the version of Python.
    assert [i for i in ids if split_of[0][i] == "test"][:3] == [
        "000000_10",
        "000001_10",
        "000003_10",
    ]


def test_the_course_needs_all_images():
    groups = dict.fromkeys(map(str, range(60)), "")
    refuse(
        "needs all 200 images of the set, found 60",
        scheme("course", load_card("kitti").splits).assign_splits,
        groups,
        {},
        0,
    )


def test_a_larger_share_for_val_keeps_what_a_smaller_one_held_back():
    published = dict.fromkeys(CITIES, "train")
    small, large = (
        SplitScheme(official={"train": "train", "val": "test"}, val_share=share).assign_splits(
            CITIES, published, 3
        )
        for share in (0.1, 0.3)
    )
    held = [{i for i, split in split_of.items() if split == "val"} for split_of in (small, large)]
    assert held[0] < held[1]
    assert [len(ids) for ids in held] == [3, 9]
