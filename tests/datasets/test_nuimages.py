"""nuImages: a miniature in the publisher's layout, masks over surfaces, and damaged tables."""

import base64
import json
import os
import re
import tarfile
import zlib
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as masks

from roadshift.checking.whole_set import check_set
from roadshift.datasets import nuimages_file
from roadshift.datasets.card import Card, load_card
from roadshift.datasets.json_files import load_json
from roadshift.datasets.label_readers import label_reader
from roadshift.datasets.layout import Layout
from roadshift.datasets.pairing import find_pairs, pair_files
from roadshift.datasets.remap import remap_set
from roadshift.datasets.samples import find_samples, read_manifest
from roadshift.datasets.splits import SplitConfig
from roadshift.datasets.used_files import UsedFiles
from roadshift.download.dataset import download_dataset
from roadshift.download.fetch import Places
from roadshift.download.local_folder import copy_set
from roadshift.errors import RoadshiftError
from roadshift.prediction.labelled import LabelledFolder
from roadshift.taxonomy import load_taxonomy

CARD = load_card("nuimages")
CONFIG = SplitConfig(by="official", seed=0, val=0.1, test=0.3)
HEIGHT, WIDTH = 6, 8
SURFACE, CAR, PERSON, EGO = "flat.driveable_surface", "vehicle.car", "human.pedestrian.adult", "ego"
NAMES = {SURFACE: SURFACE, CAR: CAR, PERSON: PERSON, EGO: "vehicle.ego"}
ROAD = (0, 2, 8, 6)
TRAIN = [f"n{n:03}-2018-07-18__CAM_BACK__{n}" for n in range(4)]
VAL = ["n009-2018-07-18__CAM_FRONT__9"]


def packed(left, top, right, bottom):
    """A mask as the publisher has it: COCO's compressed form, in base 64."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    mask[top:bottom, left:right] = 1
    found = masks.encode(mask)
    return {"size": found["size"], "counts": base64.b64encode(found["counts"]).decode()}


def annotation(token, image, category, box):
    return {
        "token": token,
        "sample_data_token": f"token of {image}",
        "category_token": f"token of {category}",
        "mask": packed(*box) if box else None,
    }


def frame(image, file=None, **changes):
    camera = image.split("__")[1]
    return {
        "token": f"token of {image}",
        "filename": file or f"samples/{camera}/{image}.jpg",
        "fileformat": "jpg",
        "width": WIDTH,
        "height": HEIGHT,
        "is_key_frame": True,
    } | changes


class Set:
    """A miniature of the set, whose tables a test may change before it writes them."""

    def __init__(self, folder):
        self.folder = folder
        self.tables: dict[str, dict[str, Any]] = defaultdict(dict)
        for split, images in {"train": TRAIN, "val": VAL, "test": ["n5-__CAM_LEFT__5"]}.items():
            for image in images:
                self.photograph(image)
            sweep = images[0].replace("__CAM", "-sweep__CAM")
            others = [
                frame(sweep, f"sweeps/CAM_BACK/{sweep}.jpg", is_key_frame=False),
                frame("a__LIDAR", "samples/LIDAR_TOP/a.pcd.bin", fileformat="pcd", width=None),
            ]
            self.tables[split] = {
                "category": [{"token": f"token of {k}", "name": n} for k, n in NAMES.items()],
                "sample_data": [*map(frame, images), *others],
                "surface_ann": [annotation(f"s{i}", i, SURFACE, ROAD) for i in images],
                "object_ann": [annotation(f"o{i}", i, CAR, (1, 1, 4, 4)) for i in images],
                "ego_pose": [],
            }
        for table in ("surface_ann", "object_ann"):
            self.tables["test"][table] = []  # withheld

    def photograph(self, image):
        file = self.folder / frame(image)["filename"]
        file.parent.mkdir(parents=True, exist_ok=True)
        generator = np.random.default_rng(zlib.crc32(image.encode()))
        noise = generator.integers(0, 256, (HEIGHT, WIDTH, 3))
        Image.fromarray(noise.astype(np.uint8)).save(file)

    def write(self):
        for split, tables in self.tables.items():
            (self.folder / f"v1.0-{split}").mkdir(exist_ok=True)
            for name, rows in tables.items():
                file = self.folder / f"v1.0-{split}/{name}.json"
                file.write_text(json.dumps(rows), "utf-8")

    def names(self, image):
        """The universal names of an image's pixels, through the pairs."""
        self.write()
        pairs = {pair.id: pair for pair in pair_files(CARD, self.folder, ("train", "val"))}
        encoding = CARD.table_in(self.folder)
        reader = label_reader(CARD, encoding, self.folder)
        label = reader.read(self.folder, pairs[image].image, pairs[image].label)
        return np.array([*encoding.names, *["?"] * 256])[label.native]

    def faults(self):
        self.write()
        return check_set(CARD, self.folder, split_config=CONFIG, processes=1).faults


