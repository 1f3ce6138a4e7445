"""CARLA's real frames, read by their card and counted without it."""

import csv
import zipfile

import numpy as np
import pytest
from PIL import Image

from roadshift.checking.whole_set import check_set
from roadshift.datasets.card import load_card
from roadshift.datasets.remap import remap_set
from roadshift.datasets.splits import SplitConfig
from roadshift.errors import RoadshiftError
from roadshift.taxonomy import load_taxonomy

CONFIG = SplitConfig(by="official", seed=0, val=0.1, test=0.3)
NAMES = {
    0: "unlabelled", 1: "building", 2: "fence", 3: "unlabelled", 5: "pole", 6: "lane_marking",
    7: "road", 8: "sidewalk", 9: "vegetation", 10: "vehicle", 11: "wall", 12: "traffic_sign",
}  # fmt: skip
"""Universal names of the tags that occur in these frames."""


@pytest.fixture(scope="module")
def frames(mirror, tmp_path_factory):
    folder = tmp_path_factory.mktemp("carla")
    with zipfile.ZipFile(mirror / "carla.zip") as archive:
        archive.extractall(folder)
    return folder


def remap(folder, taxonomy, out):
    out.mkdir()
    remap_set(
        load_card("carla_0_9_13"),
        raw=folder,
        taxonomy=load_taxonomy(taxonomy),
        split_config=CONFIG,
        folder=out,
        audit_file=out / "audit.csv",
        processes=1,
    )
    with (out / "audit.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_audit_counts_every_pixel_of_the_red_channel(frames, tmp_path):
    rows = remap(frames, "driving7", tmp_path / "out")
    tags = np.zeros(256, np.int64)
    files = sorted((frames / "carla/CameraSeg").glob("*.png"))
    for file in files:
        with Image.open(file) as image:
            tags += np.bincount(np.asarray(image)[..., 0].ravel(), minlength=256)
    expected: dict[str, int] = {}
    for tag in np.flatnonzero(tags).tolist():
        expected[NAMES[tag]] = expected.get(NAMES[tag], 0) + int(tags[tag])
    found = {row["universal"]: int(row["pixels"]) for row in rows if row["pixels"] != "0"}
    assert found == expected
    assert sum(found.values()) == len(files) * 800 * 600
    assert {row["split"] for row in rows} == {"test"}


def test_two_wheelers_among_the_vehicles_are_too_coarse_for_finer_classes(frames, tmp_path):
    with pytest.raises(RoadshiftError, match="'vehicle' straddles vehicle and two_wheeler"):
        remap(frames, "driving11", tmp_path / "out")


def test_the_frames_have_no_faults(frames):
    report = check_set(load_card("carla_0_9_13"), frames, split_config=CONFIG, processes=1)
    assert report.faults == []
    # All are test images, so that what looks alike is no leak.
    assert (report.images, report.splits, report.warnings) == (25, {"test": 25}, [])
