import gc
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from roadshift import workers
from roadshift.errors import RoadshiftError
from roadshift.workers import parallel_map, usable_cores, worker_processes

PROJECT = Path(__file__).parents[1]


def gather(function, items, processes=2):
    with parallel_map(function, items, processes) as results:
        return list(results)


@pytest.mark.parametrize("processes", [1, 2, 3, 9])
def test_results_come_in_order(processes):
    assert gather(abs, range(-5, 0), processes) == [5, 4, 3, 2, 1]


def test_nothing_to_do():
    assert gather(abs, []) == []


def refuse_three(number):
    if number == 3:
        raise RoadshiftError("three")
    return number


def test_an_error_comes_where_its_result_would(capfd):
    seen: list[int] = []
    with pytest.raises(RoadshiftError, match="three"), parallel_map(refuse_three, range(6), 2) as r:
        seen.extend(r)
    assert seen == [0, 1, 2]
    assert "Traceback" not in capfd.readouterr().err


def test_an_error_of_the_program_shows_where_it_was_raised(capfd):
    with pytest.raises(TypeError):
        gather(abs, ["one"])
    assert "TypeError: bad operand" in capfd.readouterr().err


def test_an_item_that_cannot_be_sent_is_an_error_where_its_result_would_come():
    with pytest.raises(Exception, match="pickle"):
        gather(abs, [1, 2, lambda: 3])


class UnsendableError(Exception):
    def __init__(self, what, why):
        super().__init__(why)


class Odd:
    def __reduce__(self):
        raise UnsendableError("Odd", "cannot be sent")


def test_an_item_whose_error_cannot_be_sent_either_is_an_error():
    with pytest.raises(TypeError, match=r"items\[1\]: cannot be sent"):
        gather(id, [1, Odd()])


def test_what_was_frozen_before_stays_so():
    gc.freeze()
    try:
        gather(abs, [1, 2])
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()


def test_items_and_results_may_be_larger_than_a_pipe():
    items = [bytes([number]) * 1_000_000 for number in range(12)]
    assert gather(bytes, items) == items


def interrupt(error):
    with parallel_map(time.sleep, [0, 600, 600, 600], 2) as results:
        next(results)
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, RoadshiftError])
def test_an_interruption_does_not_wait_for_work_that_has_begun(error):
    begun = time.monotonic()
    with pytest.raises(error):
        interrupt(error)
    assert time.monotonic() - begun < 60


def kill_itself(number):
    os.kill(os.getpid(), number)
    return number


def test_a_worker_that_is_killed_is_an_error_in_one_line():
    with pytest.raises(RoadshiftError, match="a worker process was killed"):
        gather(kill_itself, [signal.SIGKILL] * 2)


def test_a_signal_to_all_processes_of_a_job_is_the_parents_alone():
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    assert gather(kill_itself, numbers) == numbers


ROLLUP = Path("/proc/self/smaps_rollup")


def own_memory(_):
    """Memory in bytes that this process shares with no other; a garbage collection follows."""
    (found,) = re.findall(r"^Private_Dirty: +(\d+)", ROLLUP.read_text(), re.MULTILINE)
    gc.collect()
    return 1000 * int(found)


@pytest.mark.skipif(not ROLLUP.exists(), reason="the system does not tell the memory of a process")
def test_a_worker_copies_neither_the_items_nor_what_was_there_before():
    """A forked worker shares the memory of this process until it writes to it."""
    there = [[f"{number}" * 100] for number in range(20_000)]  # 10 MB that nobody reads
    with worker_processes(own_memory, 2) as results_of:
        items = [f"{number:0100000}" for number in range(200)]  # 20 MB
        found = [*results_of(items)]
    assert max(found) - found[0] < 5e6
    assert len(there) == 20_000
    assert len(items) == len(found)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_only_cores_that_the_process_may_use_count():
    program = "from roadshift.workers import usable_cores; print(usable_cores())"
    core = min(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, check=True, capture_output=True, text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )  # fmt: skip
    assert done.stdout == "1\n"
    assert 1 <= usable_cores() <= len(os.sched_getaffinity(0))


def test_nothing_counts_the_cores_of_the_machine_instead():
    wrong = re.compile(r"\bcpu_count\(")
    for folder in ("roadshift", "stages", "ablation", "search"):
        for file in (PROJECT / folder).rglob("*.py"):
            if file.name != "workers.py":
                assert not wrong.search(file.read_text("utf-8")), file


@pytest.fixture
def cgroups(tmp_path, monkeypatch):
    """(own, {file: content}) -> the number of cores under these control groups."""

    def cores(own, files, affinity=8):
        place = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, content in {**files, "self": own}.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(content, "utf-8")
        monkeypatch.setattr(workers, "CGROUPS", place)
        monkeypatch.setattr(workers, "OWN_CGROUPS", place / "self")
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)), raising=False)
        return usable_cores()

    return cores


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        # docker run --cpus=1: a container sees its own group as the root.
        ("0::/\n", {"cpu.max": "100000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "10000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "400000 50000\n"}, 8),
        ("0::/\n", {"cpu.max": "9000000 100000\n"}, 8),
        # systemd and Kubernetes: the least of the group's own quota and those above it.
        (
            "0::/pods/one\n",
            {"cpu.max": "max 100000\n", "pods/cpu.max": "300000 100000\n",
             "pods/one/cpu.max": "500000 100000\n"},
            3,
        ),
        # Version 1, in the two places where systems mount it, and beside version 2.
        (
            "4:cpu,cpuacct:/docker/x\n1:name=systemd:/\n0::/\n",
            {"cpu/docker/x/cpu.cfs_quota_us": "250000\n",
             "cpu/docker/x/cpu.cfs_period_us": "100000\n"},
            3,
        ),
        (
            "4:cpu,cpuacct:/docker/x\n",  # the container's own group is mounted as the root
            {"cpu,cpuacct/cpu.cfs_quota_us": "100000\n",
             "cpu,cpuacct/cpu.cfs_period_us": "100000\n"},
            1,
        ),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ("2:cpuset:/a\n", {"cpuset/a/cpu.cfs_quota_us": "1\n"}, 8),
        # What nobody can read limits nothing.
        ("0::/\n", {"cpu.max": "\n"}, 8),
        ("0::/\n", {"cpu.max": "100000 0\n"}, 8),
        ("nonsense\n", {"cpu.max": "many\n"}, 8),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "100000\n"}, 8),
    ],
)  # fmt: skip
def test_a_quota_of_processor_time_counts_as_cores(cgroups, own, files, expected):
    assert cgroups(own, files) == expected


def test_the_affinity_counts_where_it_is_less_than_the_quota(cgroups):
    assert cgroups("0::/\n", {"cpu.max": "300000 100000\n"}, affinity=2) == 2


def test_without_control_groups_nothing_limits(monkeypatch, tmp_path):
    monkeypatch.setattr(workers, "OWN_CGROUPS", tmp_path / "none")
    assert usable_cores() == len(os.sched_getaffinity(0))