@pytest.fixture
def mini(tmp_path):
    return Set(tmp_path / "set")


def expected(*drawn):
    names = np.full((HEIGHT, WIDTH), "unlabelled", dtype=object)
    for name, (left, top, right, bottom) in drawn:
        names[top:bottom, left:right] = name
    return names


def test_objects_lie_on_surfaces(mini):
    wanted = expected(("drivable", ROAD), ("car", (1, 1, 4, 4)))
    for image in (*TRAIN, *VAL):
        assert (mini.names(image) == wanted).all()


def test_masks_are_drawn_as_the_devkit_draws_them(mini):
    """Surfaces by their place in the table, then objects by their tokens, whatever their size."""
    mini.tables["train"]["surface_ann"] = [
        annotation("z", TRAIN[0], SURFACE, ROAD),
        annotation("a", TRAIN[0], EGO, (0, 5, 8, 6)),
    ]
    mini.tables["train"]["object_ann"] = [
        annotation("b", TRAIN[0], CAR, (1, 1, 4, 4)),
        annotation("c", TRAIN[0], PERSON, (3, 0, 6, 6)),
        annotation("a", TRAIN[0], PERSON, (1, 1, 2, 2)),
    ]
    wanted = expected(
        *[("drivable", ROAD), ("unlabelled", (0, 5, 8, 6))],
        *[("person", (1, 1, 2, 2)), ("car", (1, 1, 4, 4)), ("person", (3, 0, 6, 6))],
    )
    assert (mini.names(TRAIN[0]) == wanted).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_mask_is_the_one_that_the_library_decodes(mini, seed):
    """As `mask_decode` of the publisher's devkit does it."""
    generator = np.random.default_rng(seed)
    mask = np.asfortranarray(generator.random((HEIGHT, WIDTH)) < generator.random(), np.uint8)
    counts = base64.b64encode(masks.encode(mask)["counts"]).decode()
    mini.tables["val"]["surface_ann"] = []
    mini.tables["val"]["object_ann"][0]["mask"] = {"size": [HEIGHT, WIDTH], "counts": counts}
    assert ((mini.names(VAL[0]) == "car") == mask.astype(bool)).all()


def test_the_split_is_that_of_the_folder_of_tables(mini, capsys):
    mini.write()
    samples = find_samples(CARD, mini.folder, CONFIG)
    found = {sample.id: (sample.split, sample.group) for sample in samples}
    assert found.keys() == {*TRAIN, *VAL}
    assert found[VAL[0]] == ("test", "n009-2018-07-18")
    assert sorted(found[image][0] for image in TRAIN) == ["train", "train", "train", "val"]
    # The one image of the publisher's test split.
    assert "nuimages: left out 1 images that have no label" in capsys.readouterr().out


def test_an_image_without_a_mask_is_left_out(mini):
    """An object that is too small has a box alone."""
    mini.tables["val"]["surface_ann"] = []
    mini.tables["train"]["surface_ann"].pop(1)
    mini.tables["train"]["object_ann"][1] = annotation("small", TRAIN[1], CAR, None)
    mini.photograph("n010-__CAM_BACK__0")
    mini.tables["train"]["sample_data"].append(frame("n010-__CAM_BACK__0"))
    mini.write()
    found = find_pairs(CARD, mini.folder, ("train", "val"))
    assert {pair.id for pair in found.pairs} == {*TRAIN, *VAL} - {TRAIN[1]}
    assert (found.unlabelled, found.alone, found.broken) == (3, [], [])


def test_a_sound_set_has_no_faults(mini):
    assert list(mini.faults()) == []


