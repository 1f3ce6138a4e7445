"""Keeps TensorFlow quiet, without hiding an error.

TensorFlow prints some lines before it reads `TF_CPP_MIN_LOG_LEVEL`, and one in the form of an error
where there is no GPU. TensorFlow Lite does not read the variable at all.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import glob
from types import ModuleType

HARMLESS = (
    r"WARNING: All log messages before absl::InitializeLog\(\) is called",
    r"I\d{4} \d\d:\d\d:",  # information
    r"\d{4}-\d\d-\d\d \S+: I ",
    r".*\] failed call to cuInit",  # no GPU, or none that TensorFlow can use: `_note_unused_gpu`
    r".*Unable to register cu\w+ factory",
    r".*computation placer already registered",
    r"INFO: Created TensorFlow Lite XNNPACK delegate",
    r"fully_quantize: \d+, inference_type: ",
)
"""Beginnings of lines that say nothing to a user, as regular expressions."""

GPU_FILES = ("/dev/nvidia[0-9]*", "/dev/dxg", "/dev/kfd")
"""Files by which Linux shows a GPU of NVIDIA, of Windows (WSL) and of AMD."""

_FILTER = """
import re, sys
harmless = re.compile(sys.argv[1].encode())
for line in sys.stdin.buffer:
    if not harmless.match(line):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
"""


@contextmanager
def quiet_import(tensorflow: ModuleType) -> Iterator[None]:
    """Context manager: TensorFlow, which is imported in the block, prints no `HARMLESS` line.

    One line says so where the machine has a GPU that TensorFlow cannot use; not where the log is
    asked for, as in `quiet_stderr`.
    """
    with quiet_stderr():
        yield
        # TensorFlow looks for GPUs once; its complaint is filtered here.
        usable = _log_is_wanted() or tensorflow.config.list_physical_devices("GPU")
    if not usable:
        _note_unused_gpu()


def _log_is_wanted() -> bool:
    return os.environ.get("TF_CPP_MIN_LOG_LEVEL") in ("0", "1")


def _note_unused_gpu() -> None:
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    found = [file for pattern in GPU_FILES for file in sorted(glob(pattern))]
    if found and not hidden:
        print(
            f"note: TensorFlow cannot use this machine's GPU ({found[0]}), so the processor "
            "computes; see https://www.tensorflow.org/install/pip, or set CUDA_VISIBLE_DEVICES=-1",
            file=sys.stderr,
        )


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Context manager: what this process writes to stderr loses its `HARMLESS` lines.

    A process of its own filters: if this process crashes, what it wrote last is still printed.
    Nothing is filtered if `TF_CPP_MIN_LOG_LEVEL` asks for more than errors (0 or 1).
    """
    import subprocess

    if _log_is_wanted():
        yield
        return

    pattern = "|".join(HARMLESS)
    try:
        own = os.dup(2)
    except OSError:  # stderr is closed
        yield
        return
    try:
        # A session of its own, so that Ctrl-C does not reach it. It ends with its input.
        process = subprocess.Popen(  # noqa: S603 - this Python
            [sys.executable, "-I", "-S", "-c", _FILTER, pattern],
            stdin=subprocess.PIPE, stdout=own, start_new_session=True,
        )  # fmt: skip
    except OSError:
        os.close(own)
        yield
        return
    assert process.stdin is not None  # noqa: S101 - for mypy
    _flush()
    os.dup2(process.stdin.fileno(), 2)
    process.stdin.close()
    try:
        yield
    finally:
        _flush()
        os.dup2(own, 2)
        os.close(own)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)


def _flush() -> None:
    with suppress(AttributeError, ValueError, OSError):  # there is none, or it is closed
        sys.stderr.flush()
