"""COCO's polygons and run lengths: the order of drawing, damaged files, and pairs with images."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as masks

from roadshift.checking.whole_set import check_set
from roadshift.datasets.card import Card, load_card
from roadshift.datasets.encoding import Encoding
from roadshift.datasets.label_readers import label_reader
from roadshift.datasets.listed import listed_names
from roadshift.datasets.pairing import find_pairs, pair_files
from roadshift.datasets.splits import SplitConfig
from roadshift.errors import RoadshiftError

CARD = load_card("label_studio")
CONFIG = SplitConfig(by="all_test", seed=0, val=0.1, test=0.3)
NAMES = {1: "road", 2: "car", 3: "sky"}


def box(left, top, right, bottom):
    return [[left, top, right, top, right, bottom, left, bottom]]


def annotation(number, category, segmentation, image=1):
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "segmentation": segmentation,
    }


def content(*annotations):
    return {
        "images": [
            {"id": n, "file_name": f"images/{name}.png", "width": 8, "height": 6}
            for n, name in enumerate("ab", 1)
        ],
        "categories": [{"id": i, "name": name} for i, name in NAMES.items()],
        "annotations": [*annotations, annotation(99, 1, box(0, 0, 8, 6), image=2)],
    }


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for n, name in enumerate("ab"):
        noise = np.random.default_rng(n).integers(0, 256, (6, 8, 3))
        Image.fromarray(noise.astype(np.uint8)).save(tmp_path / f"images/{name}.png")
    return tmp_path


def write(folder, *annotations, change=None):
    found = content(*annotations)
    if change:
        change(found)
    (folder / "result.json").write_text(json.dumps(found), "utf-8")


def names(folder, image="a"):
    """The universal names of an image's pixels, through the pairs."""
    pairs = {pair.id: pair for pair in pair_files(CARD, folder, None)}
    encoding = CARD.table_in(folder)
    reader = label_reader(CARD, encoding, folder)
    found = reader.read(folder, pairs[image].image, pairs[image].label)
    return np.array([*encoding.names, *["?"] * 256])[found.native]


def refuse(folder, message):
    with pytest.raises(RoadshiftError, match=re.escape(message)) as caught:
        names(folder)
    assert "\n" not in str(caught.value)
    report = check_set(CARD, folder, split_config=CONFIG, processes=1)
    assert any(message in finding.message for finding in report.faults)


def test_smaller_shapes_lie_on_larger_ones_whatever_their_order(folder):
    shapes = [annotation(2, 1, box(0, 0, 8, 6)), annotation(1, 2, box(2, 1, 5, 4))]
    expected = np.full((6, 8), "road", dtype=object)
    expected[1:4, 2:5] = "car"
    for order in (shapes, shapes[::-1]):
        write(folder, *order)
        assert (names(folder) == expected).all()


def test_of_shapes_with_one_area_the_later_id_is_on_top(folder):
    shapes = [annotation(7, 2, box(0, 0, 4, 6)), annotation(3, 3, box(2, 0, 6, 6))]
    for order in (shapes, shapes[::-1]):
        write(folder, *order)
        assert names(folder)[0].tolist() == ["car"] * 4 + ["sky"] * 2 + ["unlabelled"] * 2


def test_the_area_is_counted_and_not_read(folder):
    large, small = annotation(1, 1, box(0, 0, 8, 6)), annotation(2, 2, box(2, 1, 5, 4))
    write(folder, large | {"area": 1}, small | {"area": 1e9})
    assert "car" in names(folder)


def test_a_shape_of_several_polygons_and_one_beyond_the_image(folder):
    write(folder, annotation(1, 2, [*box(0, 0, 2, 2), *box(6, 4, 20, 30)]))
    expected = np.full((6, 8), "unlabelled", dtype=object)
    expected[:2, :2] = expected[4:, 6:] = "car"
    assert (names(folder) == expected).all()


@pytest.mark.parametrize("seed", range(20))
def test_run_lengths_are_those_of_the_library(folder, seed):
    generator = np.random.default_rng(seed)
    mask = (generator.random((6, 8)) < generator.random()).astype(np.uint8)
    mask[0, 0] = seed % 2
    mask[5, 7] = 1
    packed = masks.encode(np.asfortranarray(mask))
    lengths = np.diff(np.flatnonzero(np.diff([-1, *mask.T.ravel(), 2]))).tolist()
    runs = [0, *lengths] if mask[0, 0] else lengths
    for counts in (packed["counts"].decode(), runs):
        write(folder, annotation(1, 2, {"size": [6, 8], "counts": counts}))
        assert ((names(folder) == "car") == mask.astype(bool)).all()


