"""Panoptic labels: the publisher's archive as it is, against a count by hand, and damaged ones."""

import json
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

from roadshift.checking.whole_set import check_set
from roadshift.datasets.card import Card, load_card
from roadshift.datasets.encoding import Encoding
from roadshift.datasets.label_readers import label_reader
from roadshift.datasets.remap import Remapper, read_native, remap_set
from roadshift.datasets.samples import find_samples, read_manifest
from roadshift.datasets.splits import SplitConfig
from roadshift.download.dataset import download_dataset
from roadshift.download.fetch import Places
from roadshift.download.local_folder import copy_set
from roadshift.errors import RoadshiftError
from roadshift.taxonomy import load_taxonomy

CARD = load_card("wilddash2_panoptic")
CONFIG = SplitConfig(by="official", seed=0, val=0.1, test=0.3)
DRIVING = load_taxonomy("driving11")
# Ids of segments in three bytes, which are not their categories': road, car, car, sky, no segment.
SEGMENTS = {9: 7, 300: 26, 70000: 26, 16777215: 23}
CATEGORIES = {0: "unlabeled", 7: "road", 23: "sky", 26: "car"}


def drawn(number):
    places = np.random.default_rng(number).integers(0, 5, (4, 5)).repeat(3, 0).repeat(3, 1)
    return np.array([0, *SEGMENTS])[places]


def annotations():
    segments = [{"id": i, "category_id": c, "area": 1, "iscrowd": 0} for i, c in SEGMENTS.items()]
    return {
        "images": [{"id": n, "file_name": f"{n:05}.jpg"} for n in range(10)],
        "annotations": [
            {"image_id": n, "file_name": f"{n:05}.png", "segments_info": segments}
            for n in range(10)
        ],
        "categories": [{"id": i, "name": n, "isthing": 0} for i, n in CATEGORIES.items()],
    }


def save(file, array):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(file)


def save_segments(file, ids):
    save(file, np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1))


@pytest.fixture
def folder(tmp_path):
    for n in range(10):
        noise = np.random.default_rng(n).integers(0, 256, (12, 15, 3))
        save(tmp_path / f"set/images/{n:05}.jpg", noise)
        save_segments(tmp_path / f"set/panoptic/{n:05}.png", drawn(n))
    (tmp_path / "set/panoptic.json").write_text(json.dumps(annotations()), "utf-8")
    return tmp_path / "set"


def native(card, folder, number=0):
    encoding = card.table_in(folder)
    remapper = Remapper.of(encoding, DRIVING, reader=label_reader(card, encoding, folder))
    samples = {sample.id: sample for sample in find_samples(card, folder, CONFIG)}
    found = read_native(remapper, folder, samples[f"{number:05}"])
    return np.array(remapper.names)[found]


def refuse(folder, match):
    with pytest.raises(RoadshiftError, match=match) as caught:
        native(CARD, folder)
    assert "\n" not in str(caught.value)


def rewrite(folder, change):
    content = annotations()
    change(content)
    (folder / "panoptic.json").write_text(json.dumps(content), "utf-8")


def test_segments_become_the_names_of_their_categories(folder):
    expected = {0: "unlabelled", 9: "road", 300: "car", 70000: "car", 16777215: "sky"}
    for number in range(3):
        found = native(CARD, folder, number)
        assert (found == np.vectorize(expected.get)(drawn(number))).all()


def test_the_publishers_archive_is_remapped_as_it_is(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "wd_public_v2p0.zip", "w") as archive:
        for file in folder.rglob("*.*"):
            archive.write(file, file.relative_to(folder))
    for name in ("raw", "out"):
        (tmp_path / name).mkdir()
    places = Places(tmp_path / "by_hand", tmp_path / "downloads", str(tmp_path))
    download_dataset(CARD, tmp_path / "raw", places=places, processes=1)
    remap_set(
        CARD,
        raw=tmp_path / "raw",
        taxonomy=DRIVING,
        split_config=CONFIG,
        folder=tmp_path / "out",
        audit_file=tmp_path / "audit.csv",
        processes=2,
    )
    samples = {sample.id: sample for sample in read_manifest(tmp_path / "out/manifest.csv")}
    assert len(samples) == 10
    label = np.asarray(Image.open(tmp_path / "out" / samples["00003"].label))
    ids = {9: DRIVING.id_of("road"), 300: DRIVING.id_of("car"), 16777215: DRIVING.id_of("sky")}
    ids |= {0: 255, 70000: ids[300]}
    assert (label == np.vectorize(ids.get)(drawn(3))).all()


def test_nothing_is_wrong_with_it(folder):
    report = check_set(CARD, folder, split_config=CONFIG, processes=1)
    assert [finding.kind for finding in report.findings] == ["count"]  # 10 of 4256 images


def test_a_category_that_the_encoding_lacks_is_told_by_its_name(folder):
    def change(content):
        content["categories"][1] |= {"id": 200, "name": "hover-board"}
        for annotation in content["annotations"]:
            annotation["segments_info"][0] = {"id": 9, "category_id": 200}

    rewrite(folder, change)
    pixels = int((drawn(0) == 9).sum())
    refuse(folder, rf"labels unknown to the card's encoding: 'hover-board' \({pixels} pixels\)")
    report = check_set(CARD, folder, split_config=CONFIG, processes=1)
    found = next(each for each in report.findings if each.kind == "unknown_value")
    assert "'hover-board': " in found.message
    assert found.pixels["panoptic/00000.png"] == pixels
    assert len(found.files) == 10


