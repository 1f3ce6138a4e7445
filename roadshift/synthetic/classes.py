"""The classes of the synthetic worlds: native ids, names and label colours."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "road": (128, 64, 128),
    "lane_marking": (255, 255, 255),
    "sidewalk": (244, 35, 232),
    "terrain": (152, 251, 152),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic_light": (250, 170, 30),
    "traffic_sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "bicycle": (119, 11, 32),
    "motorcycle": (0, 0, 230),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "unlabelled": (0, 0, 0),
}
"""RGB colour of each native class."""

CLASSES: tuple[str, ...] = tuple(COLOURS)
"""Name of each native id: `CLASSES[id]`."""

ID: dict[str, int] = {name: native for native, name in enumerate(CLASSES)}
"""Native id of each name."""
