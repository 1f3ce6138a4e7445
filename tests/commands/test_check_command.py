import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from roadshift.__main__ import main

PROJECT = Path(__file__).parents[2]
TABLE = "kind: grey\nsource: me\nvalues:\n  - [0, unlabelled]\n  - [1, road]\n"


@pytest.fixture
def own(tmp_path, save_image):
    for number in range(5):
        image = np.random.default_rng(number).integers(0, 256, (20, 30, 3))
        save_image(tmp_path / f"own/images/{number}.png", image)
        save_image(tmp_path / f"own/labels/{number}.png", np.ones((20, 30)))
    (tmp_path / "own/encoding.yaml").write_text(TABLE, "utf-8")
    return tmp_path / "own"


def check(*arguments):
    """Returns the exit status, stdout and stderr."""
    command = [sys.executable, "-m", "roadshift", "check", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=PROJECT, check=False, capture_output=True, text=True, encoding="utf-8"
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def test_a_sound_folder(own):
    status, out, err = check(own)
    assert status == 0, err
    assert out == (
        f"folder in {own}: 5 images with labels (train 3, val 1, test 1)\n\nNothing is wrong.\n"
    )
    assert "5/5" in err


def test_faults_are_listed_by_kind_and_end_with_status_1(own, save_image):
    for number in range(4):
        save_image(own / f"labels/{number}.png", np.full((20, 30), 7))
    (own / "labels/4.png").unlink()
    status, out, err = check(own)
    assert status == 1
    lines = [line.split() for line in out.splitlines()]
    assert ["fault", "images", "without", "a", "label", "1"] in lines
    assert "\nvalues that the encoding lacks:\n  7: 2400 pixels in 4 labels, most in" in out
    assert err.endswith(f"Error: folder: 2 faults in {own}; correct the files, or the card\n")


def test_warnings_alone_end_with_status_0(own, save_image):
    save_image(own / "images/0.png", np.zeros((20, 30, 3)))
    status, out, _ = check(own)
    assert status == 0
    assert ["warning", "images", "of", "one", "colour", "1"] in [
        line.split() for line in out.splitlines()
    ]


def test_json_has_all_findings(own, save_image):
    save_image(own / "labels/0.png", np.full((20, 30), 7))
    save_image(own / "images/0.png", np.zeros((20, 30, 3)))
    status, out, _ = check(own, "--json")
    assert status == 1
    content = json.loads(out)
    findings = content.pop("findings")
    assert content == {
        "set": "folder", "folder": str(own), "images": 5,
        "splits": {"train": 3, "val": 1, "test": 1}, "faults": 1, "warnings": 1,
    }  # fmt: skip
    assert findings == [
        {
            "kind": "unknown_value", "fault": True,
            "message": "7: 600 pixels in 1 label, most in labels/0.png",
            "files": ["labels/0.png"], "pixels": {"labels/0.png": 600},
        },
        {
            "kind": "blank_image", "fault": False, "message": "images/0.png: all (0, 0, 0)",
            "files": ["images/0.png"],
        },
    ]  # fmt: skip


def test_long_lists_are_cut_unless_all_is_asked_for(own):
    for number in range(5):
        (own / f"images/{number}.png").write_bytes(b"")
    _, out, _ = check(own, "--most", 2)
    assert out.count("not an image of a known format") == 2
    assert "  and 3 more; --most 0 lists all\n" in out
    _, out, _ = check(own, "--most", 0)
    assert out.count("not an image of a known format") == 5


def test_a_card_with_the_folder_of_its_files(tmp_path, write_kitti):
    labels = {f"{number:06}_10": np.full((4, 6, 3), number) for number in range(10)}
    folder = write_kitti(tmp_path, labels)
    status, out, _ = check("kitti", "--raw", folder, "--split-by", "random")
    assert status == 1
    assert "  (9, 9, 9): 24 pixels in 1 label, most in training/semantic_rgb/000009_10.png\n" in out


def test_a_card_of_one_s_own_by_its_path(tmp_path, own):
    text = f"""
title: mine
publisher: me
licence: none
citation: none
folder: {own}
samples: {{}}
layout: {{image: "images/{{id}}.*", label: "labels/{{id}}.png"}}
splits: {{random: {{test: 1.0}}}}
encoding: encoding.yaml
"""
    (tmp_path / "mine.yaml").write_text(text, "utf-8")
    status, out, err = check(tmp_path / "mine.yaml")
    assert (status, out) == (
        0, f"mine in {own}: 5 images with labels (test 5)\n\nNothing is wrong.\n"
    ), err  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["kitti"], "kitti: --raw is missing; name the folder with the set's unpacked files"),
        (["kiti"], "'kiti' is not a data set; did you mean 'kitti'?"),
        (["./kiti"], "'./kiti' is neither a card nor a folder"),
        (["no/kitti.yaml"], "no/kitti.yaml: there is no such card"),
        (["kitti", "--raw", "nowhere"], "nowhere: there is no such folder"),
        (["tests", "--raw", "docs"], "'tests' is a folder; with --raw name a card"),
        (["tests", "--split-by", "offical"], "folder: 'offical' is not a split scheme"),
    ],
)
def test_what_cannot_be_checked(arguments, error):
    status, out, err = check(*arguments)
    assert (status, out) == (1, "")
    assert f"Error: {error}" in err


def test_the_command_starts_without_tensorflow(own):
    script = (
        "import sys; from click.testing import CliRunner; from roadshift.__main__ import main; "
        f"done = CliRunner().invoke(main, ['check', {str(own)!r}]); print(done.output); "
        "assert done.exit_code == 0; assert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=False)
    assert done.returncode == 0


def test_the_six_images_of_kitti_with_a_near_copy_in_training_are_found(mirror, tmp_path):
    with zipfile.ZipFile(mirror / "data_semantics.zip") as archive:
        archive.extractall(tmp_path)
    arguments = ["check", "kitti", "--raw", str(tmp_path), "--split-by", "random", "--json"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    findings = json.loads(done.stdout)["findings"]
    copies = {
        Path(finding["files"][0]).stem: Path(finding["files"][1]).stem
        for finding in findings
        if finding["kind"] == "near_copy" and finding["splits"] == ["test", "train"]
    }
    # Three crossings at which the camera stands or rolls: 10 to 12, 50 to 52, 90 to 92.
    assert copies == {
        "000011_10": "000010_10",
        "000012_10": "000010_10",
        "000050_10": "000051_10",
        "000052_10": "000051_10",
        "000090_10": "000092_10",
        "000091_10": "000092_10",
    }
