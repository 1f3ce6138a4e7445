"""Machines of one training as processes on loopback, without TensorFlow."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from roadshift.errors import RoadshiftError
from roadshift.machines import Cluster, read_cluster, wait_seconds

PROJECT = Path(__file__).parents[1]
PATIENCE = 60
PROGRAM = """
import sys, time
from roadshift.errors import RoadshiftError
from roadshift.interruption import end_at_once
from roadshift.machines import MachineLostError, Machines, read_cluster
cluster = read_cluster()
try:
    machines = Machines(cluster)
    print("met", flush=True)
    {0}
    machines.end()
    print("ended", flush=True)
except (RoadshiftError, MachineLostError) as error:
    print(f"error: {{error}}", flush=True)
    end_at_once(1)
"""


@pytest.fixture
def addresses():
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def tf_config(addresses, index):
    return json.dumps(
        {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    )


@pytest.fixture
def start(addresses):
    with ExitStack() as stack:

        def started(index, what="pass", count=2, wait=60, where=addresses):
            environment = {
                **os.environ,
                "TF_CONFIG": tf_config(where[:count], index),
                "ROADSHIFT_WAIT_SECONDS": str(wait),
            }
            process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM.format(what)], cwd=PROJECT, env=environment,
                text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            stack.callback(process.communicate)
            stack.callback(process.kill)
            return process

        yield started


def ends(process):
    """A process's exit status, and the lines that it printed."""
    printed, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, printed.splitlines()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_machines_meet_in_any_order_and_end_together(start, order):
    content = "print(machines.share(b'state' if machines.first else None).decode(), flush=True)"
    started = []
    for index in order:
        started.append(start(index, content, count=3))
        time.sleep(0.3)
    for process in started:
        assert ends(process) == (0, ["met", "state", "ended"])


def test_a_machine_waits_until_the_first_has_ended(start):
    first = start(0, "time.sleep(1.5)")
    other = start(1)
    begun = time.monotonic()
    assert ends(other) == (0, ["met", "ended"])
    assert time.monotonic() - begun > 1
    assert ends(first)[0] == 0


def test_facts_that_differ_are_the_same_line_on_all_machines(start, addresses):
    process = [
        start(index, f"machines.agree({{'epoch': {epoch}}})", count=3)
        for index, epoch in enumerate((3, 3, 2))
    ]
    for each in process:
        status, lines = ends(each)
        assert status == 1
        assert lines[1:] == [
            f"error: machine 2 ({addresses[2]}) has epoch 2, machine 0 ({addresses[0]}) has 3; all "
            "machines need the same commit, parameters, data, libraries and settings"
        ]


@pytest.mark.parametrize(("having", "found", "expected"), [(0, "none", "1"), (1, "1", "none")])
def test_a_fact_that_one_machine_lacks_differs(start, addresses, having, found, expected):
    facts = [{"commit": "c"}, {"commit": "c"}]
    facts[having]["variables"] = "1"
    process = [start(index, f"machines.agree({each})") for index, each in enumerate(facts)]
    for each in process:
        status, (_, line) = ends(each)
        assert status == 1
        assert line.startswith(
            f"error: machine 1 ({addresses[1]}) has variables {found}, "
            f"machine 0 ({addresses[0]}) has {expected}; "
        )


@pytest.mark.parametrize("killed", [0, 1, 2])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_machine_that_is_killed_ends_the_others_at_once_with_one_line(
    start, addresses, killed, number
):
    started = [start(index, "time.sleep(100)", count=3) for index in range(3)]
    for process in started:
        assert process.stdout.readline() == "met\n"
    started[killed].send_signal(number)
    told = time.monotonic()
    for index in {0, 1, 2} - {killed}:
        status, lines = ends(started[index])
        assert status == 1
        (line,) = lines
        lost = killed if killed == 0 or index == 0 else 0
        # The first machine is the one that all others are connected to.
        assert line.startswith(f"error: machine {lost} ({addresses[lost]}) has ended: see what it")
        assert line.endswith("a training resumes from its last finished epoch")
    assert time.monotonic() - told < 5


def test_a_machine_in_a_call_that_no_signal_interrupts_ends_all_the_same(start):
    # As TensorFlow does where it waits for another machine.
    deaf = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGURG}); "
    deaf += "time.sleep(100)"
    first, other = start(0, deaf), start(1, "time.sleep(100)")
    for process in (first, other):
        assert process.stdout.readline() == "met\n"
    other.kill()
    status, lines = ends(first)
    assert (status, len(lines)) == (1, 1)


FREES = """class Slow:
        def __del__(self):
            time.sleep(0.5)
    while True:
        Slow()"""


def test_a_machine_that_frees_an_object_as_another_ends_prints_one_line_all_the_same(start):
    """Python drops what is raised there, and would print it with its traceback."""
    first, other = start(0, FREES), start(1, "time.sleep(100)")
    for process in (first, other):
        assert process.stdout.readline() == "met\n"
    other.kill()
    status, lines = ends(first)
    assert (status, len(lines)) == (1, 1)
    assert lines[0].startswith("error: machine 1 ")


def test_a_machine_that_never_comes_is_one_line_after_the_time_to_wait(start, addresses):
    for index, missing in ((0, 1), (1, 0)):
        begun = time.monotonic()
        status, (line,) = ends(start(index, wait=2))
        assert status == 1
        assert line.startswith(f"error: machine {missing} ({addresses[missing]}) ")
        assert "within 2 s" in line
        assert "ROADSHIFT_WAIT_SECONDS" in line
        assert time.monotonic() - begun > 2


