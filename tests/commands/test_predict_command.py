import json
import sys
import zipfile
from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from roadshift.__main__ import main
from roadshift.networks.build import build_network
from roadshift.networks.files import copy_network, load_network, save_network
from roadshift.networks.settings import InferenceSettings, ModelSettings
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")


@pytest.fixture
def predict(colour_network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, status=0, model=colour_network):
        done = CliRunner().invoke(main, ["predict", str(model), *map(str, arguments)])
        assert done.exit_code == status, done.output
        return done

    return run


@pytest.fixture
def street(tmp_path, draw_blocks):
    image, label = draw_blocks(1)
    Image.fromarray(image).save(tmp_path / "street.png")
    return tmp_path / "street.png", label


def read(file):
    return np.asarray(Image.open(file))


def segmented(path, settings, file):
    """Returns the class ids that a network with these settings gives an image."""
    from roadshift.inference.segmenter import Segmenter

    return Segmenter(load_network(path), settings)(read(file)).ids


def test_an_image_gives_labels_and_an_overlay(predict, street, tmp_path):
    file, label = street
    assert predict(file).stdout == "predictions/overlays/street.png\n"
    out = tmp_path / "predictions"
    found = read(out / "labels/street.png")
    assert found.shape == label.shape
    assert np.mean(found == label) > 0.9
    expected = (TAXONOMY.palette[found].astype(int) + read(file)) // 2
    np.testing.assert_array_equal(read(out / "overlays/street.png")[: label.shape[0]], expected)
    assert not (out / "probabilities").exists()


def test_views_are_averaged_on_demand(predict, street, tmp_path, colour_network):
    predict(street[0], "--tta-flip", "--tta-scale", "0.5", "--tta-scale", "1")
    settings = InferenceSettings(tta_flip=True, tta_scales=(0.5, 1.0))
    expected = segmented(colour_network, settings, street[0])
    np.testing.assert_array_equal(read(tmp_path / "predictions/labels/street.png"), expected)


@pytest.mark.parametrize(
    "settings",
    [
        InferenceSettings(max_height=16),
        InferenceSettings(max_height=32),
        InferenceSettings(max_height=32, tta_flip=True, tta_scales=(1.0, 1.5)),
    ],
    ids=str,
)
def test_the_settings_of_the_file_are_used_without_being_told(
    predict, street, tmp_path, colour_network, settings
):
    model = tmp_path / "network.keras"
    copy_network(colour_network, model, settings)
    labels = tmp_path / "predictions/labels/street.png"
    predict(street[0], model=model)
    np.testing.assert_array_equal(read(labels), segmented(colour_network, settings, street[0]))
    plain = segmented(colour_network, InferenceSettings(), street[0])
    assert not np.array_equal(read(labels), plain)
    # Options replace the settings.
    predict(street[0], "--max-height", 0, "--no-tta-flip", "--tta-scale", 1, model=model)
    np.testing.assert_array_equal(read(labels), plain)


def test_a_network_that_does_not_say_its_height_needs_the_option(
    predict, street, tmp_path, colour_network
):
    model = tmp_path / "silent.keras"
    with zipfile.ZipFile(colour_network) as whole, zipfile.ZipFile(model, "w") as silent:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "metadata.json":
                metadata = json.loads(content)
                del metadata["inference"]
                content = json.dumps(metadata).encode()
            silent.writestr(name, content)
    done = predict(street[0], model=model, status=1)
    assert "has no inference settings; give --max-height" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "predictions").exists()
    predict(street[0], "--max-height", 32, model=model)
    expected = segmented(colour_network, InferenceSettings(max_height=32), street[0])
    np.testing.assert_array_equal(read(tmp_path / "predictions/labels/street.png"), expected)


def test_an_image_too_large_for_averaged_views_is_named(predict, tmp_path, draw_blocks):
    Image.fromarray(draw_blocks(1, 500, 600)[0]).save(tmp_path / "large.png")
    done = predict("large.png", "--tta-flip", "--max-pixels", 2**18, status=1)
    assert "large.png: the network sees an image of 600x500 at 608x512" in done.stderr
    assert "needs a view of at most 262144 pixels" in done.stderr
    assert not (tmp_path / "predictions/labels").exists()


def test_views_of_a_large_image_are_averaged_where_the_network_sees_a_smaller_one(
    predict, tmp_path, draw_blocks, colour_network
):
    Image.fromarray(draw_blocks(1, 500, 600)[0]).save(tmp_path / "large.png")
    predict("large.png", "--tta-flip", "--max-height", 256, "--max-pixels", 2**18)
    settings = InferenceSettings(max_height=256, tta_flip=True)
    expected = segmented(colour_network, settings, tmp_path / "large.png")
    found = read(tmp_path / "predictions/labels/large.png")
    assert np.mean(found == expected) > 0.9999


