"""`roadshift estimate` on real files: its table, its page, broken images, thousands of them."""

import html
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from roadshift.__main__ import main
from roadshift.estimation.network import EstimatingNetwork
from roadshift.estimation.source_profile import profile_file
from roadshift.estimation.sources import learn_from_sources
from roadshift.inference.trained_network import load_trained_network
from roadshift.networks.files import load_network, save_network
from roadshift.networks.settings import InferenceSettings


@pytest.fixture(scope="module")
def model(tmp_path_factory, colour_network, block_shards):
    """A network with the profile of its sources beside it."""
    place = tmp_path_factory.mktemp("models") / "blocks.keras"
    shutil.copyfile(colour_network, place)
    sources = {
        "a": block_shards("bright", {"train": range(4), "val": range(4, 7)}),
        "b": block_shards("dark", {"train": range(10, 13), "val": range(13, 14)}, darker=60),
    }
    network = EstimatingNetwork.of(load_trained_network(colour_network))
    profile = learn_from_sources(network, sources, mix="blocks", own=["a"])
    profile.save(profile_file(place))
    return place


@pytest.fixture
def photos(tmp_path, draw_blocks):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        Image.fromarray(draw_blocks(100 + number)[0]).save(folder / f"{number}.png")
    return folder


def estimate(*arguments, status=0, width=1000):
    """Runs the command on a terminal of so many columns; returns its result."""
    words = ["estimate", *map(str, arguments)]
    done = CliRunner().invoke(main, words, env={"COLUMNS": str(width)})
    assert done.exit_code == status, done.output
    return done


def test_it_tells_the_accuracy_with_its_bar_and_what_is_unsure(model, photos):
    text = estimate(model, photos).stdout
    assert f"{model} on {photos}: 5 images in driving11" in text
    assert "expected pixel accuracy " in text
    assert "from 1 held-out source: there the accuracy was missed by" in text
    assert "Classes, the least certain first:" in text
    assert [text.count(str(photos / f"{number}.png")) for number in range(5)] == [1] * 5


def test_a_narrow_terminal_wraps_paths_and_cuts_none(model, photos):
    text = estimate(model, photos, width=60).stdout
    assert "…" not in text
    assert max(map(len, text[text.index("Classes,") :].splitlines())) <= 60


def test_the_estimate_is_near_the_truth_where_nothing_shifts(model, photos, draw_blocks):
    found = json.loads(estimate(model, photos, "--json").stdout)
    network = load_trained_network(model).network
    right = []
    for number in range(5):
        image, label = draw_blocks(100 + number)
        logits = network(image[np.newaxis].astype(np.float32))[0].numpy()
        right.append((logits.argmax(-1) == label).mean())
    assert found["expected"]["pixel_accuracy"] == pytest.approx(np.mean(right), abs=0.025)
    assert found["failed"] == {}
    assert [image["pixel_accuracy"] for image in found["images"]] == sorted(
        image["pixel_accuracy"] for image in found["images"]
    )
    assert {*found["error_bars"]} == {"level", "pixel_accuracy", "miou"}
    assert np.array(found["regions"]).shape == (6, 10)


def test_labels_beside_the_images_are_not_looked_at(model, photos, tmp_path):
    shutil.copytree(photos, tmp_path / "set/images")
    (tmp_path / "set/labels").mkdir()
    Image.fromarray(np.zeros((64, 96), np.uint8)).save(tmp_path / "set/labels/0.png")
    found = json.loads(estimate(model, tmp_path / "set", "--json").stdout)
    assert found["expected"]["images"] == 5


def test_a_broken_image_is_named_and_the_others_are_estimated(model, photos):
    (photos / "3.png").write_bytes(b"no image")
    (photos / "link.png").symlink_to(photos / "gone.png")
    done = estimate(model, photos, "--json", status=1)
    found = json.loads(done.stdout)
    assert {*found["failed"]} == {str(photos / "3.png"), str(photos / "link.png")}
    assert found["expected"]["images"] == 4
    assert f"Error: {photos / '3.png'}" in done.stderr
    assert "2 of 6 images failed, the others are estimated: " in done.stderr


