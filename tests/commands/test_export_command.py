import json
import sys

import pytest
from click.testing import CliRunner
from PIL import Image

from roadshift.__main__ import main
from roadshift.datasets.samples import Sample
from roadshift.networks.files import copy_network
from roadshift.networks.settings import InferenceSettings
from roadshift.records.writer import write_shards
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")


@pytest.fixture(scope="module")
def shards(tmp_path_factory, draw_blocks):
    """Shards of a role: four training images of one size and three test images of another.

    They lie in `trainval/role` and `test/role`.
    """
    folder = tmp_path_factory.mktemp("project")
    samples = []
    for split, number, height in (("train", 4, 64), ("test", 3, 50)):
        for k in range(number):
            name = f"{split}{k}"
            for kind, array in zip(("images", "labels"), draw_blocks(k, height, 96), strict=True):
                file = folder / kind / f"{name}.png"
                file.parent.mkdir(exist_ok=True)
                Image.fromarray(array).save(file)
            samples.append(Sample(name, split, "", f"{name}.png", f"{name}.png", 96, height))
    for place, splits in (("trainval", ("train", "val")), ("test", ("test",))):
        target = folder / "data/shards" / place / "role"
        target.mkdir(parents=True)
        write_shards(
            samples,
            splits,
            images=folder / "images",
            labels=folder / "labels",
            taxonomy=TAXONOMY,
            dataset="toy",
            shard_megabytes=1,
            folder=target,
        )
    return folder / "data/shards"


@pytest.fixture
def export(colour_network, tmp_path, monkeypatch, shards):
    """Runs the command in a folder with the shards of `role`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/shards").symlink_to(shards)

    def run(*arguments, status=0, model=colour_network):
        command = ["export", str(model), *map(str, arguments)]
        done = CliRunner().invoke(main, command, env={"COLUMNS": "150"})
        assert done.exit_code == status, done.output
        return done

    return run


def needs_onnx():
    for name in ("tf2onnx", "onnxruntime"):
        pytest.importorskip(name, reason=f"{name} (the extra 'onnx') is not installed")


@pytest.mark.parametrize(
    ("format_name", "file", "size"),
    [
        ("savedmodel", "colours-savedmodel", None),
        ("tflite", "colours.tflite", [64, 96]),
        ("tflite-int8", "colours-int8.tflite", [64, 96]),
        ("onnx", "colours.onnx", None),
    ],
)
def test_an_export_is_checked_against_the_network(export, tmp_path, format_name, file, size):
    if format_name == "onnx":
        needs_onnx()
    found = json.loads(export("--to", format_name, "--shards", "role", "--json").stdout)
    assert (found["file"], found["format"], found["size"]) == (file, format_name, size)
    assert (tmp_path / file).exists()
    assert found["bytes"] > 0
    check = found["check"]
    assert (check["images"], check["split"]) == (3, "test")
    assert check["agreement"] >= (0.97 if format_name == "tflite-int8" else 0.9999)
    assert check["miou_after"] == pytest.approx(check["miou_before"], abs=0.01)
    assert check["miou_before"] > 0.8
    assert min(check["milliseconds_before"], check["milliseconds_after"]) > 0
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([file, "data"])


@pytest.mark.slow
def test_the_height_that_images_are_scaled_to_is_the_file_s(export, colour_network, tmp_path):
    def size(*options):
        done = export("--to", "tflite", "--shards", "role", "--json", *options, model=model)
        return json.loads(done.stdout)["size"]

    model = tmp_path / "low.keras"
    copy_network(colour_network, model, InferenceSettings(max_height=32))
    # 96 columns become 48 and 61, which are nearest to two strides.
    assert size() == [32, 64]
    assert size("--max-height", 0) == [64, 96]


def test_the_table_shows_both(export):
    lines = export("--to", "tflite", "--shards", "data/shards/test/role").stdout.splitlines()
    (line,) = (line for line in lines if line.startswith("colours.tflite"))
    assert line.split()[-1] == "100.000%"
    assert "takes images of 64 x 96; classes of driving11 in taxonomy.json" in lines
    assert lines[-1] == "checked on 3 images of split 'test'"


def test_without_shards_nothing_is_checked(export, tmp_path):
    output = export("--to", "tflite", "--size", 32, 64, "--out", "a/b.tflite").stdout
    assert "not checked on images" in output
    assert (tmp_path / "a/b.tflite").is_file()


def test_integers_are_not_calibrated_on_what_is_scored(export):
    done = export("--to", "tflite-int8", "--shards", "data/shards/test/role", status=1)
    assert "holds only test images, which must not calibrate a network" in done.stderr


def test_a_size_that_images_do_not_fit_is_refused(export):
    done = export("--to", "tflite", "--shards", "role", "--size", 32, 96, status=1)
    assert (
        "--size 32 96: the images of the shards need 64 96; give at least that size" in done.stderr
    )


def test_a_folder_that_is_no_savedmodel_is_not_replaced(export, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("x")
    done = export("--to", "savedmodel", "--out", "mine", status=1)
    assert "exists and is not a SavedModel" in done.stderr
    assert (tmp_path / "mine/file").is_file()


def test_missing_packages_are_named(export, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    done = export("--to", "onnx", status=1)
    assert "not installed: pip install 'tf2onnx>=1.17' onnxruntime" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--to", "tflite"),
        ("--to", "tflite-int8", "--size", "32", "32"),
        ("--to", "onnx", "--size", "32", "32"),
        ("--to", "tflite", "--size", "40", "64"),
        ("--to", "torch"),
        (),
    ],
)
def test_wrong_usage_is_status_2(export, arguments):
    export(*arguments, status=2)


def test_shards_of_another_taxonomy_are_refused(export, shards, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    for file in (shards / "test/role").iterdir():
        content = file.read_bytes()
        if file.name == "metadata.json":
            content = content.replace(b"driving11", b"driving7")
        (folder / file.name).write_bytes(content)
    done = export("--to", "onnx", "--shards", folder, status=1)
    assert "labels in 'driving7', the network's taxonomy is 'driving11'; give" in done.stderr
