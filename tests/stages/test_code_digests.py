"""What hash_code writes for every stage: the modules that the stage runs."""

import json
import shutil

import pytest

from stages import hash_code
from stages.params import load_params
from tests.stages.graph import PROJECT

STAGE = """\
from stages.entry import run
from stages.{helper} import {helper}

if __name__ == "__main__":
    run({helper})
"""


@pytest.fixture
def digests(tmp_path, monkeypatch):
    """(changed files) -> the digests of each stage of a copy of the program with these files."""
    for package in ("roadshift", "stages", "report"):
        ignored = shutil.ignore_patterns("__pycache__", "*.npz")
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=ignored)
    (tmp_path / "data").mkdir()
    params = load_params(PROJECT / "params.yaml")
    monkeypatch.chdir(tmp_path)

    def write(**files):
        for name, text in files.items():
            (tmp_path / f"stages/{name}.py").write_text(text, "utf-8")
        hash_code.main(params)
        found = (tmp_path / "data/code").glob("*.json")
        return {file.stem: json.loads(file.read_text("utf-8")) for file in found}

    return write


def test_the_scripts_that_run_are_the_stages_and_what_they_share_is_none(digests):
    found = digests(first=STAGE.format(helper="shared"), shared="shared = max\n")
    assert "first" in found
    assert {"shared", "source_digests", "entry", "paths"} & {*found} == set()
    assert {"train", "transfer", "hash_code"} <= {*found}


def test_a_stage_has_what_it_shares_with_others_at_any_distance(digests):
    scripts = {
        "first": STAGE.format(helper="shared"),
        "second": STAGE.format(helper="paths"),
        "shared": "from stages.deeper import deeper as shared\n",
    }
    before = digests(**scripts, deeper="deeper = max\n")
    assert {"stages/first.py", "stages/shared.py", "stages/deeper.py"} <= {*before["first"]}
    assert "stages/source_digests.py" in before["train"]
    after = digests(**scripts, deeper="deeper = min\n")
    assert {stage for stage in before if before[stage] != after[stage]} == {"first"}
