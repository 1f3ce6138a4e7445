"""One training on one device, on two of a process, and on two processes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PATIENCE = 600
REDUCTIONS = ("gradients", "pixels", "regions", "batch_norm", "ibn", "penalty", "keras")


def start(cpus, *runs, cluster=None):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if cluster:
        addresses, index = cluster
        environment["TF_CONFIG"] = json.dumps(
            {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        )
    return subprocess.Popen(
        [sys.executable, "-m", "tests.training.several_devices", str(cpus), *runs],
        cwd=PROJECT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def results(process):
    try:
        printed, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    found = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    return {each["run"]: each for each in found}


@pytest.fixture(scope="module")
def in_one_process():
    return results(start(2, "one", "all", *REDUCTIONS, "dropout"))


@pytest.fixture(scope="module")
def in_two_processes():
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in (one, other)]
    started = [start(1, "all", "dropout", cluster=(addresses, index)) for index in (0, 1)]
    return [results(process) for process in started]


def differs(found, expected):
    """Whether a loss differs by 1e-5, or the gradients' moments by more than rounding."""
    losses = zip(found["losses"], expected["losses"], strict=True)
    moments = zip(found["moments"], expected["moments"], strict=True)
    return any(abs(a - b) > 1e-5 * b for a, b in losses) or any(
        abs(a - b) > 1e-3 * max(b, 1e-4) for a, b in moments
    )


def test_two_devices_train_as_one(in_one_process):
    found, expected = in_one_process["all"], in_one_process["one"]
    assert found["losses"] == pytest.approx(expected["losses"], rel=1e-5)
    assert not differs(found, expected)


@pytest.mark.parametrize("left_out", REDUCTIONS)
def test_two_devices_do_not_train_as_one_without_a_reduction(in_one_process, left_out):
    assert differs(in_one_process[left_out], in_one_process["one"])


@pytest.mark.parametrize("run", ["all", "dropout"])
def test_two_processes_train_as_two_devices_of_one_to_the_bit(
    in_one_process, in_two_processes, run
):
    expected, found = in_one_process[run], in_two_processes[0][run]
    for part in ("losses", "state", "moments"):
        assert found[part] == expected[part]
    masks = [each for part in in_two_processes for each in part[run]["masks"]]
    assert masks == expected["masks"]


def test_dropout_differs_between_devices(in_one_process):
    one, other = in_one_process["dropout"]["masks"]
    assert one != other