def test_by_split_names_and_supercategories(tmp_path):
    """As Mapillary Vistas lays them out: a JSON file a split, labels in supercategories."""
    encoding = Encoding(
        kind="panoptic",
        values=[("construction--flat--road", "road"), ("Car", "car")],
        background="unlabelled",
        source="here",
    )
    card = Card.model_validate(
        CARD.model_dump()
        | {
            "layout": {
                "image": "{split}/images/{id}.jpg",
                "label": "{split}/v2.0/panoptic/{id}.png",
                "annotations": "{split}/v2.0/panoptic/panoptic_2020.json",
            },
            "splits": {"official": {"training": "train", "validation": "test"}, "val_share": 0.5},
        }
    )
    for split, road in {"training": 1, "validation": 2}.items():
        place = tmp_path / split / "v2.0/panoptic"
        for name in ("a", "b"):
            save(tmp_path / split / f"images/{name}{road}.jpg", np.zeros((2, 2, 3)))
            save_segments(place / f"{name}{road}.png", np.array([[5, 5], [6, 0]]))
        content = {
            "annotations": [
                {
                    "file_name": f"{name}{road}.png",
                    "segments_info": [{"id": 5, "category_id": road}, {"id": 6, "category_id": 9}],
                }
                for name in "ab"
            ],
            "categories": [
                {"id": road, "name": "Road", "supercategory": "construction--flat--road"},
                {"id": 9, "name": "Car", "supercategory": "object--vehicle--car"},
            ],
        }
        (place / "panoptic_2020.json").write_text(json.dumps(content), "utf-8")
    reader = label_reader(card, encoding, tmp_path)
    samples = find_samples(card, tmp_path, CONFIG)
    assert len(samples) == 4
    for sample in samples:
        found = reader.read(tmp_path, sample.image, sample.label)
        assert found.native.tolist() == [[0, 0], [1, 2]]
    (tmp_path / "validation/v2.0/panoptic/panoptic_2020.json").unlink()
    with pytest.raises(RoadshiftError, match=r"its JSON file .*panoptic_2020\.json is missing"):
        label_reader(card, encoding, tmp_path).read(tmp_path, "", samples[0].label)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("annotations"), "panoptic.json: 'annotations' is missing"),
        (lambda c: c.pop("categories"), "panoptic.json: 'categories' is missing"),
        (lambda c: c.update(annotations={}), "annotations: expected a list, not {}"),
        (lambda c: c["annotations"].append(7), "annotations[10]: expected keys with values, not 7"),
        (lambda c: c["annotations"][2].pop("file_name"), "annotations[2]: 'file_name' is missing"),
        (
            lambda c: c["annotations"][2].update(file_name="../x.png"),
            "annotations[2]: the path '../x.png' leads out of the set's folder",
        ),
        (
            lambda c: c["annotations"][1].update(file_name="00000.png"),
            "annotations[1]: '00000.png' comes twice",
        ),
        (
            lambda c: c["annotations"][0]["segments_info"].append({"id": 9, "category_id": 7}),
            "annotations[0]: segments_info[4]: id 9 comes twice",
        ),
        (
            lambda c: c["annotations"][0]["segments_info"].append({"id": 8, "category_id": 77}),
            "segments_info[4]: category_id 77 is in no category",
        ),
        (
            lambda c: c["annotations"][0]["segments_info"].append({"id": 1 << 24}),
            "segments_info[4]: 'category_id' is missing",
        ),
        (
            lambda c: c["annotations"][0]["segments_info"].append({"id": True}),
            "segments_info[4]: id: expected an integer, not True",
        ),
        (
            lambda c: c["categories"].append({"id": 7, "name": "x"}),
            "categories[4]: id 7 comes twice",
        ),
        (
            lambda c: c["annotations"].pop(0),
            "panoptic/00000.png: not in the annotations of panoptic.json",
        ),
        (
            lambda c: c["annotations"][0].update(segments_info=[]),
            "panoptic/00000.png: segment 9 (",
        ),
    ],
)
def test_damaged_json_is_named_with_its_place(folder, change, message):
    rewrite(folder, change)
    refuse(folder, re.escape(message))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"annotations": [', "panoptic.json: not JSON"),
        ("[" * 100_000, "panoptic.json: not JSON: nested too deeply"),
        ('{"annotations": [{"id": NaN}]}', "panoptic.json: not JSON: NaN is not a number"),
        ("7", "panoptic.json: expected keys with values, not 7"),
        ('{"a": ' + "1" * 5000 + "}", "panoptic.json: not JSON"),
        ("\udcff", "panoptic.json: not JSON"),
    ],
)
def test_what_is_no_json_is_refused(folder, text, message):
    (folder / "panoptic.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    refuse(folder, re.escape(message))
    report = check_set(CARD, folder, split_config=CONFIG, processes=1)
    assert message in next(each.message for each in report.faults if each.kind == "encoding")


def test_a_missing_json_is_named(folder):
    (folder / "panoptic.json").unlink()
    refuse(folder, r"panoptic\.json: missing; it says of which category a segment is")


def test_a_folder_of_ones_own_is_copied_with_its_json(folder, tmp_path):
    for beside in ("notes.json", "panoptic/notes.json", "images/00000.json"):
        (folder / beside).write_text("{}", "utf-8")
    (tmp_path / "raw").mkdir()
    copy_set(CARD, folder, tmp_path / "raw")
    images = {f"images/{n:05}.jpg" for n in range(10)}
    labels = {f"panoptic/{n:05}.png" for n in range(10)}
    copied = {p.relative_to(tmp_path / "raw").as_posix() for p in (tmp_path / "raw").rglob("*.*")}
    assert copied == {"panoptic.json", *images, *labels}
    assert (native(CARD, tmp_path / "raw", 3) == native(CARD, folder, 3)).all()
