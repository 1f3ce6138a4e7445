"""Cards and encodings on the publishers' real files, as far as the mirror has them."""

import csv

import numpy as np
import pytest
from PIL import Image

from roadshift.datasets.card import card_names, load_card, load_encoding
from roadshift.datasets.remap import remap_set
from roadshift.datasets.samples import read_manifest
from roadshift.datasets.splits import SplitConfig
from roadshift.download.archives import unpack
from roadshift.download.dataset import download_dataset
from roadshift.download.fetch import Places
from roadshift.taxonomy import load_taxonomy
from tests.everything import EVERYTHING

DRIVING11 = load_taxonomy("driving11")

# Number of pairs that the mirror has of each set that is tried on its publisher's files.
REAL = {
    "camvid": 425,
    "camseq01": 8,
    "kitti": 60,
    "idd_lite": 769,
    "bdd100k": 12,
    "a2d2": 5,
    "carla_0_9_13": 25,
}
# Share of ignored pixels under driving7, as counted once: void in CamVid (3.9 %, and 0.3 % of
# bicyclists) and BDD100K, trees and grass in one class in A2D2, the unlabelled sky in CARLA.
IGNORED = {
    "camvid": 0.042,
    "camseq01": 0.038,
    "kitti": 0.015,
    "idd_lite": 0.000,
    "bdd100k": 0.150,
    "a2d2": 0.305,
    "carla_0_9_13": 0.267,
}


def test_the_cards_that_were_tried_on_real_files():
    assert {name for name in card_names() if load_card(name).tried == "real"} == {*REAL}


@pytest.mark.parametrize("name", REAL)
def test_a_card_tried_on_real_files_is_tried_here(mirror, tmp_path, name):
    """From the mirror's archives to labels; a value without a row in the encoding would stop it."""
    card, raw, out = load_card(name), tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    out.mkdir()
    places = Places(tmp_path / "none", tmp_path / "downloads", str(mirror))
    download_dataset(card, raw, places=places, processes=1)
    remap_set(
        card,
        raw=raw,
        taxonomy=load_taxonomy("driving7"),
        split_config=SplitConfig(by="official", seed=0, val=0.1, test=0.3),
        folder=out,
        audit_file=out / "audit.csv",
        processes=1,
    )
    samples = read_manifest(out / "manifest.csv")
    assert len(samples) == REAL[name]
    assert {sample.split for sample in samples} == card.splits.makes
    with (out / "audit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    ignored = sum(int(row["pixels"]) for row in rows if row["class"].startswith("ignored"))
    share = ignored / sum(int(row["pixels"]) for row in rows)
    assert share == pytest.approx(IGNORED[name], abs=0.001)


def colours(file):
    """A colour image, packed as an encoding's keys are."""
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"), np.int64) @ np.array([65536, 256, 1])


def by_value(encoding, taxonomy):
    """Label id of each value of an encoding."""
    table = load_encoding(encoding)
    return {
        int(key): 255 if name in taxonomy.ignored else taxonomy.id_of(name)
        for key, name in zip(table.keys, table.names, strict=True)
    }


def mapped(values, encoding, taxonomy):
    ids = by_value(encoding, taxonomy)
    found, inverse = np.unique(values, return_inverse=True)
    return np.array([ids[int(value)] for value in found])[inverse].reshape(values.shape)


@pytest.fixture(scope="module")
def both_camvids(mirror, tmp_path_factory):
    """The frames that the mirror has in 32 colours and in 11 classes: both labels, 480×360."""
    folder = tmp_path_factory.mktemp("camvids")
    for name, root in (("camseq01", "."), ("camvid", load_card("camvid").layout.root)):
        unpack(mirror / f"{name}.zip", folder, root=root, limit_bytes=600_000_000, used=EVERYTHING)
    pairs = {}
    for file in folder.rglob("*_L.png"):
        name = file.name.replace("_L", "")
        for other in folder.rglob(f"*annot/{name}"):
            # Every second pixel of every second line: the size of the other, and no mixed colours.
            pairs[name] = colours(file)[::2, ::2], np.asarray(Image.open(other))
    assert pairs
    return pairs


def test_the_two_labels_of_camvids_frames_agree(both_camvids):
    """In every class but the one of which the card says why."""
    one = np.stack([mapped(a, "camvid32", DRIVING11) for a, _ in both_camvids.values()])
    other = np.stack([mapped(b, "camvid11", DRIVING11) for _, b in both_camvids.values()])
    counted = (one != 255) & (other != 255)
    ious = {}
    for i, name in enumerate(DRIVING11.class_names):
        both = (one == i) & (other == i)
        either = ((one == i) | (other == i)) & counted
        ious[name] = both.sum() / either.sum()
    assert ious.pop("pole") == pytest.approx(0.78, abs=0.02)
    assert "pole, a few pixels wide, is the lowest" in load_card("camseq01").notes
    assert min(ious.values()) > 0.84, ious


def test_walls_of_camvids_frames_are_buildings_in_eleven_classes(both_camvids):
    wall = np.concatenate([b[a == 0x40C000] for a, b in both_camvids.values()])
    assert len(wall) > 1000
    assert (wall == 1).mean() == pytest.approx(0.954, abs=0.005)


def test_trees_of_camvids_frames_are_hardly_ever_other_vegetation(both_camvids):
    plants = np.concatenate([a[b == 5] for a, b in both_camvids.values()])
    assert (plants == 0x808000).mean() == pytest.approx(0.989, abs=0.002)
    assert (plants == 0xC0C000).mean() == pytest.approx(0.006, abs=0.002)


def test_the_masks_of_bdd100k_are_its_colours(mirror, tmp_path):
    """The train ids by the colours of Cityscapes, in files of the publisher's layout."""
    card = load_card("bdd100k")
    for archive in card.files:
        unpack(
            mirror / archive.name, tmp_path, root=".", limit_bytes=1_000_000_000, used=EVERYTHING
        )
    taxonomy = load_taxonomy("cityscapes19")
    masks = sorted(tmp_path.glob("bdd100k/labels/sem_seg/masks/*/*.png"))
    assert len(masks) == 12
    for mask in masks:
        ids = mapped(np.asarray(Image.open(mask)), card.encoding, taxonomy)
        shown = colours(str(mask).replace("/masks/", "/colormaps/"))
        assert (ids == mapped(shown, "cityscapes_colours", taxonomy)).all()
        assert (
            (tmp_path / str(mask).replace("labels/sem_seg/masks", "images/10k"))
            .with_suffix(".jpg")
            .is_file()
        )
