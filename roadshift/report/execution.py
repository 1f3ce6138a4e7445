"""Execution of a notebook by the running interpreter."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from ipykernel.kernelspec import write_kernel_spec
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from roadshift.errors import RoadshiftError
from roadshift.progress import progress_bar

SECONDS_TO_START = 180
_KERNEL = "roadshift"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def execute(notebook: nbformat.NotebookNode, file: Path) -> None:
    """Runs a notebook in place by this interpreter, whatever kernels are installed.

    Args:
        notebook: the notebook; its code cells get their outputs, without stderr.
        file: path of the notebook; cells run in its folder.

    Raises:
        RoadshiftError: a cell or the kernel failed.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    done = 0
    with _kernel() as (manager, environment), progress_bar("report", "cell", len(code)) as progress:

        def count(**_: object) -> None:
            nonlocal done
            done += 1
            progress.update()

        client = NotebookClient(
            notebook,
            km=manager,
            timeout=None,
            startup_timeout=SECONDS_TO_START,
            record_timing=False,
            resources={"metadata": {"path": str(file.parent)}},
            on_cell_executed=count,
        )
        try:
            client.execute(env=environment)
        except CellExecutionError as error:
            reason = _ANSI.sub("", f"{error.ename}: {error.evalue}").strip()
            raise RoadshiftError(_failure(file, done, len(code), reason)) from None
        except (DeadKernelError, CellTimeoutError, RuntimeError) as error:
            reason = str(error).strip() or type(error).__name__
            raise RoadshiftError(_failure(file, done + 1, len(code), reason)) from None
    for cell in code:  # stderr has times and process ids, which differ with every run
        cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]


def _failure(file: Path, number: int, total: int, reason: str) -> str:
    first, *_ = [line.strip() for line in reason.splitlines() if line.strip()]
    return f"{file}, code cell {number} of {total}: {first.removeprefix('RoadshiftError: ')}"


@contextmanager
def _kernel() -> Iterator[tuple[KernelManager, dict[str, str]]]:
    """Context manager: a kernel of this interpreter, and its environment, without user profiles."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_kernel_spec(folder / "kernels" / _KERNEL)
        manager = KernelManager(
            kernel_name=_KERNEL,
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(folder / "kernels")]),
            connection_file=str(folder / "connection.json"),
            transport="ipc",
            ip=str(folder / "kernel"),
        )
        own = {"IPYTHONDIR": str(folder / "ipython"), "PYTHONHASHSEED": "0"}
        try:
            yield manager, {**os.environ, **own}
        finally:
            if manager.has_kernel:
                manager.shutdown_kernel(now=True)
