"""Provenance of a result, which explains differences between machines.

The same program gives the same bits on the same machine. Another processor or another TensorFlow
adds in another order, so the figures differ in their last digits.

The provenance file lies beside the results but is not one of them: another processor or kernel that
gives the same bits must not count as a change. So no stage declares the file, and Git does not
track it; publish it together with published results.
"""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from roadshift.atomic import atomic_file
from roadshift.checksum import sha256_of

PACKAGES = ("tensorflow", "keras", "numpy", "dvc")
INSTRUCTIONS = (
    *("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"),
    *("asimd", "sve", "bf16"),
)
"""Instruction sets by which TensorFlow chooses its kernels, by their names in Linux."""


def environment() -> dict[str, Any]:
    """Describes the machine and the installed packages, without importing a package.

    Returns:
        python (version), packages (name to version, None if not installed), processor (name),
        instructions (the processor's `INSTRUCTIONS`; empty if the system does not list them),
        cores (number that this process may use) and system. Two calls on one machine return the
        same.
    """
    name, instructions = _processor()
    return {
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in PACKAGES},
        "processor": name,
        "instructions": instructions,
        "cores": _cores(),
        "system": platform.platform(),
    }


def write_provenance(file: Path, made: Path, *, repository: Path, code: Iterable[str]) -> None:
    """Writes the provenance of a file as JSON.

    Args:
        file: the JSON file to write.
        made: the file whose provenance it is; the JSON names it, with its SHA-256.
        repository: folder of the code's Git repository.
        code: files and folders of the code, relative to the repository.
    """
    content = {
        "of": {"file": made.name, "sha256": sha256_of(made)},
        "code": code_state(repository, code),
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
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - Git
    return done.stdout.strip() if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


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
