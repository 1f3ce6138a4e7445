"""Provenance of a result, which explains differences between machines.

The same program gives the same bits on the same machine. Another processor, another TensorFlow,
another number of threads or one of the recorded variables lets TensorFlow add in another order, and
a training amplifies what then differs. Pillow decodes the images.

The provenance file lies beside the results but is not one of them: another processor or kernel that
gives the same bits must not count as a change. So no stage declares the file, and Git does not
track it; publish it together with published results.
"""

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from roadshift.atomic import atomic_file
from roadshift.checksum import sha256_of
from roadshift.runtime import PINNED, threads
from roadshift.workers import usable_cores

PACKAGES = ("tensorflow", "keras", "numpy", "pillow", "dvc")
GPU_PACKAGES = (
    *("nvidia-cuda-runtime-cu12", "nvidia-cudnn-cu12", "nvidia-cublas-cu12", "nvidia-nccl-cu12"),
)
"""Those with the libraries by which TensorFlow computes on GPUs, if pip installed them."""
INSTRUCTIONS = (
    *("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"),
    *("asimd", "sve", "bf16"),
)
"""Instruction sets by which TensorFlow chooses its kernels, by their names in Linux."""

VARIABLES = (
    *("TF_AUTO", "TF_CONV2D_", "TF_CPU_", "TF_CUBLAS_", "TF_CUDA_", "TF_CUDNN_", "TF_CUFFT_"),
    *("TF_DATA_EXPERIMENT_", "TF_DETERMINISTIC_", "TF_DISABLE_", "TF_EAGER_", "TF_ENABLE_"),
    *("TF_FORCE_", "TF_FP16_", "TF_GPU_", "TF_JIT", "TF_MATMUL_", "TF_MKL_", "TF_NUM_"),
    *("TF_ONEDNN_", "TF_OVERRIDE_", "TF_SET_ONEDNN_", "TF_USE_", "TF_XLA_"),
    *("XLA_", "ONEDNN_", "DNNL_", "CUDA_", "CUDNN_", "CUBLAS_", "NVIDIA_"),
    *("OPENBLAS_", "MKL_", "BLIS_", "OMP_", "NPY_"),
)
"""Beginnings of the names of environment variables by which TensorFlow and NumPy compute
differently. Not all of `TF_`: Terraform keeps passwords in variables that begin so."""

DECIDING = (
    *("TF_AUTO", "TF_CONV2D_", "TF_CPU_", "TF_DETERMINISTIC_", "TF_DISABLE_", "TF_ENABLE_"),
    *("TF_FORCE_", "TF_FP16_", "TF_JIT", "TF_MATMUL_", "TF_MKL_", "TF_ONEDNN_", "TF_OVERRIDE_"),
    *("TF_SET_ONEDNN_", "TF_USE_", "TF_XLA_", "XLA_", "ONEDNN_", "DNNL_"),
    "NPY_",
)
"""Those of `VARIABLES` that choose between algorithms; the others name devices, or limit how much
of the machine is used."""


def environment() -> dict[str, Any]:
    """Describes the machine and the installed packages, without importing a package.

    Returns:
        python (version), packages (name to version, None if not installed), processor (name),
        instructions (the processor's `INSTRUCTIONS`; empty if the system does not list them),
        gpus (names; empty if the system does not list them), driver (version of NVIDIA's driver;
        None without one), libraries (`GPU_PACKAGES`, name to version of the installed ones), tf32
        (whether GPUs may round the factors of convolutions and matrix products to 10 bits; None
        without GPUs), cores (number that this process may use), threads (see
        `roadshift.runtime.threads`), variables (name to value of those in the environment that
        begin as `VARIABLES` do) and system. Two calls on one machine return the same.

    Raises:
        RoadshiftError: the environment variable `ROADSHIFT_THREADS` is no number.
    """
    name, instructions = _processor()
    return {
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in PACKAGES},
        "processor": name,
        "instructions": instructions,
        **_gpu_facts(),
        "cores": usable_cores(),
        "threads": threads(),
        "variables": _variables(),
        "system": platform.platform(),
    }


def arithmetic_settings() -> dict[str, Any]:
    """Returns what a user can set that lets the same machine compute other bits.

    Returns:
        threads, as in `environment`, and those of its variables that begin as `DECIDING` do.

    Raises:
        RoadshiftError: the environment variable `ROADSHIFT_THREADS` is no number.
    """
    variables = {name: value for name, value in _variables().items() if name.startswith(DECIDING)}
    return {"threads": threads(), "variables": variables}


def write_provenance(
    file: Path, made: Path, *, repository: Path, code: Iterable[str], devices: str = ""
) -> None:
    """Writes the provenance of a file as JSON.

    Args:
        file: the JSON file to write.
        made: the file whose provenance it is; the JSON names it, with its SHA-256.
        repository: folder of the code's Git repository.
        code: files and folders of the code, relative to the repository.
        devices: the devices of all machines that made it; '' for no entry.
    """
    content = {
        "of": {"file": made.name, "sha256": sha256_of(made)},
        "code": code_state(repository, code),
        **({"devices": devices} if devices else {}),
        **environment(),
    }
    with atomic_file(file) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def code_state(folder: Path, paths: Iterable[str]) -> dict[str, Any]:
    """Returns the state of the code in a Git repository.

    Only the given paths count, so that committing results or changing the documentation does not
    change the answer.

    Args:
        folder: folder of the repository.
        paths: files and folders of the code, relative to the repository.

    Returns:
        commit (the last one that changed one of the paths) and dirty (whether one of the paths
        differs from that commit); both None without Git.
    """
    commit = _git(folder, "log", "-1", "--format=%H", "--", *paths)
    if not commit:
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain", "--", *paths))}


def _git(folder: Path, *arguments: str) -> str | None:
    program = shutil.which("git")
    if program is None:
        return None
    command = [program, "-C", str(folder), *arguments]
    done = subprocess.run(  # noqa: S603 - Git
        command, capture_output=True, check=False, encoding="utf-8", errors="replace"
    )
    return done.stdout.strip() if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _variables() -> dict[str, str]:
    return {
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith(VARIABLES) and name not in PINNED
    }


def _gpu_facts(root: Path = Path("/proc/driver/nvidia")) -> dict[str, Any]:
    gpus = []
    for file in sorted(root.glob("gpus/*/information")):
        facts = dict(line.partition(":")[::2] for line in file.read_text("utf-8").splitlines())
        gpus.append(facts.get("Model", "unknown").strip())
    driver = None
    if (file := root / "version").is_file():
        driver = re.search(r"Kernel Module.*?(\d+(?:\.\d+)+)", file.read_text("utf-8"))
    found = {package: _version(package) for package in GPU_PACKAGES}
    return {
        "gpus": gpus,
        "driver": driver[1] if driver else None,
        "libraries": {package: number for package, number in found.items() if number},
        # On by default from the Ampere generation on; earlier ones have none.
        "tf32": os.environ.get("NVIDIA_TF32_OVERRIDE", "") != "0" if gpus else None,
    }


def _processor() -> tuple[str, list[str]]:
    fallback = platform.processor() or platform.machine()
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return fallback, []
    facts = dict(line.partition(":")[::2] for line in text.splitlines())
    found = {key.strip(): value.strip() for key, value in facts.items()}
    flags = {*(found.get("flags") or found.get("Features") or "").split()}
    name = found.get("model name") or fallback
    return name, [each for each in INSTRUCTIONS if each in flags]
