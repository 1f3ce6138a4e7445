"""Labels as polygons, against what the publisher's own way of drawing gives."""

import json
import re
import tarfile

import numpy as np
import pytest
from PIL import Image, ImageDraw

from roadshift.checking.whole_set import check_set
from roadshift.datasets.card import load_card
from roadshift.datasets.encoding import Encoding, load_encoding
from roadshift.datasets.polygons import PolygonReader
from roadshift.datasets.remap import Remapper, read_native, remap_set
from roadshift.datasets.samples import find_samples, read_manifest
from roadshift.datasets.splits import SplitConfig
from roadshift.download.dataset import download_dataset
from roadshift.download.fetch import Places
from roadshift.errors import RoadshiftError
from roadshift.taxonomy import load_taxonomy

CARD = load_card("idd_polygons")
TABLE = load_encoding("idd_polygons")
UNIVERSAL = {str(row[0]): str(row[1]) for row in TABLE.values}
CONFIG = SplitConfig(by="official", seed=0, val=0.1, test=0.3)
WIDTH, HEIGHT = 60, 40
NAME = "gtFine/val/201/000001_gtFine_polygons.json"


def polygon(label, *points, **more):
    return {"label": label, "polygon": [list(point) for point in points], **more}


OBJECTS = [
    polygon("sky", (0, 0), (59, 0), (59, 20), (0, 20)),
    polygon("road", (0.5, 20.2), (59.9, 18.7), (70, 50), (-5, 41)),
    polygon("car", (5, 25), (20, 22), (24, 33), (8, 35)),
    polygon("truck", (0, 0), (59, 0), (59, 39), (0, 39), deleted=1),
    polygon("polegroup", (30, 5), (33, 5), (33, 30), (30, 30), deleted=0),
    polygon("cargroup", (40, 22), (55, 22), (55, 30), (40, 30)),
    polygon("license plate", (10, 30), (13, 30), (13, 32), (10, 32)),
]


