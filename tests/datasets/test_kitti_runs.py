"""KITTI's images come in runs of a standing camera, which must not cross a split."""

from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from roadshift.datasets.card import load_card
from roadshift.datasets.samples import find_samples
from roadshift.datasets.splits import SplitConfig
from roadshift.download.archives import unpack
from tests.everything import EVERYTHING

NEAR = 20
"""Most of 128 bits in which near copies differ; images of other scenes differ in 25 and more."""
# Looked at: in each row the camera stands still, or all but still, while cars go by.
STANDING = [(10, 11, 12), (50, 51, 52), (90, 91, 92)]
LEAKING = {"000011_10", "000012_10", "000050_10", "000052_10", "000090_10", "000091_10"}
"""Test images of the split by image that have a training image of the same standing camera."""


def splits(samples):
    return {sample.id: sample.split for sample in samples}


def find(folder, by="official", seed=0, name="kitti"):
    config = SplitConfig(by=by, seed=seed, val=0.1, test=0.3)
    return find_samples(load_card(name), folder, config)


@pytest.fixture(scope="module")
def kitti(mirror, tmp_path_factory):
    """The mirror's images of KITTI."""
    folder = tmp_path_factory.mktemp("kitti")
    unpack(
        mirror / "data_semantics.zip", folder, root=".", limit_bytes=700_000_000, used=EVERYTHING
    )
    return folder


def fingerprint(file):
    """Whether each of 16×8 places is brighter than its left neighbour: a difference hash."""
    with Image.open(file) as image:
        small = np.asarray(image.convert("L").resize((17, 8), Image.Resampling.BOX), int)
    return small[:, 1:] > small[:, :-1]


@pytest.fixture(scope="module")
def near_copies(kitti):
    """Pairs of ids whose images look alike."""
    hashes = {f.stem: fingerprint(f) for f in sorted(kitti.glob("training/image_2/*.png"))}
    assert len(hashes) == 60
    return [(a, b) for a, b in combinations(hashes, 2) if (hashes[a] != hashes[b]).sum() <= NEAR]


@pytest.fixture
def two_hundred(tmp_path, save_image):
    """The ids of the whole set."""
    for name in ("image_2", "semantic_rgb", "semantic"):
        for n in range(200):
            save_image(tmp_path / f"training/{name}/{n:06}_10.png", np.zeros((1, 1, 3)))
    return tmp_path


def test_standing_cameras_are_told_by_the_look_of_their_images(near_copies):
    assert {("000050_10", "000051_10"), ("000090_10", "000092_10"), ("000011_10", "000012_10")} <= {
        *near_copies
    }
    assert all(a[:5] == b[:5] for a, b in near_copies)


@pytest.mark.parametrize("seed", range(4))
def test_no_image_of_test_has_a_near_copy_in_train_or_val(kitti, near_copies, seed):
    split_of = splits(find(kitti, seed=seed))
    assert near_copies
    for a, b in near_copies:
        assert split_of[a] == split_of[b], (a, b)
    for run in STANDING:
        assert len({split_of[f"{n:06}_10"] for n in run}) == 1


def test_a_split_by_image_has_six_images_of_test_near_one_of_train(kitti):
    split_of = splits(find(kitti, "random"))
    leaking = set()
    for run in STANDING:
        ids = [f"{n:06}_10" for n in run]
        if any(split_of[i] == "train" for i in ids):
            leaking |= {i for i in ids if split_of[i] == "test"}
    assert leaking == LEAKING


@pytest.mark.parametrize("name", ["kitti", "kitti_ids"])
def test_ten_neighbouring_ids_stay_in_one_split(two_hundred, name):
    samples = find(two_hundred, name=name)
    assert {s.group for s in samples} == {f"{n:05}" for n in range(20)}
    assert all(s.group == s.id[:5] for s in samples)
    split_of = splits(samples)
    for ten in range(20):
        assert len({split_of[f"{10 * ten + n:06}_10"] for n in range(10)}) == 1
    counts = {s: [*split_of.values()].count(s) for s in ("train", "val", "test")}
    assert counts == {"train": 120, "val": 20, "test": 60}


def test_another_seed_is_another_choice_of_runs(two_hundred):
    assert splits(find(two_hundred, seed=0)) == splits(find(two_hundred, seed=0))
    assert splits(find(two_hundred, seed=0)) != splits(find(two_hundred, seed=1))


def test_the_split_by_image_is_still_to_be_had(two_hundred):
    split_of = splits(find(two_hundred, "random"))
    assert len({split_of[f"{n:06}_10"] for n in range(10)}) > 1


def test_the_courses_split_parts_neighbours(two_hundred):
    split_of = splits(find(two_hundred, "course"))
    assert split_of["000050_10"] != split_of["000051_10"] or (
        split_of["000051_10"] != split_of["000052_10"]
    )
