"""Measures the stages on large sets, and whether their memory stays the same.

    python -m benchmarks.large_data [--kitti 5000] [--cityscapes 500] [--times 16]

The sets have images of KITTI's and Cityscapes' size, as PNG and, for the data stages, as JPEG.
Every stage runs on all cores that this process may use, on the whole set and on a part of it that
is smaller by the factor `--times`. The training keeps no decoded images in memory, since that is
what a large set does. Memory is the largest sum over all processes of a stage, without the files of
libraries; pages that processes share count once. The exit status is 1 if a stage needs over 10 %
more of it for the whole set.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.large_sets import CITYSCAPES, KITTI, LargeSet, make_set
from roadshift.input_pipeline.image_cache import CACHE_VARIABLE
from roadshift.workers import usable_cores

DATA_STAGES, NETWORK_STAGES = ("download", "remap", "shard"), ("train", "evaluate")
GROWTH = 1.1
SECONDS = 0.05


@dataclass(frozen=True)
class Run:
    """A run of a stage.

    Attributes:
        seconds: its duration, start-up included.
        processor_seconds: its processor time.
        megabytes: the largest memory of all its processes together, in MB.
    """

    seconds: float
    processor_seconds: float
    megabytes: float


def run(stage: str, folder: Path, processes: int) -> Run:
    """Runs a stage and watches its memory."""
    if stage in NETWORK_STAGES:
        command = ["benchmarks.network_stages", stage, str(folder)]
    else:
        command = ["benchmarks.data_stages", stage, str(folder), "--processes", str(processes)]
    started, used = time.monotonic(), _children_seconds()
    with (
        (folder / f"{stage}.log").open("w+", encoding="utf-8") as log,
        subprocess.Popen(
            [sys.executable, "-m", *command],
            stdout=log,
            stderr=log,
            env={**os.environ, CACHE_VARIABLE: "0"},
        ) as process,
    ):
        watched, most = psutil.Process(process.pid), 0
        while process.poll() is None:
            most = max(most, _memory(watched))
            time.sleep(SECONDS)
        seconds = time.monotonic() - started
        if process.returncode:
            sys.exit((folder / log.name).read_text("utf-8"))
    return Run(seconds, _children_seconds() - used, most / 1e6)


def _children_seconds() -> float:
    times = psutil.Process().cpu_times()
    return float(times.children_user + times.children_system)


def _memory(process: psutil.Process) -> int:
    """The memory of a process and those it has started, in bytes; 0 if they changed meanwhile."""
    try:
        running = {process, *process.children(recursive=True)}
        total = sum(_own_memory(each.pid) for each in running)
        # Else a page that was shared when one process was read would count twice.
        return total if running == {process, *process.children(recursive=True)} else 0
    except (psutil.NoSuchProcess, OSError):
        return 0


def _own_memory(pid: int) -> int:
    """The memory of a process in bytes, of pages that several share its part."""
    # Not the files of libraries, which other programs on the machine share.
    found = re.findall(
        r"^Pss_(?:Anon|Shmem): +(\d+) kB",
        Path(f"/proc/{pid}/smaps_rollup").read_text(),
        re.MULTILINE,
    )
    if len(found) < 2:
        raise psutil.NoSuchProcess(pid)
    return 1000 * sum(map(int, found))


def measure(
    name: str, size: Sequence[int], number: int, *, times: int, kind: str, scratch: Path
) -> bool:
    """Prints a line for each stage; returns whether memory grows with the set."""
    processes, grows = usable_cores(), False
    stages = (*DATA_STAGES, *NETWORK_STAGES) if kind == "png" else DATA_STAGES
    runs: dict[str, list[tuple[LargeSet, Run]]] = {stage: [] for stage in stages}
    for part in (max(1, number // times), number):
        folder = scratch / f"{kind}{part}"
        made = make_set(folder, size, part, kind)
        for stage, found in runs.items():
            found.append((made, run(stage, folder, processes)))
    for stage, ((fewer, before), (made, after)) in runs.items():
        growth = after.megabytes / before.megabytes
        rates = ""
        if stage in DATA_STAGES:
            # The difference of both runs is free of the start-up.
            busy = 1000 * (after.processor_seconds - before.processor_seconds)
            rates = (
                f"{made.number / after.seconds:8.1f} images/s"
                f"{made.megabytes / after.seconds:8.1f} MB/s"
                f"{busy / (made.number - fewer.number):8.1f} ms an image"
            )
        print(
            f"{name:10} {kind:4} {stage:9}{rates:50}{before.megabytes:8.0f} MB for {fewer.number}"
            f"{after.megabytes:8.0f} MB for {made.number}  x{growth:.2f}",
            flush=True,
        )
        grows = grows or growth > GROWTH
    return grows


def main() -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kitti", type=int, default=5000, help="images of KITTI's size")
    parser.add_argument("--cityscapes", type=int, default=500, help="images of Cityscapes' size")
    parser.add_argument("--times", type=int, default=16, help="factor between part and whole")
    parser.add_argument("--scratch", type=Path, help="folder for the sets; some 25 GB")
    options = parser.parse_args()
    print(f"{usable_cores()} cores; rates with start-up, processor time without, memory of all")
    grows = False
    for name, size, number in (
        ("KITTI", KITTI, options.kitti),
        ("Cityscapes", CITYSCAPES, options.cityscapes),
    ):
        for kind in ("png", "jpg"):
            with TemporaryDirectory(dir=options.scratch) as scratch:
                grows |= measure(
                    name, size, number, times=options.times, kind=kind, scratch=Path(scratch)
                )
    return int(grows)


if __name__ == "__main__":
    sys.exit(main())
