"""Exports of label tools, written as the tools write them: ten images with labels in NAMES."""

import json

import numpy as np
from PIL import Image
from pycocotools import mask as masks

NAMES = ["background", "road", "Tree", "traffic light"]
UNIVERSAL = ["unlabelled", "road", "vegetation", "traffic_light"]
"""What the names stand for."""
COLOURS = [(0, 0, 0), (128, 64, 128), (107, 142, 35), (250, 170, 30)]


def drawn(number):
    """The label of an image, in places in NAMES."""
    return np.random.default_rng(number).integers(0, 4, (3, 2)).repeat(4, 0).repeat(6, 1)


def save(file, array, mode=None):
    file.parent.mkdir(parents=True, exist_ok=True)
    array = np.asarray(array, np.uint8)
    image = Image.fromarray(array, mode)
    if mode == "P":
        # Of all 256 colours; with a shorter palette Pillow would write fewer bits a pixel.
        image.putpalette([*np.array(COLOURS).ravel(), *(n % 256 for n in range(756))])
    image.save(file)


def photo(file, number):
    save(file, np.random.default_rng(number).integers(0, 256, (12, 12, 3)))


def cvat(folder, names=NAMES):
    for n in range(10):
        photo(folder / f"JPEGImages/frame_{n:06}.png", n)
        save(folder / f"SegmentationClass/frame_{n:06}.png", np.array(COLOURS)[drawn(n)])
        save(folder / f"SegmentationObject/frame_{n:06}.png", np.array(COLOURS)[drawn(n)])
    lines = [f"{n}:{r},{g},{b}::" for n, (r, g, b) in zip(names, COLOURS, strict=True)]
    text = "\n".join(["# label:color_rgb:parts:actions", *lines, ""])
    (folder / "labelmap.txt").write_text(text, "utf-8")
    lists = folder / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    for subset, numbers in {"Train": range(6), "Validation": [6], "Test": [7, 8, 9]}.items():
        names = "".join(f"frame_{n:06}\n" for n in numbers)
        (lists / f"{subset}.txt").write_text(names, "utf-8")
    return [f"frame_{n:06}" for n in range(10)]


def roboflow(folder, names=NAMES):
    ids = []
    for split, numbers in {"train": range(6), "valid": [6], "test": [7, 8, 9]}.items():
        for n in numbers:
            ids.append(f"street-{n}_jpg.rf.{n:032x}")
            photo(folder / f"{split}/{ids[-1]}.jpg", n)
            save(folder / f"{split}/{ids[-1]}_mask.png", drawn(n))
        rows = "".join(f"{value}, {name}\n" for value, name in enumerate(names))
        (folder / split / "_classes.csv").write_text(f"Pixel Value, Class\n{rows}", "utf-8")
    (folder / "README.roboflow.txt").write_text("This dataset was exported", "utf-8")
    return ids


def labelme_voc(folder, names=NAMES, masks="SegmentationClass"):
    names = ["_background_" if name == "background" else name for name in names]
    for n in range(10):
        photo(folder / f"JPEGImages/2011_{n:06}.jpg", n)
        save(folder / f"{masks}/2011_{n:06}.png", drawn(n), "P")
        photo(folder / f"SegmentationClassVisualization/2011_{n:06}.jpg", n)
    (folder / "class_names.txt").write_text("\n".join(names), "utf-8")
    return [f"2011_{n:06}" for n in range(10)]


def older_labelme_voc(folder, names=NAMES):
    folder.mkdir()
    (folder / "SegmentationClass").mkdir()
    for n in range(10):
        np.save(folder / f"SegmentationClass/2011_{n:06}.npy", drawn(n))
    return labelme_voc(folder, names, "SegmentationClassPNG")


def coco(images, names=NAMES):
    """The JSON of images by number and name: polygons of roads, and trees and lights as masks."""
    annotations: list[dict[str, object]] = []
    for number in images:
        label = drawn(number)
        for y, x in np.ndindex(3, 2):
            category = int(label[4 * y, 6 * x])
            mask = np.zeros(label.shape, np.uint8)
            mask[4 * y : 4 * y + 4, 6 * x : 6 * x + 6] = 1
            if category:
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number + 100,
                        "category_id": category,
                        "segmentation": shape(mask, category),
                        "area": 24.0,
                        "bbox": [6 * x, 4 * y, 6, 4],
                        "iscrowd": int(category > 1),
                    }
                )
    return {
        "info": {},
        "licenses": [],
        "images": [
            {"id": number + 100, "file_name": name, "width": 12, "height": 12}
            for number, name in images.items()
        ],
        "categories": [
            {"id": 0, "name": "my first project", "supercategory": "none"},
            *({"id": i, "name": name, "supercategory": ""} for i, name in enumerate(names) if i),
        ],
        "annotations": annotations,
    }


def shape(mask, category):
    """A rectangle as a polygon, as run lengths, or as run lengths in a text."""
    if category == 1:
        y, x = np.argwhere(mask).min(0).tolist()
        bottom, right = (np.argwhere(mask).max(0) + 1).tolist()
        return [[x, y, right, y, right, bottom, x, bottom]]
    if category == 2:
        pixels = mask.T.ravel()
        ends = [*(np.flatnonzero(np.diff(pixels)) + 1).tolist(), len(pixels)]
        counts = np.diff([0, *ends]).tolist()
        return {"size": [*mask.shape], "counts": [0, *counts] if pixels[0] else counts}
    packed = masks.encode(np.asfortranarray(mask))
    return {"size": packed["size"], "counts": packed["counts"].decode()}


def write_json(file, content):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), "utf-8")


def cvat_coco(folder, names=NAMES):
    for n in range(10):
        photo(folder / f"images/default/frame_{n:06}.png", n)
    content = coco({n: f"frame_{n:06}.png" for n in range(10)}, names)
    write_json(folder / "annotations/instances_default.json", content)
    return [f"default/frame_{n:06}" for n in range(10)]


def cvat_coco_flat(folder, names=NAMES):
    for n in range(10):
        photo(folder / f"images/monday/frame_{n:06}.png", n)
    content = coco({n: f"monday/frame_{n:06}.png" for n in range(10)}, names)
    write_json(folder / "annotations/instances_default.json", content)
    return [f"monday/frame_{n:06}" for n in range(10)]


def roboflow_coco(folder, names=NAMES):
    ids: list[str] = []
    for split, numbers in {"train": range(6), "valid": [6], "test": [7, 8, 9]}.items():
        own = {n: f"street-{n}_jpg.rf.{n:032x}" for n in numbers}
        ids += own.values()
        for n in numbers:
            photo(folder / f"{split}/{own[n]}.jpg", n)
        content = coco({n: f"{name}.jpg" for n, name in own.items()}, names)
        write_json(folder / f"{split}/_annotations.coco.json", content)
    (folder / "README.dataset.txt").write_text("street", "utf-8")
    return ids


def label_studio(folder, names=NAMES):
    for n in range(10):
        photo(folder / f"images/{n:08x}-street.jpg", n)
    content = coco({n: f"images/{n:08x}-street.jpg" for n in range(10)}, names)
    write_json(folder / "result.json", content)
    return [f"{n:08x}-street" for n in range(10)]