def test_nothing_but_broken_images_is_an_error(model, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    done = estimate(model, tmp_path / "a.png", status=1)
    assert done.stdout == ""
    assert done.stderr.count("Error: ") == 1
    assert f"Error: {tmp_path / 'a.png'}: not an image" in done.stderr


def test_a_network_alone_is_told_what_it_lacks(colour_network, photos):
    done = estimate(colour_network, photos, status=1)
    assert "colours.estimate.json: missing; it holds what the sources say" in done.stderr


def test_a_profile_of_another_network_is_refused(model, photos, tmp_path):
    network = load_network(model)
    classifier = network.get_layer("classifier")
    classifier.set_weights([weight * 1.1 for weight in classifier.get_weights()])
    save_network(network, tmp_path / "other.keras", InferenceSettings())
    shutil.copyfile(profile_file(model), tmp_path / "other.estimate.json")
    done = estimate(tmp_path / "other.keras", photos, status=1)
    assert "other.estimate.json: is of another network (mix 'blocks')" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("place", ["nothing", "empty"])
def test_a_place_without_images_is_named(model, tmp_path, place):
    (tmp_path / "empty").mkdir()
    done = estimate(model, tmp_path / place, status=1)
    assert str(tmp_path / place) in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_page_escapes_names_and_loads_nothing(model, photos, tmp_path):
    name = "<b>&\"'.png"
    (photos / "0.png").rename(photos / name)
    file = tmp_path / "page.html"
    estimate(model, photos, "--html", file, "--most", 2)
    text = file.read_text("utf-8")
    assert '<b>&"' not in text
    assert "&lt;b&gt;&amp;" in text
    assert "default-src 'none'" in text
    assert 'src="http' not in text
    assert "The other 3" in text
    first = text
    estimate(model, photos, "--html", file, "--most", 2)
    assert file.read_text("utf-8") == first


def test_a_page_that_cannot_be_written_does_not_lose_the_estimate(model, photos):
    done = estimate(model, photos, "--json", "--html", photos / "0.png/page.html", status=1)
    assert json.loads(done.stdout)["expected"]["images"] == 5
    assert "0.png/.page.html.partial: Not a directory" in done.stderr


def test_a_name_that_is_no_utf_8_is_escaped_on_the_page(model, photos, tmp_path):
    os.rename(photos / "0.png", os.path.join(os.fsencode(photos), b"stra\xdfe.png"))
    estimate(model, photos, "--html", tmp_path / "page.html")
    assert "stra\\udcdfe.png" in (tmp_path / "page.html").read_text("utf-8")


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (360, "dark")])
def test_the_page_in_a_browser(browser, model, photos, source_images, tmp_path, width, scheme):
    """It does not scroll sideways, and the keyboard reaches the folded images."""
    file = tmp_path / "page.html"
    estimate(model, photos, "--html", file, "--most", 2, "--sources", source_images)
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    try:
        page.goto(file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        places = page.evaluate(
            "[...document.querySelectorAll('.pair')].map(p => [...p.children].map(i => "
            "{const b = i.getBoundingClientRect(); return [b.top, b.width, b.right]}))"
        )
        for (top, wide, right), (other_top, other_wide, other_right) in places:
            assert top == other_top
            assert wide == pytest.approx(other_wide, abs=1)
            assert wide > 100
            assert right < other_right <= width
        reached = []
        for _ in range(12):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.tagName"))
            if reached[-1] == "SUMMARY":
                page.keyboard.press("Enter")
                break
        assert reached[-1] == "SUMMARY"
        assert page.evaluate("document.querySelector('details').open")
        broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
        assert page.evaluate(broken) == 0
    finally:
        page.close()


@pytest.fixture
def source_images(tmp_path, draw_blocks):
    """Images of the sources; one is a photo itself, and has a name that must be escaped."""
    folder = tmp_path / "sources/images"
    folder.mkdir(parents=True)
    for number in range(3):
        Image.fromarray(draw_blocks(number)[0]).save(folder / f"{number}.png")
    Image.fromarray(draw_blocks(102)[0]).save(folder / "<i>same&.png")
    (folder / "broken.png").write_bytes(b"no image")
    return tmp_path / "sources"


def test_the_nearest_source_image_stands_beside_an_image(model, photos, source_images, tmp_path):
    file = tmp_path / "page.html"
    done = estimate(model, photos, "--html", file, "--sources", source_images)
    text = file.read_text("utf-8")
    assert "Beside each image stands the most similar image of the sources." in text
    assert "<i>same" not in text
    (alt,) = re.findall(r'alt="The source image ([^"]*), the nearest to [^"]*2.png"', text)
    assert html.unescape(alt) == str(source_images / "images/<i>same&.png")
    # Every image that is shown by its distance has one, and so its distance.
    assert text.count("beside it ") == 6
    assert "of the sources, distance 0<" in text
    assert f"Left out: {source_images / 'images/broken.png'}: not an image" in done.stderr


def test_without_source_images_the_page_says_so(model, photos, tmp_path):
    file = tmp_path / "page.html"
    estimate(model, photos, "--html", file)
    assert "No images of the sources were given" in file.read_text("utf-8")
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources/1.png").write_bytes(b"no image")
    estimate(model, photos, "--html", file, "--sources", tmp_path / "sources")
    assert "No image of the sources could be read" in file.read_text("utf-8")


def test_source_images_need_a_page_and_a_folder_with_images(model, photos, tmp_path):
    done = estimate(model, photos, "--sources", photos, status=1)
    assert done.stderr.endswith("add --html\n")
    (tmp_path / "empty").mkdir()
    page = tmp_path / "page.html"
    done = estimate(model, photos, "--html", page, "--sources", tmp_path / "empty", status=1)
    assert f"{tmp_path / 'empty'}: holds no image" in done.stderr
    assert not page.exists()


MEASURE = """
import resource, sys
from click.testing import CliRunner
from roadshift.__main__ import main
done = CliRunner().invoke(main, ["estimate", sys.argv[1], sys.argv[2], "--json"])
assert done.exit_code == 0, done.output
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_images(model, tmp_path, draw_blocks):
    """600 images take hardly more than 20; links stand for them."""
    Image.fromarray(draw_blocks(1)[0]).save(tmp_path / "one.png")
    peaks = []
    for number in (20, 600):
        folder = tmp_path / str(number)
        folder.mkdir()
        for k in range(number):
            os.link(tmp_path / "one.png", folder / f"{k:05}.png")
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(model), str(folder)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        peaks.append(int(done.stdout.splitlines()[-1]) / 1024)
    assert peaks[1] - peaks[0] < 60, peaks
