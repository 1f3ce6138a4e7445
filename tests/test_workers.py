import os
import signal
import time

import pytest

from roadshift.errors import RoadshiftError
from roadshift.workers import parallel_map


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