def test_cityscapes_colours_and_probabilities_on_demand(predict, street, tmp_path):
    file, label = street
    arguments = ("--labels", "cityscapes", "--probabilities", "--no-overlay")
    assert predict(file, *arguments).stdout == "predictions/labels/street.png\n"
    colours = read(tmp_path / "predictions/labels/street.png")
    assert np.mean(np.all(colours == TAXONOMY.palette[label], -1)) > 0.9
    probabilities = read(tmp_path / "predictions/probabilities/street.png")
    assert probabilities.shape == label.shape
    # The middle of a block is certain, a corner of four is not.
    assert probabilities[8, 8] > 200
    assert not (tmp_path / "predictions/overlays").exists()


def test_json_and_the_log_say_what_was_written_and_what_ids_mean(predict, street, tmp_path):
    file, _ = street
    done = json.loads(predict(file, "--json").stdout)
    assert done == json.loads((tmp_path / "predictions/predictions.json").read_text("utf-8"))
    assert done["taxonomy"] == "driving11"
    assert done["classes"][7] == {"id": 7, "name": "sky", "colour": [70, 130, 180]}
    (entry,) = done["done"]
    assert (entry["width"], entry["height"]) == (96, 64)
    assert sum(entry["classes"].values()) == pytest.approx(1, abs=0.01)
    assert done["failed"] == {}


