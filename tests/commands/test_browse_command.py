import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from roadshift.__main__ import main
from roadshift.pictures.label_sheet import COLUMNS, PANEL_WIDTH
from roadshift.pictures.sheet import CAPTION, GAP
from roadshift.records.writer import write_shards
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")
HEIGHT = PANEL_WIDTH * 24 // 40
TOP = CAPTION + 2 * GAP + CAPTION


@pytest.fixture(scope="module")
def project(tmp_path_factory, toy_samples):
    """A folder with the shards of a role with all splits, and of one with test images alone."""
    folder = tmp_path_factory.mktemp("project")
    samples = toy_samples(folder / "raw", {"train": 9, "val": 2, "test": 3})
    for role, splits in (("a", ("train", "val")), ("a", ("test",)), ("target", ("test",))):
        place = folder / "data/shards" / ("test" if splits == ("test",) else "trainval") / role
        place.mkdir(parents=True)
        write_shards(
            samples,
            splits,
            images=folder / "raw/images",
            labels=folder / "raw/labels",
            taxonomy=TAXONOMY,
            dataset="toy",
            shard_megabytes=1,
            folder=place,
        )
    return folder


@pytest.fixture
def browse(project, monkeypatch):
    monkeypatch.chdir(project)

    def run(*arguments, status=0):
        done = CliRunner().invoke(main, ["browse", *arguments])
        assert done.exit_code == status, done.output
        return done

    return run


def panel(sheet, index):
    """Returns the pixels of a panel by its index in reading order."""
    row, column = divmod(index, COLUMNS)
    left = GAP + column * (PANEL_WIDTH + GAP)
    top = TOP + row * (HEIGHT + CAPTION + GAP)
    return np.asarray(sheet)[top : top + HEIGHT, left : left + PANEL_WIDTH]


def test_every_image_stands_beside_its_label(browse, tmp_path):
    out = tmp_path / "sheet.png"
    browse("a", "--split", "test", "--out", str(out))
    sheet = Image.open(out)
    assert sheet.width == COLUMNS * (PANEL_WIDTH + GAP) + GAP
    # The toy images' red is their number, 11 to 13 in test; their labels are class
    # (row + column + number) % 12, each pixel 8 by 8 in the sheet, and 11 is ignored.
    numbers = [int(np.median(panel(sheet, 2 * k)[..., 0])) for k in range(3)]
    assert sorted(numbers) == [11, 12, 13]
    for k, number in enumerate(numbers):
        for row, column in ((0, 0), (5, 7), (23, 39)):
            label = (row + column + number) % 12
            if label != 11:
                colour = TAXONOMY.palette[label].tolist()
                block = panel(sheet, 2 * k + 1)[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
                assert np.unique(block.reshape(-1, 3), axis=0).tolist() == [colour]


def test_only_colours_of_classes_and_the_hatch_are_shown(browse, tmp_path):
    out = tmp_path / "sheet.png"
    browse("a", "--split", "val", "--out", str(out))
    seen = {tuple(c) for c in panel(Image.open(out), 1).reshape(-1, 3).tolist()}
    classes = {entry.colour for entry in TAXONOMY.classes.values()}
    assert seen <= classes | {(0, 0, 0), (170, 170, 170)}
    assert {(0, 0, 0), (170, 170, 170)} <= seen


@pytest.mark.slow
def test_the_same_shards_give_the_same_bytes_in_another_process(project, browse, tmp_path):
    out, again = tmp_path / "sheet.png", tmp_path / "again.png"
    browse("a", "--n", "3", "--out", str(out))
    subprocess.run(
        [sys.executable, "-m", "roadshift", "browse", "a", "--n", "3", "--out", str(again)],
        cwd=project, check=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert out.read_bytes() == again.read_bytes()


def test_the_seed_chooses_and_n_bounds(browse, tmp_path):
    def numbers(*arguments):
        out = tmp_path / "sheet.png"
        browse("a", "--over", "--out", str(out), *arguments)
        rows = (Image.open(out).height - TOP) // (HEIGHT + CAPTION + GAP)
        return rows, out.read_bytes()

    assert numbers("--n", "4")[0] == 1
    assert numbers("--n", "5")[0] == 2
    assert numbers("--n", "400") == numbers("--n", "9", "--seed", "0")
    assert numbers("--n", "4")[1] != numbers("--n", "4", "--seed", "1")[1]


def test_over_mixes_image_and_label_half_and_half(browse, tmp_path):
    beside, over = tmp_path / "beside.png", tmp_path / "over.png"
    browse("target", "--out", str(beside))
    browse("target", "--over", "--out", str(over))
    image, label = (panel(Image.open(beside), k).astype(int) for k in (0, 1))
    np.testing.assert_array_equal(panel(Image.open(over), 0), (image + label) // 2)


def test_a_split_is_taken_that_is_there(browse, project):
    assert browse("target").stdout == "browse-target-test.png\n"
    assert browse("a").stdout == "browse-a-train.png\n"
    for name in ("browse-target-test.png", "browse-a-train.png"):
        (project / name).unlink()


def test_a_folder_of_shards_will_do(browse, tmp_path):
    out = tmp_path / "sheet.png"
    browse("data/shards/test/a", "--out", str(out))
    assert out.is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["b"], "'b' is neither a role nor a folder of shards; known: a, target"),
        (["targt"], "did you mean 'target'?"),
        (["raw"], "raw: holds no shards; name a role or a folder of shards"),
        (
            ["target", "--split", "train"],
            "no images in split 'train'; splits that have images: test",
        ),
    ],
)
def test_what_is_not_there_is_named(browse, arguments, message):
    done = browse(*arguments, status=1)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_place_that_cannot_be_written_is_named(browse, project):
    done = browse("target", "--out", str(project / "raw/images/s000.png/sheet.png"), status=1)
    assert "s000.png" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--n", "0"], ["--out", "x.jpg"], ["--split", "all"]])
def test_values_out_of_range_are_wrong_usage(browse, arguments):
    browse("a", *arguments, status=2)


def test_shards_of_other_classes_are_refused(project, browse, tmp_path):
    folder = tmp_path / "old"
    folder.mkdir()
    for file in (project / "data/shards/test/target").iterdir():
        text = file.read_bytes()
        if file.name == "metadata.json":
            text = text.replace(b"driving11", b"driving7")
        (folder / file.name).write_bytes(text)
    done = browse(str(folder), status=1)
    assert "run the remap and shard stages again" in done.stderr
