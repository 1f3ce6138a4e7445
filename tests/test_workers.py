import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from roadshift.errors import RoadshiftError
from roadshift.workers import parallel_map, usable_cores

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
    time.sleep(600)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_is_killed_is_an_error_in_one_line(number):
    with pytest.raises(RoadshiftError, match="a worker process was killed"):
        gather(kill_itself, [number, number])


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_only_cores_that_the_process_may_use_count():
    program = "from roadshift.workers import usable_cores; print(usable_cores())"
    core = min(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, check=True, capture_output=True, text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )  # fmt: skip
    assert done.stdout == "1\n"
    assert usable_cores() == len(os.sched_getaffinity(0))


def test_nothing_counts_the_cores_of_the_machine_instead():
    wrong = re.compile(r"\bcpu_count\(")
    for folder in ("roadshift", "stages", "ablation"):
        for file in (PROJECT / folder).rglob("*.py"):
            if file.name != "workers.py":
                assert not wrong.search(file.read_text("utf-8")), file