@pytest.mark.parametrize(
    "counts",
    [
        "",
        "0" * 50,
        "zzz",
        "\x7f",
        "P",
        "é",
        [],
        [47],
        [49],
        [-1, 49],
        [24, True, 23],
        [10**30],
        [1.5, 46.5],
        "o" * 60,
    ],
)
def test_damaged_run_lengths_are_refused(folder, counts):
    write(folder, annotation(1, 2, {"size": [6, 8], "counts": counts}))
    refuse(folder, "annotations[0]: segmentation: counts are not the run lengths of 48 pixels")


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([], "annotations[0]: has no segmentation, as a box"),
        (None, "annotations[0]: has no segmentation"),
        ([[0, 0, 4, 4]], "segmentation[0]: a polygon of 2 points, expected 3 or more"),
        ([[0, 0, 4, 4, 0, 4, 1]], "segmentation[0]: an odd number of coordinates"),
        ([[0, 0, 4, 4, 0, "4"]], "segmentation[0]: expected a number, not '4'"),
        ([[0, 0, 4, 4, 0, 1e200]], "segmentation[0]: 1e+200 is not a coordinate"),
        ([7], "segmentation[0]: expected a list, not 7"),
        (7, "segmentation: expected keys with values, not 7"),
        ({"size": [6, 8]}, "segmentation: expected a list, not None"),
        ({"counts": [48]}, "segmentation: 'size' is missing"),
        ({"size": [8, 6], "counts": [48]}, "segmentation: size [8, 6], expected [6, 8]"),
    ],
)
def test_damaged_shapes_are_named_with_their_place(folder, segmentation, message):
    write(folder, annotation(1, 2, segmentation))
    refuse(folder, message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("images"), "result.json: 'images' is missing"),
        (lambda c: c.pop("categories"), "result.json: 'categories' is missing"),
        (lambda c: c.pop("annotations"), "result.json: 'annotations' is missing"),
        (lambda c: c["images"][0].pop("file_name"), "images[0]: 'file_name' is missing"),
        (lambda c: c["images"][1].update(id=1), "images[1]: the image 'images/b.png' or its id"),
        (
            lambda c: c["images"][0].update(file_name="../../media/a.png"),
            "images[0]: the path '../../media/a.png' leads out of the set's folder",
        ),
        (lambda c: c["images"][0].update(file_name="/a.png"), "leads out of the set's folder"),
        (lambda c: c["images"][0].update(file_name="C:\\a.png"), "leads out of the set's folder"),
        (lambda c: c["images"][0].update(file_name="..\\a.png"), "leads out of the set's folder"),
        (
            lambda c: c["images"][0].update(file_name=""),
            "the path '' leads out of the set's folder",
        ),
        (lambda c: c["annotations"][0].pop("image_id"), "annotations[0]: 'image_id' is missing"),
        (
            lambda c: c["annotations"][0].update(image_id=7),
            "annotations[0]: image_id 7 is in no image of the file",
        ),
        (
            lambda c: c["annotations"][0].update(category_id=10**30),
            "annotations[0]: category_id 10000000000000000000 is in no category of the file",
        ),
        (lambda c: c["annotations"][0].update(id="x"), "id: expected an integer, not 'x'"),
    ],
)
def test_damaged_json_is_named_with_its_place(folder, change, message):
    write(folder, annotation(1, 2, box(0, 0, 2, 2)), change=change)
    refuse(folder, message)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[1]", '{"images": NaN}'])
def test_what_is_no_json_is_refused_once(folder, text):
    (folder / "result.json").write_text(text, "utf-8")
    refuse(folder, "result.json: ")
    report = check_set(CARD, folder, split_config=CONFIG, processes=1)
    assert [each.kind for each in report.faults].count("encoding") == 1


@pytest.mark.parametrize(
    ("key", "value", "kind", "message"),
    [
        ("width", 9, "size", "result.json is 9×6, images/a.png is 8×6"),
        ("width", 0, "unreadable_label", "images/a.png: 0×6 is no size of an image"),
        ("height", 10**9, "unreadable_label", "8×1000000000 is no size of an image"),
    ],
)
def test_sizes_are_those_of_the_images(folder, key, value, kind, message):
    def change(found):
        found["images"][0][key] = value

    write(folder, annotation(1, 2, box(0, 0, 2, 2)), change=change)
    (fault,) = check_set(CARD, folder, split_config=CONFIG, processes=1).faults
    assert fault.kind == kind
    assert message in fault.message


def test_a_category_that_the_table_lacks_is_told_by_its_name(folder):
    write(folder, annotation(1, 2, box(0, 0, 2, 2)))
    table = Encoding(kind="coco", values=[("road", "road")], background="sky", source="here")
    found = label_reader(CARD, table, folder).read(folder, "images/a.png", "result.json")
    assert found.unknown == {"car": 4}


def test_pixels_without_an_annotation_need_a_background(folder):
    write(folder, annotation(1, 2, box(0, 0, 2, 2)))
    table = Encoding(kind="coco", values=[("car", "car")], source="here")
    found = label_reader(CARD, table, folder).read(folder, "images/a.png", "result.json")
    assert found.unknown == {"no annotation": 44}


