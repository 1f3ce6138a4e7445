"""What a result was made with, so that a difference between two machines can be explained.

The same program gives the same bits on the same machine. On another processor, or with another
TensorFlow, sums are taken in another order, and the figures differ in their last digits.

The record lies beside the results and is not one of them: a machine that makes the same results
to the bit, of another make or with another kernel, must find nothing changed. So no stage declares
it, and Git does not keep it; publish it with results that are published.
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

from roadshift.checksum import sha256_of
from roadshift.outputs import whole_file

PACKAGES = ("tensorflow", "keras", "numpy", "dvc")
INSTRUCTIONS = (
    *("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"),
    *("asimd", "sve", "bf16"),
)
"""By which of these a processor has, TensorFlow's kernels are chosen; Linux's names."""


def environment() -> dict[str, Any]:
    """The machine and what is installed on it, without importing any of it.

    Returns:
        python (version), packages (name to version, None where it is not installed), processor
        (its name), instructions (those of `INSTRUCTIONS` that it has; empty where the system does
        not tell), cores (how many this process may use) and system. Two calls on one machine
        give the same.
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


def write_record(file: Path, made: Path, repository: Path, code: Iterable[str]) -> None:
    """Writes down what a file was made with, as JSON.

    Args:
        file: is written.
        made: the file that was made; its hash tells which one the record is of.
        repository: the folder of the Git repository of the code.
        code: files and folders of it, as for `code_state`.
    """
    content = {
        "of": {"file": made.name, "sha256": sha256_of(made)},
        "code": code_state(repository, code),
        **environment(),
    }
    with whole_file(file) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def code_state(folder: Path, paths: Iterable[str]) -> dict[str, Any]:
    """Which code there is in a Git repository.

    It is asked of the code alone, so that committing the results, or a change of the
    documentation, gives no other answer: the same code, the same record.

    Args:
        folder: the repository's.
        paths: files and folders of the code, relative to it.

    Returns:
        commit, the last one that changed one of the paths, and dirty, whether any of them differs
        from it; both None without Git.
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
