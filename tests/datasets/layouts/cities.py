"""Sets of real streets by day."""

from typing import Any

from tests.datasets.layouts.paths import (
    CAMVID11,
    CITYSCAPES_IDS,
    COLOURS,
    DRIVES,
    KITTI_360_DRIVES,
    SEGNET,
    TEN,
    cityscapes,
    pairs,
)

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
    "camseq01": (
        ["camseq01.zip"] * 2,
        pairs("701_StillsRaw_full/{}.png", "LabeledApproved_full/{}_L.png", DRIVES[2:3]),
        [],
        {(128, 64, 128): "road", (64, 192, 0): "wall", (192, 192, 0): "vegetation_or_terrain"},
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
    "bdd100k": (
        [
            ["10k_images_train.zip", "bdd100k_sem_seg_labels_trainval.zip"],
            ["10k_images_val.zip", "bdd100k_sem_seg_labels_trainval.zip"],
        ],
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
    "idd_cs": (
        ["idd-segmentation.zip"] * 2,
        cityscapes(
            "IDD_Segmentation/leftImg8bit/{0}/{1}/00000{2}_leftImg8bit.png",
            "IDD_Segmentation/gtFine/{0}/{1}/00000{2}_gtFine_labelcsTrainIds.png",
        ),
        [
            "IDD_Segmentation/leftImg8bit/test/9/000001_leftImg8bit.png",
            "IDD_Segmentation/gtFine/val/lindau/000000_gtFine_labellevel3Ids.png",
        ],
        {0: "road", 9: "terrain", 10: "sky", 18: "bicycle", 255: "unlabelled"},
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
    "comma10k": (
        ["comma10k.zip"] * 2,
        pairs(
            "comma10k-master/imgs/{}.png",
            "comma10k-master/masks/{}.png",
            [f"{n:04}_0085e9e41513078a_2018-08-19--13-26-08_11_86{n}" for n in range(10)],
        ),
        ["comma10k-master/README.md", "comma10k-master/imgs2/0000_x.png"],
        {
            (64, 32, 32): "drivable",
            (255, 0, 0): "lane_marking",
            (128, 128, 96): "undrivable",
            (0, 255, 102): "movable",
            (204, 0, 255): "unlabelled",
        },
    ),
    "kitti_360": (
        [[f"{drive}_image_00.zip", "data_2d_semantics.zip"] for drive in KITTI_360_DRIVES],
        [
            (
                f"{drive}/image_00/data_rect/{frame:010}.png",
                f"data_2d_semantics/train/{drive}/image_00/semantic/{frame:010}.png",
            )
            for frame in (250, 251)
            for drive in KITTI_360_DRIVES
        ],
        ["data_2d_semantics/train/2013_05_28_drive_0000_sync/image_00/instance/0000000250.png"],
        {7: "road", 18: "pole_group", 34: "building", 37: "pole", 43: "other_vehicle"},
    ),
    "woodscape": (
        ["rgb_images.zip", "semantic_annotations.zip"],
        pairs("rgb_images/{}_MVL.png", "semantic_annotations/gtLabels/{}_MVL.png"),
        ["semantic_annotations/rgbLabels/000000_MVL.png"],
        {0: "unlabelled", 1: "road", 3: "kerb", 6: "motor_vehicle", 9: "traffic_sign"},
    ),
    "wilddash2": (
        ["wd_public_v2p0.zip", "wd_public_v2p0_labelIds.zip"],
        pairs("images/{}.jpg", "labelIds/{}_labelIds.png"),
        ["panoptic.json", "wilddash2-meta.json", "panoptic/000000.png"],
        {7: "road", 34: "truck", 37: "street_furniture", 38: "lane_marking", 80: "kerb"},
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

# What else a card reads of the archives, beside images and labels.
READ_BESIDE = {
    "kitti_360": {
        **{
            f"data_2d_semantics/train/2013_05_28_drive_{split}_frames.txt": "\n".join(
                f"data_2d_raw/{drive}/image_00/data_rect/{frame:010}.png "
                f"data_2d_semantics/train/{drive}/image_00/semantic/{frame:010}.png"
                for drive in KITTI_360_DRIVES
            ).encode()
            for split, frame in (("train", 250), ("val", 251))
        },
        f"{KITTI_360_DRIVES[0]}/image_00/data_rect/0000000000.png": b"has no label",
    },
    "foggy_zurich": {"Foggy_Zurich/RGB/GOPR0229/1_frame_1.png": b"has no label"},
}
# The taxonomy of a set that driving7 is too fine for.
TAXONOMIES = {"comma10k": "binary"}