def test_images_without_an_annotation_are_left_out_or_a_fault(folder, capsys):
    write(folder)
    assert [pair.id for pair in pair_files(CARD, folder, None)] == ["b"]
    assert "left out 1 images that have no label" in capsys.readouterr().out
    strict = CARD.model_dump() | {"layout": {"image": "images/{id}.*", "label": "result.json"}}
    with pytest.raises(RoadshiftError, match=r"'images/a\.png' has no annotation in 'result\.json"):
        pair_files(Card.model_validate(strict), folder, None)


def test_an_image_that_is_not_there_is_named(folder):
    write(folder, annotation(1, 2, box(0, 0, 2, 2)))
    (folder / "images/a.png").unlink()
    refuse_message = "'result.json' lists 'images/a.png', which is not there"
    with pytest.raises(RoadshiftError, match=re.escape(refuse_message)):
        pair_files(CARD, folder, None)
    assert len(find_pairs(CARD, folder, None).alone) == 1
    report = check_set(CARD, folder, split_config=CONFIG, processes=1)
    assert [each.kind for each in report.faults] == ["label_without_image"]


def test_an_image_that_the_card_leaves_out_is_not_missing(folder):
    write(folder, annotation(1, 2, box(0, 0, 2, 2)))
    layout = CARD.layout.model_copy(update={"exclude": ("a",)})
    card = CARD.model_copy(update={"layout": layout})
    assert [pair.id for pair in pair_files(card, folder, None)] == ["b"]


def test_a_changed_file_is_read_again(folder):
    write(folder, annotation(1, 2, box(0, 0, 2, 2)))
    assert "car" in names(folder)
    write(folder, annotation(1, 3, box(0, 0, 2, 2)), annotation(5, 1, box(4, 4, 6, 6)))
    assert "car" not in names(folder)


@pytest.mark.parametrize(
    ("card", "image", "label", "listed"),
    [
        ("label_studio", "images/a.png", "result.json", ["images/a.png", "a.png"]),
        (
            "cvat_coco",
            "images/Train/x/a.png",
            "annotations/instances_Train.json",
            ["images/Train/x/a.png", "Train/x/a.png", "x/a.png"],
        ),
        (
            "roboflow_coco",
            "train/a.jpg",
            "train/_annotations.coco.json",
            ["train/a.jpg", "a.jpg"],
        ),
    ],
)
def test_where_a_file_may_list_an_image(card, image, label, listed):
    assert listed_names(load_card(card).layout, image, label) == listed


def test_subsets_of_a_project(tmp_path):
    card = load_card("cvat_coco")
    for n, subset in enumerate(("Train", "Validation", "Test")):
        (tmp_path / f"images/{subset}").mkdir(parents=True)
        Image.fromarray(np.full((6, 8, 3), n, np.uint8)).save(tmp_path / f"images/{subset}/a.png")
        found = content()
        found["images"] = [found["images"][0] | {"file_name": "a.png"}]
        found["annotations"] = [annotation(1, n + 1, box(0, 0, 8, 6))]
        (tmp_path / "annotations").mkdir(exist_ok=True)
        file = tmp_path / f"annotations/instances_{subset}.json"
        file.write_text(json.dumps(found), "utf-8")
    config = SplitConfig(by="subsets", seed=0, val=0.1, test=0.3)
    report = check_set(card, tmp_path, split_config=config, processes=1)
    assert report.splits == {"train": 1, "val": 1, "test": 1}
    assert not report.faults
    encoding = card.table_in(tmp_path)
    reader = label_reader(card, encoding, tmp_path)
    for pair in pair_files(card, tmp_path, None):
        native = reader.read(tmp_path, pair.image, pair.label).native
        wanted = {"Train": "road", "Validation": "car", "Test": "sky"}[pair.group]
        assert {encoding.names[i] for i in np.unique(native)} == {wanted}


def test_a_card_whose_layout_does_not_fit_its_encoding(folder):
    write(folder, annotation(1, 2, box(0, 0, 2, 2)))
    table = Encoding(kind="coco", values=[("car", "car")], source="here")
    with pytest.raises(RoadshiftError, match="labels of coco lie in a JSON file without"):
        label_reader(load_card("kitti"), table, folder)
    grey = Encoding(kind="grey", values=[(0, "car")], source="here")
    with pytest.raises(RoadshiftError, match=r"needs \{id\} for labels of grey"):
        label_reader(CARD, grey, folder)


def test_more_categories_than_a_byte_holds_are_refused_on_one_line(folder):
    def change(found):
        found["categories"] = [{"id": n, "name": f"road {n}"} for n in range(300)]
        found["annotations"] = [annotation(n, n, box(0, 0, 2, 2)) for n in range(255)]

    write(folder, change=change)
    (folder / "names.yaml").write_text("".join(f"road {n}: road\n" for n in range(300)), "utf-8")
    refuse(folder, "result.json: expected at most 254 rows, found 255")
