import json
import sys

import pytest
from click.testing import CliRunner
from PIL import Image

from roadshift.__main__ import main
from roadshift.datasets.samples import Sample
from roadshift.records.writer import write_shards
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")


@pytest.fixture(scope="module")
def shards(tmp_path_factory, draw_blocks):
    """A role's shards: four training pictures of one size, three test pictures of another."""
    folder = tmp_path_factory.mktemp("shards")
    samples = []
    for split, number, height in (("train", 4, 64), ("test", 3, 50)):
        for k in range(number):
            name = f"{split}{k}"
            for kind, array in zip(("images", "labels"), draw_blocks(k, height, 96), strict=True):
                file = folder / kind / f"{name}.png"
                file.parent.mkdir(exist_ok=True)
                Image.fromarray(array).save(file)
            samples.append(Sample(name, split, "", f"{name}.png", f"{name}.png", 96, height))
    images, labels = folder / "images", folder / "labels"
    for place, splits in (("trainval", ("train", "val")), ("test", ("test",))):
        (folder / "role" / place).mkdir(parents=True)
        write_shards(
            samples, splits, images, labels, TAXONOMY, "toy", 1, folder / "role" / place
        )  # fmt: skip
    return folder / "role"


@pytest.fixture
def export(colour_network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, status=0):
        command = ["export", str(colour_network), *map(str, arguments)]
        done = CliRunner().invoke(main, command, env={"COLUMNS": "150"})
        assert done.exit_code == status, done.output
        return done

    return run


def needs_onnx():
    for name in ("tf2onnx", "onnxruntime"):
        pytest.importorskip(name, reason=f"{name} (the extra 'onnx') is not installed")


@pytest.mark.parametrize(
    ("form", "file", "size"),
    [
        ("savedmodel", "colours-savedmodel", None),
        ("tflite", "colours.tflite", [64, 96]),
        ("tflite-int8", "colours-int8.tflite", [64, 96]),
        ("onnx", "colours.onnx", None),
    ],
)
def test_an_export_is_checked_against_the_network(export, shards, tmp_path, form, file, size):
    if form == "onnx":
        needs_onnx()
    found = json.loads(export("--to", form, "--shards", shards, "--json").stdout)
    assert (found["file"], found["format"], found["size"]) == (file, form, size)
    assert (tmp_path / file).exists()
    assert found["bytes"] > 0
    check = found["check"]
    assert (check["pictures"], check["split"]) == (3, "test")
    assert check["agreement"] >= (0.97 if form == "tflite-int8" else 0.9999)
    assert check["miou_after"] == pytest.approx(check["miou_before"], abs=0.01)
    assert check["miou_before"] > 0.8
    assert min(check["milliseconds_before"], check["milliseconds_after"]) > 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [file]


def test_the_table_shows_both(export, shards):
    lines = export("--to", "tflite", "--shards", shards / "test").stdout.splitlines()
    (line,) = (line for line in lines if line.startswith("colours.tflite"))
    assert line.split()[-1] == "100.000%"
    assert "takes pictures of 64 x 96; classes of driving11 in taxonomy.json" in lines
    assert lines[-1] == "checked on 3 pictures of split 'test'"


def test_without_shards_nothing_is_checked(export, tmp_path):
    output = export("--to", "tflite", "--size", 32, 64, "--out", "a/b.tflite").stdout
    assert "not checked on pictures" in output
    assert (tmp_path / "a/b.tflite").is_file()


def test_integers_are_not_calibrated_on_what_is_scored(export, shards):
    done = export("--to", "tflite-int8", "--shards", shards / "test", status=1)
    assert "only pictures to be scored on" in done.stderr


def test_a_size_that_pictures_do_not_fit_is_refused(export, shards):
    done = export("--to", "tflite", "--shards", shards, "--size", 32, 96, status=1)
    assert "--size 32 96: the pictures of the shards need 64 96" in done.stderr


def test_a_folder_that_is_no_savedmodel_is_not_replaced(export, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("x")
    done = export("--to", "savedmodel", "--out", "mine", status=1)
    assert "exists and is no SavedModel" in done.stderr
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
    for file in (shards / "test").iterdir():
        content = file.read_bytes()
        if file.name == "metadata.json":
            content = content.replace(b"driving11", b"driving7")
        (folder / file.name).write_bytes(content)
    done = export("--to", "onnx", "--shards", folder, status=1)
    assert "labels in 'driving7', the network's taxonomy is 'driving11'" in done.stderr