def test_a_machine_that_waits_with_the_first_for_another_does_not_say_the_first_is_missing(
    start, addresses
):
    first = start(0, count=3, wait=60)
    status, (line,) = ends(start(1, count=3, wait=3))
    assert status == 1
    assert line.startswith(
        f"error: machine 0 ({addresses[0]}) still waits for another machine after 3 s; start the "
        "stage on all, or set ROADSHIFT_WAIT_SECONDS"
    )
    assert first.poll() is None


def test_strangers_that_say_nothing_do_not_lengthen_the_time_to_wait(start, addresses):
    first = start(0, wait=3)
    host, port = addresses[0].split(":")
    begun = time.monotonic()
    with ExitStack() as strangers:
        while first.poll() is None and time.monotonic() - begun < 20:
            with suppress(OSError):
                strangers.enter_context(socket.create_connection((host, int(port)), timeout=1))
            time.sleep(0.2)
        assert time.monotonic() - begun < 20
    assert ends(first)[0] == 1


LOST_POWER = """import socket, struct, ctypes
    link = machines._links[0].socket
    # A filter that drops every packet for this end, and no question whether the other is there.
    nothing = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
    link.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HL", 1, ctypes.addressof(nothing)))
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)
    print("dark", flush=True)
    time.sleep(100)"""


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")
def test_a_machine_that_lost_its_power_is_noticed_though_data_are_on_their_way_to_it(
    start, addresses
):
    """The system asks an idle connection alone whether the other side is there."""
    other = start(1, LOST_POWER)
    first = start(0, "time.sleep(1); machines.share(bytes(1000)); time.sleep(100)")
    assert [other.stdout.readline() for _ in range(2)] == ["met\n", "dark\n"]
    status, lines = ends(first)
    assert status == 1
    assert lines[-1].startswith(f"error: machine 1 ({addresses[1]}) has ended")


def test_a_machine_that_waits_ends_by_a_signal(start):
    for index in (0, 1):
        process = start(index)
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        assert ends(process)[0] == -signal.SIGTERM


def test_a_machine_that_was_started_again_takes_its_former_place(start):
    gone = start(1, count=3)
    first = start(0, count=3)
    time.sleep(1.5)
    gone.kill()
    others = [start(1, count=3), start(2, count=3)]
    for process in (first, *others):
        assert ends(process) == (0, ["met", "ended"])


def test_what_else_connects_is_no_machine(start, addresses):
    first = start(0)
    host, port = addresses[0].split(":")
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((host, int(port))) as stranger:
                stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
                break
        except OSError:
            time.sleep(0.1)
    assert ends(start(1)) == (0, ["met", "ended"])
    assert ends(first) == (0, ["met", "ended"])


def test_a_port_that_is_taken_is_one_line(start, addresses):
    with socket.create_server(("", int(addresses[0].split(":")[1]))):
        status, (line,) = ends(start(0))
    assert status == 1
    assert line.startswith("error: TF_CONFIG: port ")
    assert "end the other process, or choose another port" in line


TWO = ["a:1", "b:2"]


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ("{", "not JSON: "),
        ("[]", "has no list 'worker' alone under 'cluster'"),
        ('{"cluster": {}}', "has no list 'worker' alone under 'cluster'"),
        (
            json.dumps({"cluster": {"worker": TWO, "ps": ["c:3"]}}),
            "has no list 'worker' alone under 'cluster'",
        ),
        (tf_config(["a", "b:2"], 0), "'a' is not a host and a port"),
        (tf_config(["a:70000", "b:2"], 0), "'a:70000' is not a host and a port"),
        (tf_config([1, "b:2"], 0), "1 is not a host and a port"),
        (tf_config([".a:1", "b:2"], 1), "'.a:1' is not a host and a port"),
        (tf_config(["a" * 64 + ":1", "b:2"], 1), f"'{'a' * 64}:1' is not a host and a port"),
        (tf_config(["a:1", "a:1"], 0), "an address comes twice"),
        (tf_config(TWO, 2), "'task' is not one of the 2 workers, by an index from 0"),
        (tf_config(TWO, "0"), "'task' is not one of the 2 workers, by an index from 0"),
        (json.dumps({"cluster": {"worker": TWO}}), "'task' is not one of the 2 workers"),
    ],
)
def test_a_wrong_tf_config_is_one_line_that_says_what_is_expected(monkeypatch, given, wrong):
    monkeypatch.setenv("TF_CONFIG", given)
    with pytest.raises(RoadshiftError) as caught:
        read_cluster()
    message = str(caught.value)
    assert message.startswith(f"TF_CONFIG: {wrong}")
    assert '"task": {"type": "worker", "index": 0}' in message
    assert "\n" not in message


def test_one_machine_needs_no_others(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert read_cluster() is None
    monkeypatch.setenv("TF_CONFIG", tf_config(["a:1"], 0))
    assert read_cluster() is None
    monkeypatch.setenv("TF_CONFIG", tf_config(TWO, 1))
    assert read_cluster() == Cluster(("a:1", "b:2"), 1)


@pytest.mark.parametrize("given", ["x", "0", "-1", "1.5", "99999999"])
def test_a_wrong_time_to_wait_is_one_line(monkeypatch, given):
    monkeypatch.setenv("ROADSHIFT_WAIT_SECONDS", given)
    with pytest.raises(RoadshiftError, match=r"ROADSHIFT_WAIT_SECONDS: .* is no whole number"):
        wait_seconds()
