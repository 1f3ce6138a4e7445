import csv
import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from roadshift.datasets.card import card_names, load_card
from roadshift.datasets.encoding import NAMED_KINDS
from roadshift.datasets.remap import remap_set
from roadshift.datasets.samples import read_manifest
from roadshift.datasets.splits import SplitConfig
from roadshift.download.dataset import download_dataset
from roadshift.download.fetch import Places
from roadshift.errors import RoadshiftError
from roadshift.taxonomy import load_taxonomy
from tests.datasets.layouts import adverse, cities, rendered
from tests.datasets.layouts.cities import READ_BESIDE, TAXONOMIES

SETS = cities.SETS | adverse.SETS | rendered.SETS


def encoded(array, name):
    buffer = io.BytesIO()
    array = np.asarray(array, np.uint8)
    Image.fromarray(array).save(buffer, "JPEG" if name.endswith(".jpg") else "PNG")
    return buffer.getvalue()


def label_of(values):
    """A label where the n-th of the values stands n + 1 times, in one column of pixels."""
    return np.array([v for n, v in enumerate(values) for _ in range(n + 1)])[:, np.newaxis]


def write_archive(file, members):
    if file.suffix == ".tar":
        with tarfile.open(file, "w") as tar:
            for name, content in members.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        return
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.fixture
def miniature(tmp_path, deep_png, vistas_config):
    """name -> the folder with a miniature of all the archives that the publisher hands out.

    Where a config gives ids to labels, they stand in it in the table's order or in one given.
    """

    def write(name, labels=None):
        archives, files, beside, values = SETS[name]
        label = label_of(values)
        table = load_card(name).table
        members: dict[str, dict[str, bytes]] = {a.name: {} for a in load_card(name).files}
        for n, (image_path, label_path) in enumerate(files):
            mine = archives[n % len(archives)] if isinstance(archives[0], list) else archives
            image = np.full((len(label), 1, 3), n)
            deep = table.kind == "red16"
            if table.kind == "red":
                # Green and blue number the instances.
                label = np.dstack([label_of(values), label_of(values) * 0 + 9, label_of(values)])
            members[mine[0]][image_path] = encoded(image, image_path)
            members[mine[1]][label_path] = deep_png(label) if deep else encoded(label, label_path)
        first = next(iter(members.values()))
        first.update(dict.fromkeys(beside, b"nobody reads this"))
        first.update(READ_BESIDE.get(name, {}))
        if table.config is not None:
            first[table.config] = vistas_config(labels or [row[0] for row in table.values])
        folder = tmp_path / "mirror"
        folder.mkdir()
        for archive, content in members.items():
            write_archive(folder / archive, content)
        return folder

    return write


def remapped(card, mirror, tmp_path, taxonomy, by="official", partial_labels=False):
    split_config = SplitConfig(by=by, seed=0, val=0.1, test=0.3)
    raw, folder = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    folder.mkdir()
    places = Places(tmp_path / "none", tmp_path / "downloads", str(mirror))
    download_dataset(card, raw, places=places, processes=1)
    remap_set(
        card,
        raw=raw,
        taxonomy=load_taxonomy(taxonomy),
        split_config=split_config,
        folder=folder,
        audit_file=folder / "audit.csv",
        processes=1,
        partial_labels=partial_labels,
    )
    with (folder / "audit.csv").open(newline="") as file:
        return read_manifest(folder / "manifest.csv"), list(csv.DictReader(file)), folder


IN_JSON = {
    "idd_part2_polygons": "test_polygons.py",
    "idd_polygons": "test_polygons.py",
    "nuimages": "test_nuimages.py",
    "wilddash2_panoptic": "test_panoptic.py",
}
"""The sets without a miniature here, since JSON files say what their labels are; by set, the file
of the test that remaps the publisher's archive."""


def test_every_set_that_is_fetched_has_a_miniature():
    cards = [load_card(name) for name in card_names() if load_card(name).files]
    assert {*SETS} | {*IN_JSON} == {card.name for card in cards}
    assert {load_card(name).table.kind for name in IN_JSON} <= {*NAMED_KINDS}
    for name, file in IN_JSON.items():
        text = (Path(__file__).parent / file).read_text("utf-8")
        assert f'"{name}"' in text
        assert "def test_the_publishers_archive" in text


@pytest.mark.parametrize("name", SETS)
def test_a_miniature_comes_out_pixel_for_pixel(tmp_path, miniature, name):
    taxonomy = load_taxonomy(TAXONOMIES.get(name, "driving7"))
    samples, rows, folder = remapped(load_card(name), miniature(name), tmp_path, taxonomy.name)
    _, files, _, values = SETS[name]
    raw = tmp_path / "raw"
    assert len(samples) == len(files)
    expected: dict[str, int] = {}
    for n, universal in enumerate(values.values()):
        expected[universal] = expected.get(universal, 0) + (n + 1) * len(files)
    found: dict[str, int] = {}
    for row in rows:
        if row["pixels"] != "0":
            found[row["universal"]] = found.get(row["universal"], 0) + int(row["pixels"])
            class_id = taxonomy.id_of(row["universal"])
            ignored = f"ignored: {row['universal']}"
            assert row["class"] == (ignored if class_id == 255 else taxonomy.class_names[class_id])
    assert found == expected
    column = label_of([taxonomy.id_of(universal) for universal in values.values()])
    for sample in samples:
        with Image.open(folder / sample.label) as image:
            assert np.asarray(image).tolist() == column.tolist()
    beside = [load_card(name).table.config]
    used = {path for pair in files for path in pair} | {*filter(None, beside)}
    used |= {*READ_BESIDE.get(name, {})}
    assert {p.relative_to(raw).as_posix() for p in raw.rglob("*") if p.is_file()} == used
    total = len(column) * len(files)
    assert sum(found.values()) == sum(s.width * s.height for s in samples) == total