def content(objects=OBJECTS, **changes):
    return {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": objects} | changes


def drawn_by_the_publishers_way(objects):
    """The names of the pixels, by a drawing of bytes in the order of the objects."""
    names = ["unlabeled", *(row[0] for row in TABLE.values)]
    image = Image.new("L", (WIDTH, HEIGHT), 0)
    draw = ImageDraw.Draw(image)
    for each in objects:
        label = each["label"]
        if label not in names and label.endswith("group"):
            label = label[: -len("group")]
        if not each.get("deleted"):
            draw.polygon([tuple(p) for p in each["polygon"]], fill=names.index(label))
    return np.array(names)[np.asarray(image)]


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "IDD_Segmentation"
    for split, drives in {"train": ("1", "2"), "val": ("201",)}.items():
        for drive in drives:
            for number in range(2):
                place = f"{split}/{drive}/{number:06}"
                image = root / f"leftImg8bit/{place}_leftImg8bit.png"
                image.parent.mkdir(parents=True, exist_ok=True)
                noise = np.random.default_rng([int(drive), number]).integers(0, 256, (40, 60, 3))
                Image.fromarray(noise.astype(np.uint8)).save(image)
                label = root / f"gtFine/{place}_gtFine_polygons.json"
                label.parent.mkdir(parents=True, exist_ok=True)
                label.write_text(json.dumps(content()), "utf-8")
    return tmp_path


def write(folder, objects=OBJECTS, **changes):
    text = json.dumps(content(objects, **changes))
    (folder / "IDD_Segmentation" / NAME).write_text(text, "utf-8")


def native(folder):
    remapper = Remapper.of(
        TABLE, load_taxonomy("cityscapes19"), partial_labels=True, reader=PolygonReader(TABLE)
    )
    samples = find_samples(CARD, folder, CONFIG)
    sample = next(each for each in samples if each.id == "201/000001")
    return np.array(remapper.names)[read_native(remapper, folder, sample)]


def refuse(folder, match):
    with pytest.raises(RoadshiftError, match=match) as caught:
        native(folder)
    assert "\n" not in str(caught.value)


def test_polygons_are_drawn_as_the_publishers_tool_draws_them(folder):
    expected = drawn_by_the_publishers_way(OBJECTS)
    assert {*expected.ravel()} >= {"sky", "road", "car", "polegroup", "license plate"}
    assert (native(folder) == np.vectorize(UNIVERSAL.get)(expected)).all()


def test_any_polygons_are_drawn_so(folder):
    labels = [row[0] for row in TABLE.values]
    for seed in range(20):
        generator = np.random.default_rng(seed)
        objects = []
        for _ in range(12):
            corners = generator.uniform((-10, -10), (70, 50), (generator.integers(3, 9), 2))
            corners = corners.round(int(generator.integers(0, 3))).tolist()
            objects.append(polygon(labels[generator.integers(len(labels))], *corners))
        write(folder, objects)
        expected = np.vectorize(UNIVERSAL.get)(drawn_by_the_publishers_way(objects))
        assert (native(folder) == expected).all()


def test_labels_that_are_not_drawn_leave_what_is_below(tmp_path):
    """Cityscapes gives licence plates no id, so that they stay a part of the car."""
    table = Encoding(
        kind="polygons",
        values=[("car", "car")],
        background="unlabelled",
        undrawn=("license plate",),
        source="here",
    )
    objects = [
        polygon("car", (0, 0), (59, 0), (59, 39), (0, 39)),
        polygon("license plate", (3, 3), (9, 3), (9, 9)),
    ]
    (tmp_path / "a.json").write_text(json.dumps(content(objects)), "utf-8")
    found = PolygonReader(table).read(tmp_path, "a.png", "a.json")
    assert (found.native == 0).all()


@pytest.mark.parametrize(
    ("name", "file", "root"),
    [
        ("idd_polygons", "idd-segmentation.tar.gz", "IDD_Segmentation"),
        ("idd_part2_polygons", "idd-20k-II.tar.gz", "idd20kII"),
    ],
)
def test_the_publishers_archive_is_remapped_as_it_is(folder, tmp_path, name, file, root):
    card = load_card(name)
    with tarfile.open(tmp_path / file, "w:gz") as archive:
        archive.add(folder / "IDD_Segmentation", root)
    for place in ("raw", "out"):
        (tmp_path / place).mkdir()
    places = Places(tmp_path / "by_hand", tmp_path / "downloads", str(tmp_path))
    download_dataset(card, tmp_path / "raw", places=places, processes=1)
    taxonomy = load_taxonomy("kitti30")
    remap_set(
        card,
        raw=tmp_path / "raw",
        taxonomy=taxonomy,
        split_config=CONFIG,
        folder=tmp_path / "out",
        audit_file=tmp_path / "audit.csv",
        processes=2,
        partial_labels=True,
    )
    samples = {sample.id: sample for sample in read_manifest(tmp_path / "out/manifest.csv")}
    splits: dict[str, set[str]] = {}
    for sample in samples.values():
        splits.setdefault(sample.split, set()).add(sample.group)
    # A training drive is val; the official validation is test.
    assert splits["test"] == {"201"}
    assert splits["train"] | splits["val"] == {"1", "2"}
    assert [len(splits[split]) for split in ("train", "val")] == [1, 1]
    found = np.asarray(Image.open(tmp_path / "out" / samples["201/000001"].label))
    names = np.vectorize(UNIVERSAL.get)(drawn_by_the_publishers_way(OBJECTS))
    assert (found == np.vectorize(taxonomy.label_id_of)(names)).all()


def test_nothing_is_wrong_with_it(folder):
    report = check_set(CARD, folder, split_config=CONFIG, processes=1)
    assert {finding.kind for finding in report.findings} == {"count"}


def test_unknown_labels_are_counted_by_name(folder):
    objects = [
        polygon("hovercraft", (0, 0), (9, 0), (9, 9), (0, 9)),
        polygon("cartgroup", (20, 0), (22, 0), (22, 1), (20, 1)),
    ]
    write(folder, objects)
    refuse(folder, r"encoding: 'hovercraft' \(100 pixels\), 'cartgroup' \(6 pixels\)")
    report = check_set(CARD, folder, split_config=CONFIG, processes=1)
    unknown = [each.message for each in report.findings if each.kind == "unknown_value"]
    assert [message.split(":")[0] for message in unknown] == ["'hovercraft'", "'cartgroup'"]


def test_pixels_without_a_polygon_need_a_background(tmp_path):
    table = Encoding(kind="polygons", values=[("road", "road")], source="here")
    objects = [polygon("road", (0, 0), (9, 0), (9, 9), (0, 9))]
    (tmp_path / "a.json").write_text(json.dumps(content(objects)), "utf-8")
    found = PolygonReader(table).read(tmp_path, "a.png", "a.json")
    assert found.unknown == {"no annotation": WIDTH * HEIGHT - 100}


def test_a_label_of_another_size_than_its_image(folder):
    write(folder, imgWidth=61)
    refuse(folder, "is 60×40, its label .* is 61×40")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objects": 7}, "_polygons.json: objects: expected a list, not 7"),
        ({"imgWidth": "60"}, "imgWidth: expected an integer, not '60'"),
        ({"imgWidth": 0}, "0×40 is no size of an image"),
        ({"imgWidth": 10**9, "imgHeight": 10**9}, "1000000000×1000000000 is no size of an image"),
        ({"objects": [{"label": "car"}]}, "objects[0]: 'polygon' is missing"),
        ({"objects": [{"polygon": []}]}, "objects[0]: 'label' is missing"),
        (
            {"objects": [polygon("car", (0, 0), (1, 1))]},
            "objects[0]: polygon: a polygon of 2 points, expected 3 or more",
        ),
        (
            {"objects": [polygon("car", (0, 0), (1,), (2, 2))]},
            "objects[0]: polygon[1]: expected a point [x, y], not [1]",
        ),
        (
            {"objects": [polygon("car", (0, 0), (1, "2"), (2, 2))]},
            "polygon[1]: expected a number, not '2'",
        ),
        (
            {"objects": [polygon("car", (0, 0), (1, 1e300), (2, 2))]},
            "polygon[1]: 1e+300 is not a coordinate in pixels",
        ),
        (
            {"objects": [polygon("car", (0, 0), (1, 10**400), (2, 2))]},
            "is not a coordinate in pixels",
        ),
    ],
)
def test_damaged_json_is_named_with_its_place(folder, changes, message):
    write(folder, **changes)
    refuse(folder, re.escape(message))


PUBLISHED = """
    road; parking; drivable fallback; sidewalk; rail track; non-drivable fallback; person; animal;
    rider; motorcycle; bicycle; autorickshaw; car; truck; bus; caravan; trailer; train;
    vehicle fallback; curb; wall; fence; guard rail; billboard; traffic sign; traffic light; pole;
    polegroup; obs-str-bar-fallback; building; bridge; tunnel; vegetation; sky;
    fallback background; unlabeled; ego vehicle; rectification border; out of roi; license plate
"""
"""The names in helpers/anue_labels.py of the tool kit, in its order."""


def test_every_label_of_the_publisher_is_in_the_table():
    assert [row[0] for row in TABLE.values] == re.split(r";\s+", PUBLISHED.strip())
    level_3 = {*load_encoding("idd_level3").names} - {"person_or_animal", "bridge_or_tunnel"}
    assert level_3 <= {*TABLE.names}
