"""A set without labels: `label: none` in its card."""

import csv

import numpy as np
import pytest
import yaml
from PIL import Image

from roadshift.datasets.card import load_card
from roadshift.datasets.remap import remap_set
from roadshift.datasets.samples import check_labels, read_manifest
from roadshift.datasets.splits import SplitConfig
from roadshift.datasets.used_files import UsedFiles
from roadshift.download.local_folder import copy_set
from roadshift.errors import RoadshiftError
from roadshift.taxonomy import load_taxonomy

CONFIG = SplitConfig(by="official", seed=0, val=0.1, test=0.3)


@pytest.fixture
def photos(tmp_path, save_image):
    """Ten images of two drives, and a file that is none."""
    folder = tmp_path / "photos"
    for number in range(10):
        image = np.full((20 + number, 30, 3), 20 * number)
        save_image(folder / f"images/drive{number % 2}/{number}.png", image)
    (folder / "images/notes.txt").write_text("sunny\n")
    return folder


def card_with(tmp_path, **changes):
    content = {
        "title": "photos", "publisher": "me", "licence": "mine", "citation": "none",
        "folder": str(tmp_path / "photos"), "samples": {},
        "layout": {"image": "images/{id}.*", "label": "none", "id": ".+"},
        "splits": {"random": {"train": 0.7, "test": 0.3}},
    }  # fmt: skip
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(content | changes), "utf-8")
    return load_card(str(file))


@pytest.mark.parametrize("taxonomy", ["driving11", "kitti30"])
def test_every_pixel_of_every_image_is_ignored(tmp_path, photos, taxonomy, capsys):
    """Even in a taxonomy that has a class of unlabelled pixels."""
    card, raw, out = card_with(tmp_path), tmp_path / "raw", tmp_path / "remapped"
    raw.mkdir()
    copy_set(card, photos, raw)
    assert "mine: 10 images without labels" in capsys.readouterr().out
    remap_set(
        card, raw=raw, taxonomy=load_taxonomy(taxonomy), split_config=CONFIG, folder=out,
        audit_file=tmp_path / "audit.csv", processes=1,
    )  # fmt: skip
    samples = read_manifest(out / "manifest.csv")
    check_labels(samples, out)
    assert len(samples) == 10
    assert {sample.split for sample in samples} == {"train", "test"}
    for sample in samples:
        label = np.asarray(Image.open(out / sample.label))
        assert label.shape == (sample.height, sample.width)
        assert (label == 255).all()
    rows = [*csv.DictReader((tmp_path / "audit.csv").open())]
    assert {row["class"] for row in rows} == {"ignored: unlabelled"}
    assert sum(int(row["pixels"]) for row in rows) == 30 * sum(range(20, 30))


def test_the_card_of_ones_own_images_takes_them_by_drive(photos):
    card = load_card("unlabelled")
    from roadshift.datasets.samples import find_samples

    found = find_samples(card, photos, CONFIG)
    assert {sample.group for sample in found} == {"drive0", "drive1"}
    assert {sample.label for sample in found} == {""}


def test_what_is_unpacked_are_images_alone(tmp_path, photos):
    used = UsedFiles(card_with(tmp_path))
    assert "images/a/1.png" in used
    assert "none" not in used
    assert str(used) == "'images/{id}.*'"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoding": "camvid11"}, "says what labels mean, but layout.label is none"),
        (
            {"layout": {"image": "images/{id}.*", "label": "labels/{id}.png"}},
            "needs an encoding, which says what labels mean",
        ),
    ],
)
def test_a_card_has_labels_and_their_encoding_or_neither(tmp_path, changes, message):
    with pytest.raises(RoadshiftError, match=message):
        card_with(tmp_path, **changes)


def test_the_card_of_labelled_images_names_the_one_without(photos):
    from roadshift.datasets.pairing import pair_files

    with pytest.raises(RoadshiftError, match=r"if no image has a label, choose .* 'unlabelled'"):
        pair_files(load_card("folder"), photos, None)
