"""The train stage on two machines: two processes on loopback, one of them started by DVC."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import ExitStack

import numpy as np
import pytest
import yaml

from tests.miniature import PROJECT

pytestmark = pytest.mark.workflow

SETTINGS = {
    "reg": {"ema_decay": 0.9, "dropout": 0.2},
    "train": {"epochs": 5, "steps_per_epoch": 2, "precise_bn_batches": 1, "lovasz_weight": 0.5},
}
TRAINED = ("models/trained/a", "metrics/curves/a")
PATIENCE = 300
FIRST = ("dvc", "repro", "--force", "--single-item", "train@a")
OTHER = (sys.executable, "-m", "stages.train", "a")


def free_addresses(number=2):
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


class Machine:
    """A process with an environment of its own, and a file of what it prints."""

    def __init__(self, project, folder, command, name, **variables):
        self.output = project.folder.parent / f"{project.folder.name}-{name}.txt"
        with self.output.open("w") as sink:
            self.process = subprocess.Popen(
                command, cwd=folder or project.folder, env={**project.environment, **variables},
                stdout=sink, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    @property
    def printed(self):
        return self.output.read_text("utf-8", "replace")

    @property
    def errors(self):
        return [line for line in self.printed.splitlines() if line.startswith("error: ")]

    def signal(self, number):
        os.killpg(self.process.pid, number)

    def ends(self):
        try:
            return self.process.wait(PATIENCE)
        finally:
            if self.process.poll() is None:
                self.signal(signal.SIGKILL)


def two_machines(project, first=FIRST, other=OTHER, folders=(None, None), **variables):
    addresses = free_addresses()
    for index, (command, folder) in enumerate(zip((first, other), folders, strict=True)):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        yield Machine(
            project, folder, command, f"machine{index}", TF_CONFIG=json.dumps(config), **variables
        )


@pytest.fixture(scope="module")
def prepared(miniature):
    miniature.set_params(**SETTINGS)
    miniature.run("dvc", "repro", "adapt", "hash_sources")
    return miniature


@pytest.fixture(scope="module")
def whole(prepared):
    """The hashes of what two machines write that nothing interrupts."""
    machines = [*two_machines(prepared)]
    for machine in machines:
        assert machine.ends() == 0, machine.printed
        assert machine.errors == []
    first, other = machines
    assert "train a: on 2 devices (CPU) of 2 machines" in first.printed
    assert "epoch 5 of 5" in first.printed
    assert "val mIoU" not in other.printed
    assert prepared.changed_stages().isdisjoint({"train@a"})
    found = prepared.hashes(*TRAINED)
    assert f"{TRAINED[0]}/model.keras" in found
    return found


def test_the_machines_end_in_the_bytes_of_two_devices_of_one_machine(prepared, whole):
    """One process with two logical CPUs: what lies between the devices is not what is computed."""
    program = (
        "import sys, runpy, tensorflow as tf; cpu = tf.config.list_physical_devices('CPU')[0]; "
        "two = [tf.config.LogicalDeviceConfiguration()] * 2; "
        "tf.config.set_logical_device_configuration(cpu, two); sys.argv = ['-m', 'a']; "
        "import stages; runpy.run_module('stages.train', run_name='__main__', alter_sys=True)"
    )
    prepared.run(sys.executable, "-c", f"import roadshift.determinism; {program}")
    assert prepared.hashes(*TRAINED) == whole


def test_a_machine_that_is_killed_ends_the_other_and_both_go_on_to_the_same_bytes(prepared, whole):
    moments = np.random.default_rng(0)
    for number, victim in (
        (signal.SIGKILL, 1), (signal.SIGTERM, 0), (signal.SIGTERM, 1), (signal.SIGKILL, 0),
        (signal.SIGTERM, 0),
    ):  # fmt: skip
        machines = [*two_machines(prepared)]
        deadline = time.monotonic() + PATIENCE
        while "2 machines" not in machines[0].printed:
            assert time.monotonic() < deadline, machines[0].printed
            assert machines[0].process.poll() is None, machines[0].printed
            time.sleep(0.02)
        time.sleep(moments.uniform(0, 8))
        machines[victim].signal(number)
        told = time.monotonic()
        statuses = [machine.ends() for machine in machines]
        if statuses[1 - victim] == 0:  # they had ended before
            continue
        assert time.monotonic() - told < 10
        survivor = machines[1 - victim]
        assert len(survivor.errors) == 1, survivor.printed
        assert f"machine {victim} (127.0.0.1:" in survivor.errors[0]
        assert "has ended: see what it printed, then start the stage again" in survivor.errors[0]
        for machine in machines:
            assert "Traceback" not in machine.printed
        if number == signal.SIGTERM:
            assert "interrupted" in machines[victim].printed
    machines = [*two_machines(prepared)]
    for machine in machines:
        assert machine.ends() == 0, machine.printed
    assert prepared.hashes(*TRAINED) == whole


def test_a_launcher_starts_the_stage_on_the_machines_of_a_slurm_cluster(prepared, whole, tmp_path):
    ports = free_addresses()
    port = ports[0].split(":")[1]
    programs = {
        "srun": """
            [ "$1" = --ntasks-per-node=1 ] || exit 3
            shift
            export SLURM_STEP_NODELIST='node[1-2]'
            SLURM_PROCID=1 "$@" &
            SLURM_PROCID=0 "$@" || exit 1
            wait $!
        """,
        "scontrol": """
            [ "$*" = "show hostnames node[1-2]" ] || exit 3
            echo 127.0.0.1
            echo localhost
        """,
    }
    for name, text in programs.items():
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\n{text}")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    before = (prepared.folder / "dvc.lock").read_bytes()
    machine = Machine(
        prepared, None, FIRST, "launched",
        PATH=f"{tmp_path}:{prepared.environment['PATH']}", ROADSHIFT_PORT=port,
        ROADSHIFT_LAUNCHER="srun --ntasks-per-node=1 sh experiments/slurm_machine.sh",
    )  # fmt: skip
    assert machine.ends() == 0, machine.printed
    assert "train a: on 2 devices (CPU) of 2 machines" in machine.printed
    assert prepared.hashes(*TRAINED) == whole
    assert (prepared.folder / "dvc.lock").read_bytes() == before


@pytest.mark.parametrize(
    ("launcher", "line"),
    [
        (
            "no-such-program -n 2",
            "error: ROADSHIFT_LAUNCHER: there is no program 'no-such-program'",
        ),
        ("srun '", 'error: ROADSHIFT_LAUNCHER: "srun \'" is not a command (No closing quotation)'),
    ],
)
def test_a_launcher_that_cannot_be_run_is_one_line(prepared, launcher, line):
    machine = Machine(prepared, None, OTHER, "launched", ROADSHIFT_LAUNCHER=launcher)
    assert machine.ends() == 1
    assert machine.printed.startswith(line)
    assert machine.printed.count("\n") == 1


def test_a_tf_config_that_is_not_json_is_one_line(prepared):
    before = prepared.hashes(*TRAINED)
    machine = Machine(prepared, None, OTHER, "wrong", TF_CONFIG="{")
    assert machine.ends() == 1
    assert machine.printed.startswith("error: TF_CONFIG: not JSON: ")
    assert machine.printed.count("\n") == 1
    assert prepared.hashes(*TRAINED) == before


def assert_told(project, elsewhere, what):
    """Asserts that both machines end with the line that names what the second has otherwise."""
    machines = [*two_machines(project, first=OTHER, folders=(None, elsewhere))]
    assert [machine.ends() for machine in machines] == [1, 1]
    for machine in machines:
        (line,) = machine.errors
        form = rf"error: machine 1 \(\S+\) has {what}; all machines need the same commit, .+"
        assert re.fullmatch(form, line), line
        assert "Traceback" not in machine.printed


def test_machines_at_other_commits_or_that_share_unevenly_are_one_line_each(
    prepared, whole, tmp_path
):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(prepared.folder, elsewhere, symlinks=True)
    params = elsewhere / "params.yaml"
    committed = params.read_text("utf-8")
    content = yaml.safe_load(committed)
    content["model"]["base_filters"] = 8
    params.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    assert_told(prepared, elsewhere, r"model\.base_filters 8, machine 0 \(\S+\) has 4")
    params.write_text(committed, "utf-8")
    stage = elsewhere / "stages/train.py"
    stage.write_text(stage.read_text("utf-8") + "# Another commit.\n", "utf-8")
    commit = ("git", "commit", "--quiet", "--all", "--message", "another")
    subprocess.run(commit, cwd=elsewhere, check=True)
    assert_told(prepared, elsewhere, r"commit [0-9a-f]{40}, machine 0 \(\S+\) has [0-9a-f]{40}")
    prepared.set_params(train={"batch_size": 3})
    machines = [*two_machines(prepared, first=OTHER)]
    assert [machine.ends() for machine in machines] == [1, 1]
    for machine in machines:
        (line,) = machine.errors
        assert line.startswith(
            "error: train.batch_size: source 'a' has 3 images of a batch, which 2 devices cannot"
        )
    prepared.set_params(train={"batch_size": 4})
    assert prepared.hashes(*TRAINED) == whole


def test_the_kubernetes_job_names_its_machines_and_starts_dvc_on_the_first(tmp_path):
    service, job = yaml.safe_load_all((PROJECT / "experiments/kubernetes.yaml").read_text("utf-8"))
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    given = {each["name"]: each["value"] for each in container["env"]}
    assert given["JOB"] == job["metadata"]["name"] == service["spec"]["selector"]["job-name"]
    assert given["SERVICE"] == service["metadata"]["name"] == pod["subdomain"]
    assert int(given["MACHINES"]) == job["spec"]["completions"] == job["spec"]["parallelism"]
    for name in ("dvc", "python"):
        file = tmp_path / name
        file.write_text(f'#!/bin/sh\necho {name} "$@"; echo "$TF_CONFIG"\n')
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    commands = ["dvc repro --single-item train@ab", "python -m stages.train ab"]
    for index, command in enumerate(commands):
        printed = subprocess.run(
            container["command"], cwd=PROJECT, check=True, capture_output=True, text=True,
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **given,
                 "JOB_COMPLETION_INDEX": str(index)},
        ).stdout.splitlines()  # fmt: skip
        assert printed[0] == command
        assert json.loads(printed[1]) == {
            "cluster": {"worker": [f"train-ab-{k}.roadshift:15000" for k in range(4)]},
            "task": {"type": "worker", "index": index},
        }