def test_a_folder_is_done_but_for_what_is_broken(predict, street, tmp_path):
    file, _ = street
    folder = tmp_path / "images"
    (folder / "deep").mkdir(parents=True)
    content = file.read_bytes()
    (folder / "a.png").write_bytes(content)
    (folder / "b.png").write_bytes(content[: len(content) // 2])
    (folder / "deep/c.png").write_bytes(content)
    (folder / "notes.txt").write_text("x")
    done = predict(folder, status=1)
    assert done.stdout.splitlines() == [
        "predictions/overlays/a.png",
        "predictions/overlays/deep/c.png",
    ]
    assert f"Error: {folder}/b.png: cannot be read" in done.stderr
    assert f"Skipped, neither images nor videos: {folder}/notes.txt" in done.stderr
    last = done.stderr.splitlines()[-1]
    expected = f"1 of 3 inputs failed, the others are predicted: {folder}/b.png"
    assert last == f"Error: {expected}"
    written = {p.name for p in (tmp_path / "predictions/labels").rglob("*.png")}
    assert written == {"a.png", "c.png"}


def test_images_are_taken_as_they_are_seen(predict, draw_blocks, tmp_path):
    image, label = draw_blocks(2)
    folder = tmp_path / "images"
    folder.mkdir()
    grey = np.where(label % 2, 255, 0).astype(np.uint8)
    turned = Image.fromarray(np.rot90(image, 1).copy())
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned.save(folder / "turned.png", exif=exif)
    alpha = np.where(label == 1, 0, 255).astype(np.uint8)
    Image.fromarray(np.dstack([image, alpha])).save(folder / "transparent.png")
    Image.fromarray(grey).save(folder / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "grey16.png")
    Image.fromarray(image).convert("CMYK").save(folder / "cmyk.tif")
    Image.fromarray(image).quantize(64).save(folder / "palette.gif")
    predict(folder)
    found = {p.stem: read(p) for p in (tmp_path / "predictions/labels").iterdir()}
    assert len(found) == 6
    for name in ("turned", "cmyk", "palette"):
        assert np.mean(found[name] == label) > 0.85, name
    # White is the class of (255, 255, 255), black that of (0, 0, 0).
    transparent = label == 1
    assert np.mean(found["transparent"][transparent] == 7) > 0.8
    assert np.mean(found["transparent"][~transparent] == label[~transparent]) > 0.8
    assert np.mean(found["grey"] == np.where(grey, 7, 0)) > 0.85
    np.testing.assert_array_equal(found["grey16"], found["grey"])


@pytest.mark.parametrize(("width", "height"), [(1920, 1200), (1, 1), (3000, 20)])
def test_any_resolution(predict, draw_blocks, tmp_path, width, height):
    image, _ = draw_blocks(3, height, width)
    Image.fromarray(image).save(tmp_path / "image.png")
    predict(tmp_path / "image.png", "--max-pixels", 2**18)
    assert Image.open(tmp_path / "predictions/labels/image.png").size == (width, height)


def test_a_video_gives_a_label_a_frame(predict, draw_blocks, tmp_path):
    pytest.importorskip("av", reason="PyAV (the extra 'video') is not installed")
    from roadshift.prediction.video import Frame, new_video, open_video

    image, label = draw_blocks(4)
    times = [Fraction(number, 10) for number in (0, 1, 2, 38, 39)]
    with new_video(tmp_path / "drive.mp4", Fraction(10)) as writer:
        for time in times:
            writer.write(Frame(image, time))
    (entry,) = json.loads(predict("drive.mp4", "--probabilities", "--json").stdout)["done"]
    assert (entry["frames"], entry["overlays"]) == (5, "predictions/overlays/drive.mp4")
    assert entry["times"] == [0, 0.1, 0.2, 3.8, 3.9]
    for kind in ("labels", "probabilities"):
        names = sorted(p.name for p in (tmp_path / "predictions" / kind / "drive").iterdir())
        assert names == [f"{number:06}.png" for number in range(5)]
    found = read(tmp_path / "predictions/labels/drive/000001.png")
    assert np.mean(found == label) > 0.7  # Compression blurs colours.
    with open_video(tmp_path / "predictions/overlays/drive.mp4") as video:
        assert [frame.time for frame in video] == times


def test_a_video_and_a_folder_of_its_name_do_not_share_outputs(predict, street, tmp_path):
    pytest.importorskip("av", reason="PyAV (the extra 'video') is not installed")
    from roadshift.prediction.video import Frame, new_video

    folder = tmp_path / "images"
    (folder / "drive1").mkdir(parents=True)
    for name in ("000000.png", "000001.png", "000002.png"):
        (folder / "drive1" / name).write_bytes(street[0].read_bytes())
    with new_video(folder / "drive1.mp4", Fraction(10)) as writer:
        for number in range(5):
            writer.write(Frame(read(street[0])[:32], Fraction(number, 10)))
    done = json.loads(predict(folder, "--json").stdout)["done"]
    outputs = [entry[kind] for entry in done for kind in ("labels", "overlays")]
    assert len({name.casefold() for name in outputs}) == 8
    for entry in done:
        labels = tmp_path / entry["labels"]
        sizes = [read(file).shape for file in (labels.iterdir() if labels.is_dir() else [labels])]
        assert sizes == ([(32, 96)] * 5 if entry["input"].endswith(".mp4") else [(64, 96)])


def test_an_input_whose_outputs_have_too_long_a_name_does_not_end_the_run(
    predict, street, tmp_path
):
    folder = tmp_path / "images"
    folder.mkdir()
    long = "b" * 247
    for name in ("a", long, "c"):
        (folder / f"{name}.png").write_bytes(street[0].read_bytes())
    done = predict(folder, status=1)
    assert done.stdout.splitlines() == [f"predictions/overlays/{name}.png" for name in "ac"]
    assert "its name is too long for the names of its outputs; shorten it" in done.stderr
    log = json.loads((tmp_path / "predictions/predictions.json").read_text("utf-8"))
    assert (log["inputs"], len(log["done"]), [*log["failed"]]) == (
        3,
        2,
        [f"{folder}/{long}.png"],
    )


def test_a_video_without_the_package_is_named(predict, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "drive.mp4").write_bytes(b"x")
    done = predict("drive.mp4", status=1)
    assert done.stderr.splitlines()[-1] == (
        "Error: drive.mp4: videos need a package that is not installed: pip install av"
    )
    assert not (tmp_path / "predictions/labels").exists()


def test_outputs_do_not_go_among_inputs_or_strangers_files(predict, street, tmp_path):
    file, _ = street
    assert "where the outputs go" in predict(file, "--out", tmp_path, status=1).stderr
    other = tmp_path / "other"
    (other / "labels").mkdir(parents=True)
    (other / "labels/street.png").write_bytes(b"mine")
    done = predict(file, "--out", other, status=1)
    assert "holds files that are not predictions" in done.stderr
    assert (other / "labels/street.png").read_bytes() == b"mine"


def test_predictions_can_be_made_again(predict, street):
    file, _ = street
    assert predict(file).stdout == predict(file).stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "there is no such file"), (b"PK\x03\x04 cut", "not a whole .keras file")],
)
def test_a_file_that_is_no_network_is_one_line(predict, street, tmp_path, content, message):
    model = tmp_path / "model.keras"
    if content:
        model.write_bytes(content)
    done = predict(street[0], status=1, model=model)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "predictions").exists()


@pytest.mark.parametrize(
    ("taxonomy", "names", "message"),
    [
        ("", ("road", "sky"), "does not name its taxonomy"),
        ("mine", ("road", "sky"), "its taxonomy: 'mine' is not a taxonomy"),
        ("driving11", ("road", "sky"), "train it again"),
    ],
)
def test_a_network_of_unknown_classes_is_refused(
    predict, street, tmp_path, taxonomy, names, message
):
    settings = ModelSettings(encoder="unet", weights="none", base_filters=4)
    network = build_network(settings, names, taxonomy=taxonomy)
    save_network(network, tmp_path / "odd.keras", InferenceSettings())
    done = predict(street[0], status=1, model=tmp_path / "odd.keras")
    assert message in done.stderr
