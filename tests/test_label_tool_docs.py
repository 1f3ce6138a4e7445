"""docs/how-to/label-tools.md: its commands lead from a tool's export to a score."""

import csv
import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from roadshift.__main__ import main
from roadshift.datasets.card import card_names
from tests.datasets import label_tools
from tests.miniature import miniature, shared_cache

__all__ = ["miniature", "shared_cache"]

PAGE = (Path(__file__).parents[1] / "docs/how-to/label-tools.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
WRITERS = {
    "CVAT": label_tools.cvat,
    "Roboflow": label_tools.roboflow,
    "Labelme": label_tools.labelme_voc,
    "Label Studio": label_tools.label_studio,
}


def commands(section):
    (block,) = re.findall(r"```sh\n(.*?)```", SECTIONS[section], re.DOTALL)
    return block.strip().splitlines()


def run(*arguments):
    done = CliRunner().invoke(main, arguments, env={"COLUMNS": "120"})
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("tool", WRITERS)
def test_three_commands_lead_from_an_export_to_a_score(tool, tmp_path, colour_network):
    lines = commands(tool)
    assert len(lines) == 3
    unpack, check, evaluate = map(shlex.split, lines)
    export, folder = tmp_path / "export", tmp_path / "street"
    WRITERS[tool](export)
    if unpack[:3] == ["python", "-m", "zipfile"]:
        with zipfile.ZipFile(tmp_path / unpack[4], "w") as archive:
            for file in export.rglob("*"):
                archive.write(file, file.relative_to(export))
        unpack[0], unpack[5] = sys.executable, str(folder)
        subprocess.run(unpack, cwd=tmp_path, check=True)
    else:
        # Labelme itself is not among the requirements; its script writes such a folder.
        assert unpack[3] == "/data/street"
        export.rename(folder)
    places = {"/data/street": str(folder), "models/ab.keras": str(colour_network)}
    assert check[0] == evaluate[0] == "roadshift"
    printed = run(*(places.get(word, word) for word in check[1:]))
    assert "10 images with labels" in printed
    assert "Nothing is wrong." in printed
    printed = run(*(places.get(word, word) for word in evaluate[1:]))
    assert "10 images in driving11" in printed
    assert re.search(r"^mIoU \d", printed, re.MULTILINE)


@pytest.mark.parametrize("card", ["cvat_coco", "cvat_coco_flat", "roboflow_coco"])
def test_the_same_commands_read_other_exports(card, tmp_path, colour_network):
    assert f"`{card}`" in SECTIONS["COCO from CVAT and Roboflow"]
    getattr(label_tools, card)(tmp_path)
    assert f"{card} in " in run("check", str(tmp_path))
    printed = run("evaluate", str(colour_network), str(tmp_path), "--split", "all")
    assert f"on {card}, all: 10 images in driving11" in printed


@pytest.mark.parametrize("tool", WRITERS)
def test_the_card_of_a_tool_is_named(tool):
    (named,) = re.findall(r"The card is `(\w+)`", SECTIONS[tool])
    assert named in card_names()


def audit(project):
    """Number of pixels by universal name."""
    with (project.folder / "metrics/audit/target.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    return {row["universal"]: int(row["pixels"]) for row in rows}


@pytest.mark.workflow
@pytest.mark.parametrize("tool", ["cvat", "label_studio"])
def test_an_export_is_a_domain_of_the_workflow(tool, miniature):
    own = miniature.folder / "data/own"
    shutil.rmtree(own, ignore_errors=True)
    getattr(label_tools, tool)(own)
    (line,) = re.findall(r"```sh\n(.*?)```", SECTIONS["In the workflow"], re.DOTALL)
    assert "-S domains.target=cvat -S data.split.by.target=all_test" in line
    params = yaml.safe_load((miniature.folder / "params.yaml").read_text("utf-8"))
    split = params["data"]["split"] | {"by": params["data"]["split"]["by"] | {"target": "all_test"}}
    miniature.set_params(domains={"target": tool}, data={"split": split})
    miniature.run("dvc", "repro", "remap@target")
    manifest = (miniature.folder / "data/remapped/target/manifest.csv").read_text("utf-8")
    assert manifest.count(",test,") == 10
    # A changed label is a changed set, also where one file holds the labels of all images.
    before = audit(miniature)
    if tool == "cvat":
        mask = np.full((12, 12, 3), label_tools.COLOURS[1])
        label_tools.save(own / "SegmentationClass/frame_000000.png", mask)
    else:
        content = json.loads((own / "result.json").read_text("utf-8"))
        content["annotations"] = [each | {"category_id": 1} for each in content["annotations"]]
        label_tools.write_json(own / "result.json", content)
    printed = miniature.run("dvc", "repro", "remap@target")
    assert "Running stage 'download@target'" in printed
    assert audit(miniature)["road"] > before["road"]
    assert sum(audit(miniature).values()) == sum(before.values()) == 10 * 12 * 12
