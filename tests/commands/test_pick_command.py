"""`roadshift pick`: a folder that is a data set once its labels are corrected."""

import json
import os
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from roadshift.__main__ import main
from roadshift.commands.pick import CHOICES, encoding_of
from roadshift.datasets.card import load_card
from roadshift.datasets.encoding import Encoding
from roadshift.datasets.native_label import PixelReader
from roadshift.datasets.remap import Remapper
from roadshift.estimation import picking
from roadshift.estimation.network import EstimatingNetwork
from roadshift.estimation.source_profile import profile_file
from roadshift.estimation.sources import learn_from_sources
from roadshift.inference.trained_network import load_trained_network
from roadshift.prediction.labelled import LabelledFolder
from roadshift.taxonomy import load_taxonomy, taxonomy_names


@pytest.fixture(scope="module")
def model(tmp_path_factory, colour_network, block_shards):
    place = tmp_path_factory.mktemp("models") / "blocks.keras"
    shutil.copyfile(colour_network, place)
    sources = {"a": block_shards("bright", {"train": range(4), "val": range(4, 7)})}
    network = EstimatingNetwork.of(load_trained_network(colour_network))
    learn_from_sources(network, sources, mix="a", own=["a"]).save(profile_file(place))
    return place


@pytest.fixture
def photos(tmp_path, draw_blocks, monkeypatch):
    """Eight images in two folders; two have one name but for the suffix."""
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        folder = tmp_path / f"photos/drive{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_blocks(100 + number)[0]).save(folder / f"{number}.png")
    Image.fromarray(draw_blocks(200)[0]).save(tmp_path / "photos/drive0/0.jpg", quality=95)
    clear = Image.fromarray(draw_blocks(201)[0])
    clear.putalpha(128)
    clear.save(tmp_path / "photos/see through.png")
    return tmp_path / "photos"


def run(*arguments, status=0):
    done = CliRunner().invoke(main, ["pick", *map(str, arguments)])
    assert done.exit_code == status, done.output
    return done


@pytest.mark.parametrize("choice", CHOICES)
def test_the_folder_is_a_data_set_of_the_card_folder(model, photos, tmp_path, choice):
    found = json.loads(run(model, photos, "--n", 3, "--choice", choice, "--json").stdout)
    assert (found["choice"], found["of"], len(found["picked"])) == (choice, 8, 3)
    assert found == json.loads((tmp_path / "picked/picked.json").read_text("utf-8"))
    read = [*LabelledFolder(load_card("folder"), tmp_path / "picked", load_taxonomy("driving11"))]
    assert len(read) == 3
    for example in read:
        assert example.image.shape[:2] == example.label.shape == (64, 96)
        assert example.label.max() < 11


def test_drafts_are_the_predictions_and_images_are_copies(model, photos, tmp_path):
    run(model, photos, "--n", 8)
    done = CliRunner().invoke(main, ["predict", str(model), str(photos), "--out", "predictions"])
    assert done.exit_code == 0
    rows = json.loads((tmp_path / "picked/picked.json").read_text("utf-8"))["picked"]
    assert len({row["label_draft"] for row in rows}) == 8
    by_image = {
        each["input"]: each["labels"]
        for each in json.loads((tmp_path / "predictions/predictions.json").read_text())["done"]
    }
    for row in rows:
        draft = np.asarray(Image.open(tmp_path / "picked" / row["label_draft"]))
        np.testing.assert_array_equal(draft, np.asarray(Image.open(by_image[row["image"]])))
        copied = (tmp_path / "picked" / row["written"]).read_bytes()
        is_plain = not row["image"].endswith("see through.png")
        assert (copied == (tmp_path / row["image"]).read_bytes()) == is_plain


def test_uncertain_ones_are_those_of_the_largest_expected_error(model, photos):
    estimated = CliRunner().invoke(main, ["estimate", str(model), str(photos), "--json"])
    worst = [image["image"] for image in json.loads(estimated.stdout)["images"]][:3]
    found = json.loads(run(model, photos, "--n", 3, "--choice", "uncertain", "--json").stdout)
    assert [row["image"] for row in found["picked"]] == worst


def test_the_same_seed_picks_the_same(model, photos):
    picked = []
    for out, seed in (("one", 1), ("two", 1), ("three", 2)):
        arguments = ("--n", 4, "--choice", "random", "--seed", seed, "--out", out, "--json")
        found = json.loads(run(model, photos, *arguments).stdout)
        picked.append([row["image"] for row in found["picked"]])
    assert picked[0] == picked[1] != picked[2]


def test_a_broken_image_is_named_and_the_others_are_picked_from(model, photos, tmp_path):
    (photos / "drive1/1.png").write_bytes(b"no image")
    done = run(model, photos, "--n", 2, status=1)
    assert "1 of 8 images failed" in done.stderr
    assert len([*(tmp_path / "picked/labels").rglob("*.png")]) == 2


def test_nothing_is_overwritten_and_nothing_is_left_behind(model, photos, tmp_path):
    (tmp_path / "picked").mkdir()
    assert "picked: is already there" in run(model, photos, status=1).stderr
    done = run(model, photos, "--out", photos / "drive0/new", status=1)
    assert "lies in the folder of the images" in done.stderr
    done = run(model, photos, "--n", 9, "--out", "other", status=1)
    assert "photos: holds 8 images; pick no more with --n" in done.stderr
    assert "look at" not in done.stderr
    (photos / "drive1/1.png").write_bytes(b"no image")
    done = run(model, photos, "--n", 8, "--out", "other", status=1)
    assert "8 images are to be picked of 7" in done.stderr
    assert not (tmp_path / "other").exists()


def test_the_folder_does_not_lie_among_subfolders_of_images(model, photos):
    """Where the next run would find it; beside an `images` it may lie."""
    (photos / "see through.png").unlink()
    done = run(model, photos, "--out", photos / "new", status=1)
    assert "lies in the folder of the images" in done.stderr
    shutil.copytree(photos, photos / "images")
    run(model, photos, "--n", 1, "--out", photos / "new")


def test_names_that_no_data_set_can_hold_are_written_otherwise(model, photos, tmp_path):
    """Bytes that are no UTF-8, and a line break; the image is named as it is."""
    names = [b"drive0/stra\xdfe.png", b"drive0/a\nb.png"]
    for name, old in zip(names, ("2.png", "4.png"), strict=True):
        os.rename(photos / "drive0" / old, os.path.join(os.fsencode(photos), name))
    run(model, photos, "--n", 8)
    rows = json.loads((tmp_path / "picked/picked.json").read_text("utf-8"))["picked"]
    by_image = {os.fsencode(row["image"]): row["written"] for row in rows}
    written = [by_image[os.path.join(os.fsencode(photos), name)] for name in names]
    assert written == ["images/drive0/stra_e.png", "images/drive0/a_b.png"]
    read = LabelledFolder(load_card("folder"), tmp_path / "picked", load_taxonomy("driving11"))
    assert len([*read]) == 8


def test_the_command_has_the_choices_of_the_library():
    assert {*CHOICES} == {*picking.CHOICES}


@pytest.mark.parametrize("name", taxonomy_names())
def test_the_encoding_of_drafts_leads_back_to_the_classes(name):
    taxonomy = load_taxonomy(name)
    encoding = Encoding.model_validate(encoding_of(taxonomy))
    remapper = Remapper.of(encoding, taxonomy, reader=PixelReader(encoding))
    for class_id in range(len(taxonomy.classes)):
        native = encoding.native_index[class_id]
        assert remapper.class_id[native] == class_id
