"""Sets of games and simulators."""

from typing import Any

from tests.datasets.layouts.paths import pairs

SETS: dict[str, tuple[Any, ...]] = {
    "carla_0_9_13": (
        ["carla.zip"] * 2,
        pairs("carla/CameraRGB/02_00_{}.png", "carla/CameraSeg/02_00_{}.png"),
        [],
        {4: "living_thing", 6: "lane_marking", 7: "road", 10: "vehicle", 13: "sky"},
    ),
    "carla_0_9_14": (
        ["carla_0_9_14.zip"] * 2,
        pairs("carla/CameraRGB/02_00_{}.png", "carla/CameraSeg/02_00_{}.png"),
        [],
        {1: "road", 11: "sky", 13: "rider", 14: "car", 24: "lane_marking", 28: "guard_rail"},
    ),
    "gta5": (
        [[f"{n:02}_images.zip", f"{n:02}_labels.zip"] for n in range(1, 11)],
        pairs("images/{}.png", "labels/{}.png"),
        [],
        {0: "unlabelled", 7: "road", 21: "vegetation", 34: "car"},
    ),
    "shift": (
        ["shift_discrete_val_front_img.zip", "shift_discrete_val_front_semseg.zip"],
        [
            (f"00{n}b-4e72/000001{m}0_img_front.jpg", f"00{n}b-4e72/000001{m}0_semseg_front.png")
            for n in range(10)
            for m in range(2)
        ],
        [],
        {4: "living_thing", 6: "lane_marking", 10: "vehicle", 13: "sky", 22: "terrain"},
    ),
    "synthia": (
        ["SYNTHIA_RAND_CITYSCAPES.zip"] * 2,
        pairs("RAND_CITYSCAPES/RGB/{}.png", "RAND_CITYSCAPES/GT/LABELS/{}.png"),
        ["RAND_CITYSCAPES/README.txt", "RAND_CITYSCAPES/GT/COLOR/000000.png"],
        {0: "unlabelled", 3: "road", 17: "rider", 21: "wall", 22: "lane_marking"},
    ),
}