GROUPS_CROSS = {"kitti_360": "its publisher's lists part each drive into stretches"}
"""By set that has groups, the reason for which a group is in several splits."""


def test_only_lists_of_the_publisher_part_groups():
    assert {n for n in SETS if load_card(n).splits.lists} == {*GROUPS_CROSS}


@pytest.mark.parametrize(
    "name", [n for n in SETS if load_card(n).splits.needs_groups and n not in GROUPS_CROSS]
)
def test_no_group_crosses_a_split(tmp_path, miniature, name):
    taxonomy = TAXONOMIES.get(name, "driving7")
    samples, _, _ = remapped(load_card(name), miniature(name), tmp_path, taxonomy)
    splits: dict[str, set[str]] = {}
    for sample in samples:
        assert sample.group
        splits.setdefault(sample.group, set()).add(sample.split)
    assert all(len(found) == 1 for found in splits.values())
    assert {"train", "val", "test"} == set().union(*splits.values())


@pytest.mark.parametrize("name", ["cityscapes", "bdd100k", "idd_lite", "mapillary_vistas_v20"])
def test_the_official_validation_is_what_is_scored(tmp_path, miniature, name):
    samples, _, _ = remapped(load_card(name), miniature(name), tmp_path, "driving7")
    for sample in samples:
        assert (sample.split == "test") == ("/val" in f"/{sample.image}")
    assert sum(s.split == "val" for s in samples) == (1 if "/10k" in samples[0].image else 2) - (
        name == "mapillary_vistas_v20"
    )


def test_kitti_360_is_split_by_its_lists(tmp_path, miniature):
    samples, _, _ = remapped(load_card("kitti_360"), miniature("kitti_360"), tmp_path, "driving11")
    frames: dict[str, set[str]] = {}
    for sample in samples:
        frames.setdefault(sample.id.rpartition("/")[2], set()).add(sample.split)
    assert frames == {"0000000250": {"train", "val"}, "0000000251": {"test"}}
    assert len({s.group for s in samples if s.split == "val"}) == 1


def test_comma10k_is_validated_on_ids_that_end_in_nine(tmp_path, miniature):
    samples, _, _ = remapped(load_card("comma10k"), miniature("comma10k"), tmp_path, "binary")
    assert {s.id[-1] for s in samples if s.split == "test"} == {"9"}
    assert {s.id[-1] for s in samples if s.split == "val"} == {"8"}


def test_comma10k_is_accepted_with_partial_labels(tmp_path, miniature):
    mirror, card = miniature("comma10k"), load_card("comma10k")
    _, rows, _ = remapped(card, mirror, tmp_path, "driving7", partial_labels=True)
    assert "living_thing or vehicle" in {row["class"] for row in rows}


def test_idd_lite_is_refused_where_its_classes_straddle(tmp_path, miniature):
    with pytest.raises(RoadshiftError) as caught:
        remapped(load_card("idd_lite"), miniature("idd_lite"), tmp_path, "driving11")
    message = str(caught.value)
    assert message.startswith("idd_lite: labels too coarse for the taxonomy 'driving11'")
    assert "'far_object' straddles building and vegetation" in message
    assert "(binary, driving7)" in message


def test_idd_lite_is_accepted_with_partial_labels(tmp_path, miniature):
    mirror, card = miniature("idd_lite"), load_card("idd_lite")
    _, rows, _ = remapped(card, mirror, tmp_path, "driving11", partial_labels=True)
    assert len({row["class"] for row in rows if " or " in row["class"]}) == 5


def test_idd_lite_is_read_from_the_tar_file_that_its_publisher_hands_out(tmp_path, miniature):
    mirror = miniature("idd_lite")
    shutil.unpack_archive(mirror / "idd-lite.zip", tmp_path / "files")
    (mirror / "idd-lite.zip").unlink()
    with tarfile.open(mirror / "idd-lite.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "files/idd20k_lite", "idd20k_lite")
    samples, _, _ = remapped(load_card("idd_lite"), mirror, tmp_path, "driving7")
    assert len(samples) == len(SETS["idd_lite"][1])


def test_ids_go_by_the_order_of_labels_in_the_publishers_config(tmp_path, miniature):
    # Back to front, the ids 14, 61, 64, 108 and 123 are what 109, 62, 59, 15 and 0 were.
    card = load_card("mapillary_vistas_v20")
    mirror = miniature(card.name, [row[0] for row in card.table.values][::-1])
    _, rows, _ = remapped(card, mirror, tmp_path, "driving7")
    found = {row["universal"]: int(row["pixels"]) for row in rows if row["split"] == "test"}
    assert {name: pixels for name, pixels in found.items() if pixels} == {
        "caravan": 1,
        "ground": 2,
        "static": 3,
        "kerb": 4,
        "dynamic": 5,
    }


def test_one_of_several_archives_is_missing(tmp_path, miniature):
    mirror = miniature("cityscapes")
    (mirror / "gtFine_trainvaltest.zip").unlink()
    with pytest.raises(RoadshiftError, match=r"'gtFine_trainvaltest\.zip' is not in"):
        remapped(load_card("cityscapes"), mirror, tmp_path, "driving11")


def test_the_real_camvid_by_drive(mirror, tmp_path):
    samples, _, _ = remapped(load_card("camvid"), mirror, tmp_path, "driving7", "drives")
    found: dict[str, set[str]] = {}
    for sample in samples:
        found.setdefault(sample.split, set()).add(sample.group)
    assert found == {"train": {"0016E5", "0006R0"}, "val": {"0001TP"}, "test": {"Seq05VD"}}