@pytest.mark.parametrize(
    "counts",
    ["", "!", "é", "AAAA", base64.b64encode(b"0" * 40).decode(), packed(0, 0, 8, 6)["counts"][:-4]],
)
def test_damaged_run_lengths_are_refused(mini, counts):
    mini.tables["train"]["object_ann"][0]["mask"]["counts"] = counts
    refuse(mini, "object_ann.json[0]: mask: counts are not the run lengths of 48 pixels")


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("object_ann", {"mask": []}, "object_ann.json[0]: mask: expected keys with values"),
        ("surface_ann", {"mask": {"size": [6, 8]}}, "surface_ann.json[0]: mask: 'counts' is miss"),
        ("object_ann", {"mask": {"size": [8, 6], "counts": ""}}, "size [8, 6], expected [6, 8]"),
        ("object_ann", {"token": 1}, "object_ann.json[0]: token: expected a text, not 1"),
        (
            "object_ann",
            {"sample_data_token": "x"},
            "object_ann.json[0]: sample_data_token 'x' is of no image that is a key frame",
        ),
        ("surface_ann", {"category_token": "x"}, "category_token 'x' is not in category.json"),
        ("sample_data", {"filename": "../a.jpg"}, "leads out of the set's folder"),
        ("sample_data", {"token": f"token of {TRAIN[1]}"}, "comes twice; get the tables of one"),
        ("sample_data", {"filename": frame(TRAIN[1])["filename"]}, "comes twice; get the tables"),
        ("sample_data", {"width": 0}, "0×6 is no size of an image"),
        ("category", {"token": f"token of {CAR}"}, "category.json[1]: the token 'token of vehicle"),
        ("category", {"name": None}, "category.json[0]: name: expected a text"),
    ],
)
def test_damaged_rows_are_named_with_their_place(mini, table, change, message):
    mini.tables["train"][table][0] |= change
    refuse(mini, message)


def refuse(mini, message):
    with pytest.raises(RoadshiftError, match=re.escape(message)) as caught:
        mini.names(TRAIN[0])
    assert "\n" not in str(caught.value)
    assert any(message in finding.message for finding in mini.faults())


@pytest.mark.parametrize("table", ["category", "sample_data", "surface_ann"])
def test_a_missing_table_is_named(mini, table):
    del mini.tables["val"][table]
    refuse(mini, f"v1.0-val/{table}.json: missing; add the tables of the publisher's archive")


def test_a_missing_split_is_named(mini):
    del mini.tables["val"]
    mini.write()
    with pytest.raises(RoadshiftError, match="no image in split 'test'; get the whole set"):
        find_samples(CARD, mini.folder, CONFIG)


def test_tables_that_are_no_list_are_refused(mini):
    mini.tables["train"]["surface_ann"] = {}
    refuse(mini, "surface_ann.json: expected a list, not {}")


def test_an_unknown_category_stops_the_set_with_its_name(mini):
    mini.tables["train"]["category"][1] = {"token": f"token of {CAR}", "name": "vehicle.boat"}
    assert (mini.names(TRAIN[0]) == "?").sum() == 9
    [fault] = mini.faults()
    assert (fault.kind, fault.message[:15]) == ("unknown_value", "'vehicle.boat':")


def test_an_image_that_is_not_there_is_named(mini):
    missing = frame(TRAIN[2])["filename"]
    (mini.folder / missing).unlink()
    mini.write()
    with pytest.raises(RoadshiftError, match=f"train/object_ann.json' lists '{missing}', which is"):
        pair_files(CARD, mini.folder, ("train", "val"))


def test_an_image_in_two_splits_is_refused(mini):
    for table in ("sample_data", "surface_ann"):
        mini.tables["val"][table].append(mini.tables["train"][table][0])
    files = "'v1.0-train/object_ann.json' and 'v1.0-val/object_ann.json'"
    refuse(mini, f"has annotations in both {files}")


def test_a_strict_card_names_images_without_annotations(mini):
    mini.write()
    layout = CARD.layout.model_copy(update={"skip_unlabelled": False})
    strict = CARD.model_copy(update={"layout": layout})
    with pytest.raises(RoadshiftError, match=r"n5-__CAM_LEFT__5\.jpg' has no annotation in 'v1\.0"):
        pair_files(strict, mini.folder, ("train", "val"))


def test_a_layout_of_one_table_is_needed():
    for label in ("v1.0-{split}/surface_ann.json", "labels/{id}.json"):
        content = {"image": "samples/{id}.jpg", "label": label}
        layout = Layout.model_validate(content)
        card = CARD.model_copy(update={"layout": layout})
        with pytest.raises(RoadshiftError, match=r"lie in tables; name object_ann\.json"):
            label_reader(card, card.table, Path())


