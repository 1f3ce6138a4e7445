"""`roadshift distill` on real files: the student's file, errors in one line, interruption."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from roadshift.__main__ import main
from roadshift.inference.trained_network import load_trained_network
from roadshift.networks.build import build_network
from roadshift.networks.files import load_network, save_network
from roadshift.networks.settings import InferenceSettings, ModelSettings
from roadshift.taxonomy import load_taxonomy


@pytest.fixture(scope="module")
def models(tmp_path_factory, colour_network):
    """Two networks with other weights."""
    folder = tmp_path_factory.mktemp("models")
    files = []
    for number, factor in enumerate((1.0, 3.0)):
        network = load_network(colour_network)
        classifier = network.get_layer("classifier")
        classifier.set_weights([weight * factor for weight in classifier.get_weights()])
        files.append(folder / f"{number}.keras")
        save_network(network, files[-1], InferenceSettings(max_height=128, tta_flip=True))
    return files


@pytest.fixture
def photos(tmp_path, draw_blocks):
    folder = tmp_path / "photos/images/drive"
    folder.mkdir(parents=True)
    for number in range(5):
        Image.fromarray(draw_blocks(100 + number)[0]).save(folder / f"{number}.png")
    return tmp_path / "photos"


def run(*arguments, status=0):
    done = CliRunner().invoke(main, ["distill", *map(str, arguments)])
    assert done.exit_code == status, done.output
    return done


def test_the_student_is_a_network_like_the_first(models, photos, tmp_path):
    out = tmp_path / "student.keras"
    done = run(*models, photos, "--out", out, "--steps", 8, "--batch-size", 2, "--json")
    found = json.loads(done.stdout)
    assert found["images"] == 5
    assert found["models"] == [str(model) for model in models]
    assert 0 < found["counted"] <= 1
    first, student = (load_trained_network(file) for file in (models[0], out))
    assert student.taxonomy == first.taxonomy
    assert student.inference == first.inference
    changed = [
        np.abs(new - old).max()
        for new, old in zip(student.network.get_weights(), first.network.get_weights(), strict=True)
    ]
    assert max(changed) > 0


def test_the_same_seed_gives_the_same_bytes_wherever_the_images_lie(models, photos, tmp_path):
    found = []
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        folder = photos.rename(tmp_path / name)
        photos = folder
        out = tmp_path / f"{name}.keras"
        run(*models, folder, "--out", out, "--steps", 3, "--batch-size", 2, "--seed", seed)
        found.append(out.read_bytes())
    assert found[0] == found[1] != found[2]


def test_labels_beside_the_images_are_not_looked_at(models, photos, tmp_path):
    (photos / "labels").mkdir()
    (photos / "labels/0.png").write_bytes(b"no image")
    out = tmp_path / "student.keras"
    done = run(models[0], photos, "--out", out, "--steps", 1, "--batch-size", 2)
    assert done.stdout.startswith(f"{out}: from 1 network on 5 images, ")


@pytest.fixture
def other(tmp_path):
    """A network of another taxonomy, and one for images of another height."""
    names = load_taxonomy("cityscapes19").class_names
    settings = ModelSettings(encoder="unet", weights="none", base_filters=4)
    network = build_network(settings, names, taxonomy="cityscapes19")
    save_network(network, tmp_path / "other.keras", InferenceSettings(max_height=128))
    return tmp_path / "other.keras"


def test_what_cannot_be_is_one_line_and_leaves_nothing(
    models, photos, other, tmp_path, colour_network
):
    empty = tmp_path / "empty"
    empty.mkdir()
    one = tmp_path / "out.keras"
    for arguments, expected in [
        ([models[0], other, photos], "other.keras: taxonomy is cityscapes19, but driving11 in "),
        ([models[0], colour_network, photos], "colours.keras: data.max_height is 0, but 128 in "),
        ([models[0], photos, "--batch-size", 6], f"{photos}: 5 images, fewer than a batch of 6"),
        ([models[0], empty], f"{empty}: holds no image"),
        ([tmp_path / "no.keras", photos], "no.keras: there is no such file"),
        ([models[0], photos, "--learning-rate", 1, "--steps", 1, "--out", models[0]], "teach"),
        ([models[0], photos, "--out", tmp_path / "student.h5"], "does not end in .keras"),
    ]:
        done = run(*arguments, *([] if "--out" in arguments else ["--out", one]), status=1)
        assert expected in done.stderr
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        assert len(errors) == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert not list(tmp_path.glob("*out*")) + list(tmp_path.glob("student*"))


def test_all_broken_images_are_named_before_any_training(models, photos, tmp_path):
    (photos / "images/drive/1.png").write_bytes(b"no image")
    (photos / "images/link.png").symlink_to(photos / "gone.png")
    done = run(*models, photos, "--out", tmp_path / "student.keras", "--batch-size", 2, status=1)
    assert "2 of 6 images cannot be read; replace or remove them" in done.stderr
    assert f"{photos / 'images/drive/1.png'}: not an image" in done.stderr
    assert f"{photos / 'images/link.png'}: missing" in done.stderr
    assert not (tmp_path / "student.keras").exists()


def test_an_interrupted_run_leaves_nothing(models, photos, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    log = tmp_path / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "roadshift", "distill", *models, photos, "--out",
             out / "student.keras", "--steps", "100000", "--batch-size", "2"],
            stderr=sink, stdout=subprocess.DEVNULL,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
    try:
        until = time.monotonic() + 240
        while "loss=" not in log.read_text("utf-8") and time.monotonic() < until:
            assert process.poll() is None, log.read_text("utf-8")
            time.sleep(0.5)
        assert "loss=" in log.read_text("utf-8")
        process.send_signal(signal.SIGINT)
        process.wait(120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert log.read_text("utf-8").endswith("interrupted\n")
    assert not list(out.iterdir())
