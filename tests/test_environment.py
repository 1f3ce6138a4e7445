import hashlib
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import PIL
import pytest
import tensorflow as tf

from roadshift.environment import (
    _gpu_facts,
    arithmetic_settings,
    code_state,
    environment,
    write_provenance,
)

PROJECT = Path(__file__).parents[1]


def test_the_environment_is_that_of_the_process():
    found = environment()
    assert found["packages"]["tensorflow"] == tf.__version__
    assert found["packages"]["keras"] == keras.__version__
    assert found["packages"]["numpy"] == np.__version__
    assert found["packages"]["pillow"] == PIL.__version__
    assert found["packages"]["dvc"]
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["processor"]
    assert found["cores"] >= 1
    assert found["threads"] == 2
    assert found == environment()


def test_what_the_user_has_set_for_the_libraries_is_recorded(monkeypatch):
    before = environment()["variables"]
    given = {
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_CORETYPE": "Haswell",
        "MKL_CBWR": "COMPATIBLE",
        "XLA_FLAGS": "--xla_cpu_enable_fast_math=true",
        "TF_SET_ONEDNN_FPMATH_MODE": "BF16",
        "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "NPY_DISABLE_CPU_FEATURES": "AVX512F",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    # These are pinned, change only what is printed, or are Terraform's.
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    monkeypatch.setenv("TF_TOKEN_example_org", "secret")
    monkeypatch.setenv("TF_VAR_password", "secret")
    assert environment()["variables"] == before | given


def test_another_number_of_threads_is_recorded(monkeypatch):
    monkeypatch.setenv("ROADSHIFT_THREADS", "16")
    assert environment()["threads"] == 16


def test_settings_are_those_of_the_record_that_choose_between_algorithms(monkeypatch):
    before = arithmetic_settings()
    assert before["threads"] == environment()["threads"]
    given = {"TF_ENABLE_ONEDNN_OPTS": "0", "XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}
    devices = {"CUDA_VISIBLE_DEVICES": "1", "OMP_NUM_THREADS": "1", "NVIDIA_VISIBLE_DEVICES": "1"}
    for name, value in {**given, **devices}.items():
        monkeypatch.setenv(name, value)
    assert arithmetic_settings()["variables"] == before["variables"] | given
    assert (environment()["variables"].keys()) >= given.keys() | devices.keys()


def test_the_record_names_the_file_and_the_code_that_it_is_of(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"abc")
    file, made = tmp_path / "kept/e.json", tmp_path / "model.keras"
    write_provenance(file, made, repository=PROJECT, code=["roadshift"])
    found = json.loads((tmp_path / "kept/e.json").read_text("utf-8"))
    assert found == {
        "of": {"file": "model.keras", "sha256": hashlib.sha256(b"abc").hexdigest()},
        "code": code_state(PROJECT, ["roadshift"]),
        **environment(),
    }


def test_asking_does_not_import_tensorflow():
    program = (
        "import json, sys; from roadshift.environment import environment; environment(); "
        "print(json.dumps([m for m in ('tensorflow', 'keras', 'dvc') if m in sys.modules]))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert json.loads(printed.stdout) == []


@pytest.fixture
def repository(tmp_path):
    def git(*arguments):
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        command = ["git", *identity, "-C", str(tmp_path), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    (tmp_path / "code").mkdir()
    (tmp_path / "code/a.py").write_text("1\n")
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "code")
    return tmp_path, git


def test_the_commit_is_the_code_s_and_not_that_of_its_results(repository):
    folder, git = repository
    first = {"commit": git("rev-parse", "HEAD"), "dirty": False}
    assert code_state(folder, ["code"]) == first
    (folder / "results.json").write_text("{}\n")
    assert code_state(folder, ["code"]) == first
    git("add", "--all")
    git("commit", "--quiet", "--message", "results")
    assert code_state(folder, ["code"]) == first
    (folder / "code/b.py").write_text("2\n")
    assert code_state(folder, ["code"]) == first | {"dirty": True}
    git("add", "--all")
    git("commit", "--quiet", "--message", "more code")
    assert code_state(folder, ["code"]) == {"commit": git("rev-parse", "HEAD"), "dirty": False}


def test_without_a_repository_or_git_there_is_no_commit(tmp_path, repository, monkeypatch):
    folder, _ = repository
    unknown = {"commit": None, "dirty": None}
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "apart").mkdir()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "apart"))
    assert code_state(tmp_path / "apart", ["code"]) == unknown
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.setenv("PATH", "")
    assert code_state(folder, ["code"]) == unknown


def test_gpus_are_recorded_with_their_driver_and_precision(tmp_path, monkeypatch):
    """In the files of a Linux driver, as published."""
    assert _gpu_facts(tmp_path)["tf32"] is None
    assert _gpu_facts(tmp_path)["driver"] is None
    for number in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "gpus" / number).mkdir(parents=True)
        (tmp_path / "gpus" / number / "information").write_text(
            "Model: \t\t NVIDIA A100-SXM4-80GB\nIRQ:   \t\t 46\n"
        )
    (tmp_path / "version").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\n"
        "GCC version:  gcc version 12.3.0 (Ubuntu 12.3.0-1ubuntu1~22.04)\n"
    )
    found = _gpu_facts(tmp_path)
    assert found["gpus"] == ["NVIDIA A100-SXM4-80GB"] * 2
    assert found["driver"] == "535.183.01"
    assert found["tf32"] is True
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    assert _gpu_facts(tmp_path)["tf32"] is False


def test_the_devices_are_recorded_if_they_are_given(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"abc")
    write_provenance(
        tmp_path / "e.json", tmp_path / "model.keras", repository=PROJECT, code=["roadshift"],
        devices="2 devices (CPU) of 2 machines",
    )  # fmt: skip
    assert json.loads((tmp_path / "e.json").read_text("utf-8"))["devices"].startswith("2 devices")