def test_the_publishers_archives_are_unpacked_and_remapped(mini, tmp_path):
    mini.write()
    for archive, pattern in zip(CARD.files, ("v1.0-*", "samples"), strict=True):
        with tarfile.open(tmp_path / archive.name, "w:gz") as packed_files:
            for path in sorted(mini.folder.glob(pattern)):
                packed_files.add(path, path.name)
    for name in ("raw", "out"):
        (tmp_path / name).mkdir()
    places = Places(tmp_path / "by_hand", tmp_path / "downloads", str(tmp_path))
    download_dataset(CARD, tmp_path / "raw", places=places, processes=1)
    taxonomy = load_taxonomy("driving11")
    remap_set(
        CARD,
        raw=tmp_path / "raw",
        taxonomy=taxonomy,
        split_config=CONFIG,
        folder=tmp_path / "out",
        audit_file=tmp_path / "audit.csv",
        processes=2,
    )
    samples = read_manifest(tmp_path / "out/manifest.csv")
    assert sorted(sample.id for sample in samples) == [*TRAIN, *VAL]
    wanted = expected(("drivable", ROAD), ("car", (1, 1, 4, 4)))
    for sample in samples:
        label = np.asarray(Image.open(tmp_path / "out" / sample.label))
        assert (label == np.vectorize(taxonomy.label_id_of)(wanted)).all()


def test_the_tables_are_read_once_for_all_processes(mini, tmp_path, monkeypatch):
    mini.write()
    (tmp_path / "out").mkdir()
    readers = tmp_path / "readers"

    def load(file):
        with readers.open("a") as sink:
            sink.write(f"{os.getpid()}\n")
        return load_json(file)

    monkeypatch.setattr(nuimages_file, "load_json", load)
    remap_set(
        CARD,
        raw=mini.folder,
        taxonomy=load_taxonomy("driving11"),
        split_config=CONFIG,
        folder=tmp_path / "out",
        audit_file=tmp_path / "audit.csv",
        processes=2,
    )
    assert {*readers.read_text().split()} == {str(os.getpid())}


@pytest.mark.parametrize("split", [None, "test"])
def test_images_are_scored_without_the_workflow(mini, split):
    mini.write()
    taxonomy = load_taxonomy("driving11")
    examples = [*LabelledFolder(CARD, mini.folder, taxonomy, split=split, split_config=CONFIG)]
    assert len(examples) == (1 if split else 5)
    wanted = expected(("drivable", ROAD), ("car", (1, 1, 4, 4)))
    for example in examples:
        assert (example.label == np.vectorize(taxonomy.label_id_of)(wanted)).all()


def test_a_folder_of_ones_own_is_copied_with_its_tables(mini, tmp_path):
    mini.write()
    content = CARD.model_dump() | {"archives": (), "folder": str(mini.folder)}
    card = Card.model_validate(content)
    (tmp_path / "copy").mkdir()
    copy_set(card, mini.folder, tmp_path / "copy")
    assert len(pair_files(card, tmp_path / "copy", ("train", "val"))) == 5


# The categories of the publisher's colour map and of its instructions to annotators, without those
# of lidar points.
CATEGORIES = """
    animal flat.driveable_surface human.pedestrian.adult human.pedestrian.child
    human.pedestrian.construction_worker human.pedestrian.personal_mobility
    human.pedestrian.police_officer human.pedestrian.stroller human.pedestrian.wheelchair
    movable_object.barrier movable_object.debris movable_object.pushable_pullable
    movable_object.trafficcone static_object.bicycle_rack vehicle.bicycle vehicle.bus.bendy
    vehicle.bus.rigid vehicle.car vehicle.construction vehicle.ego vehicle.emergency.ambulance
    vehicle.emergency.police vehicle.motorcycle vehicle.trailer vehicle.truck
"""


def test_every_category_has_a_universal_name():
    names = {str(row[0]): row[1] for row in CARD.table.values}
    assert sorted(names) == CATEGORIES.split()
    assert names["vehicle.ego"] == CARD.table.background == "unlabelled"
    assert names["vehicle.bicycle"] == "two_wheeler"  # with its rider


def test_the_archives_are_had_after_a_login():
    assert [archive.url for archive in CARD.files] == [None, None]
    assert all("nuscenes.org" in archive.by_hand for archive in CARD.files)
    assert CARD.licence == "see https://www.nuscenes.org/terms-of-use"


@pytest.mark.parametrize(
    ("path", "used"),
    [
        ("v1.0-train/object_ann.json", True),
        ("v1.0-val/surface_ann.json", True),
        ("v1.0-val/sample_data.json", True),
        ("v1.0-train/category.json", True),
        ("v1.0-test/object_ann.json", False),
        ("v1.0-mini/category.json", False),
        ("samples/CAM_FRONT_LEFT/a.jpg", True),
        ("sweeps/CAM_FRONT_LEFT/a.jpg", False),
        ("samples/LIDAR_TOP/a.pcd.bin", False),
    ],
)
def test_which_members_of_the_archives_are_unpacked(path, used):
    assert (path in UsedFiles(CARD)) is used
