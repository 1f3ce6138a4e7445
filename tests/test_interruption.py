"""Signals, in processes of their own."""

import signal
import subprocess
import sys

import pytest

HEAD = """
import os, signal, sys, time
from roadshift.interruption import end_interrupted, raise_on_signals
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
raise_on_signals()
"""
IN_A_DESTRUCTOR = """
class Freed:
    def __del__(self):
        os.kill(os.getpid(), {number})
        time.sleep(0.01)

try:
    Freed()
    time.sleep(20)
except KeyboardInterrupt as interrupt:
    end_interrupted(interrupt)
"""
AT_ONCE = """
class Slow:
    def __del__(self):
        time.sleep(20)

kept = Slow()
try:
    os.kill(os.getpid(), {number})
    time.sleep(20)
except KeyboardInterrupt as interrupt:
    end_interrupted(interrupt)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("program", [IN_A_DESTRUCTOR, AT_ONCE], ids=["destructor", "at once"])
def test_a_signal_ends_the_process_with_one_line(program, number):
    code = HEAD + program.format(number=int(number))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=15, check=False
    )
    assert done.returncode == 128 + number
    assert done.stderr == "\ninterrupted\n"


def test_other_dropped_exceptions_are_shown_as_always():
    code = f"{HEAD}\nclass Freed:\n    def __del__(self):\n        1 / 0\n\nFreed()\n"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=15, check=True
    )
    assert "ZeroDivisionError" in done.stderr
