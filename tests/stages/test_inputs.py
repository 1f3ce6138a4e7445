"""What decides results beside parameters: code, files and the environment, by the real DVC on a
miniature of the project. The tests are a story: each goes on where the one before it ended."""

import re
import shutil

import pytest

pytestmark = pytest.mark.workflow

NETWORKS = {"adapt", "train@a"}
"""The stages that run a network for train@a: adapt may choose images by an encoder's features."""


def ran(project, *targets):
    """Runs stages; returns the names of those that ran, but the one that always does."""
    printed = project.run("dvc", "repro", *targets)
    # What comes from DVC's cache of runs is as much a consequence.
    found = re.findall(r"(?:Running|Restoring) stage '(.*)'|Stage '(.*)' is cached", printed)
    return {name for each in found for name in each if name} - {"check_inputs"}


@pytest.fixture(scope="module")
def trained(miniature):
    miniature.run("dvc", "repro", "train@a")
    assert ran(miniature, "train@a") == set()
    return miniature


def test_a_docstring_a_comment_and_the_layout_make_no_stage_run_again(trained):
    file = trained.folder / "roadshift/training/losses.py"
    text = file.read_text("utf-8")
    file.write_text(text.replace('"""', '"""Once more: ', 1) + "\n\n# A comment.\n", "utf-8")
    assert ran(trained, "train@a") == {"hash_code"}
    file.write_text(text, "utf-8")
    assert ran(trained, "train@a") == {"hash_code"}


def test_a_change_of_the_program_makes_its_stages_run_again_and_no_others(trained):
    file = trained.folder / "roadshift/training/losses.py"
    text = file.read_text("utf-8")
    file.write_text(f"{text}\n\nUNUSED = 1\n", "utf-8")
    assert ran(trained, "train@a") == {"hash_code", "train@a"}
    file.write_text(text, "utf-8")
    assert ran(trained, "train@a") == {"hash_code", "train@a"}


def test_another_number_of_threads_trains_again(trained, monkeypatch):
    monkeypatch.setenv("ROADSHIFT_THREADS", "1")
    assert ran(trained, "train@a") == NETWORKS
    monkeypatch.delenv("ROADSHIFT_THREADS")
    assert ran(trained, "train@a") == NETWORKS


def test_a_variable_that_chooses_algorithms_trains_again(trained, monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert ran(trained, "train@a") == NETWORKS
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert ran(trained, "train@a") == NETWORKS


def test_first_weights_count_by_their_content(trained):
    network, first = (trained.folder / p for p in ("models/trained/a/model.keras", "first.keras"))
    shutil.copyfile(network, first)
    trained.set_params(model={"weights": "first.keras"})
    assert "train@a" in ran(trained, "train@a")
    assert ran(trained, "train@a") == set()
    before = trained.hashes("models/trained/a")
    shutil.copyfile(network, first)
    assert ran(trained, "train@a") == NETWORKS
    assert trained.hashes("models/trained/a") != before
    # A machine without the file keeps what was trained from it.
    first.unlink()
    assert ran(trained, "train@a") == set()
    trained.set_params(model={"weights": "none"})
