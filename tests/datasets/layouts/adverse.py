"""Sets at night and in bad weather."""

from typing import Any

from tests.datasets.layouts.paths import CITYSCAPES_IDS, cityscapes, pairs

SETS: dict[str, tuple[Any, ...]] = {
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
    **{
        f"acdc_{condition}": (
            ["rgb_anon_trainvaltest.zip", "gt_trainval.zip"],
            cityscapes(
                f"rgb_anon/{condition}/{{0}}/{{1}}/{{1}}_frame_00000{{2}}_rgb_anon.png",
                f"gt/{condition}/{{0}}/{{1}}/{{1}}_frame_00000{{2}}_gt_labelIds.png",
            ),
            [
                f"rgb_anon/{other}/val/lindau/lindau_frame_000000_rgb_anon.png",
                f"rgb_anon/{condition}/train_ref/ulm/ulm_frame_000041_rgb_ref_anon.png",
                f"gt/{condition}/val/lindau/lindau_frame_000000_gt_labelTrainIds.png",
            ],
            CITYSCAPES_IDS,
        )
        for condition, other in zip(
            ("fog", "night", "rain", "snow"), ("snow", "fog", "night", "rain"), strict=True
        )
    },
    "dark_zurich_val": (
        ["Dark_Zurich_val_anon.zip"] * 2,
        pairs(
            "rgb_anon/val/night/GOPR0356/GOPR0356_frame_{}_rgb_anon.png",
            "gt/val/night/GOPR0356/GOPR0356_frame_{}_gt_labelIds.png",
        ),
        [
            "README.md",
            "lists_file_names/val_filenames.txt",
            "rgb_anon/val_ref/day/GOPR0356_ref/GOPR0356_frame_000321_ref_rgb_anon.png",
            "gt/val/night/GOPR0356/GOPR0356_frame_000000_gt_labelTrainIds.png",
        ],
        CITYSCAPES_IDS,
    ),
    "nighttime_driving": (
        ["NighttimeDrivingTest.zip"] * 2,
        pairs(
            "NighttimeDrivingTest/leftImg8bit/test/night/0_frame_{}_leftImg8bit.png",
            "NighttimeDrivingTest/gtCoarse_daytime_trainvaltest/test/night/"
            "0_frame_{}_gtCoarse_labelIds.png",
        ),
        [
            "NighttimeDrivingTest/gtCoarse_daytime_trainvaltest/test/night/"
            "0_frame_000000_gtCoarse_labelTrainIds.png",
        ],
        CITYSCAPES_IDS,
    ),
    "foggy_zurich": (
        ["foggy_zurich.zip"] * 2,
        pairs(
            "Foggy_Zurich/RGB/GP010229/1508040913.0_frame_{}.png",
            "Foggy_Zurich/gt_labelIds/GP010229/1508040913.0_frame_{}.png",
        ),
        [
            "Foggy_Zurich/gt_labelTrainIds/GP010229/1508040913.0_frame_000000.png",
            "Foggy_Zurich/lists_file_names/RGB_testv2_filenames.txt",
        ],
        CITYSCAPES_IDS,
    ),
    "muses": (
        ["frame_camera_trainvaltest.zip", "gt_semantic_trainval.zip"],
        [
            (
                f"muses/frame_camera/{s}/{weather}/{rec}_frame_camera.png",
                f"muses/gt_semantic/{s}/{weather}/{rec}_gt_labelTrainIds.png",
            )
            for s, weather, rec in [
                *(("train", "fog/day", f"REC000{n}_frame_04287{n}") for n in range(8)),
                ("train", "clear/night", "REC0008_frame_043620"),
                ("val", "snow/night", "REC0241_frame_499918"),
                ("val", "clear/day", "REC0242_frame_499918"),
            ]
        ],
        [
            "muses/meta.json",
            "muses/frame_camera/test/rain/day/REC0300_frame_042875_frame_camera.png",
            "muses/gt_semantic/train/fog/day/REC0000_frame_042870_gt_labelColor.png",
        ],
        {0: "road", 10: "sky", 18: "bicycle", 255: "unlabelled"},
    ),
}
