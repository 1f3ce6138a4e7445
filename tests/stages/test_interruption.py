"""Killing stages of a miniature of the project, as a power cut, a batch system or a full disk does.

What a killed stage leaves is looked at, and then what comes of the workflow when it goes on.
"""

import os
import re
import resource
import signal
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

pytestmark = pytest.mark.workflow

TEACHER = {
    "weight": 1.0,
    "batch_size": 2,
    "threshold": 0.1,
    "teacher_ema_decay": 0.9,
    "warmup_epochs": 0.5,
}
EVERYTHING = {
    "model": {"encoder": "unet", "weights": "none"},
    "aug": {"classmix": 0.5, "fog": 0.5},
    "reg": {"ema_decay": 0.9, "dropout": 0.2},
    "train": {"epochs": 5, "precise_bn_batches": 2, "rare_class_temperature": 0.5},
    "adapt": {"self_training": TEACHER},
}
"""Mixing, an average, a teacher: all that a training has a state of, or draws at random."""
EFFICIENTNET = {
    "model": {"encoder": "efficientnet_lite0", "weights": "imagenet"},
    "train": {"epochs": 3},
    "adapt": {"self_training": {**TEACHER, "weight": 0.0}},
}
TRAINED = ("models/trained/ab", "metrics/curves/ab")
FORCED = ("dvc", "repro", "--force", "--single-item", "train@ab")
STAGES = {
    "download b": ("data/raw/b",),
    "remap b": ("data/remapped/b", "metrics/audit/b.csv"),
    "shard b": ("data/shards/trainval/b", "data/shards/test/b"),
    "evaluate ab": (
        "models/ab.keras",
        "models/predictions/ab.npz",
        "models/scores/ab.npz",
        "metrics/scores/ab.json",
        "metrics/confusion/ab.csv",
        "metrics/networks/ab.json",
    ),
    "hash_shards b": ("data/digests/b.json",),
    "hash_sources": ("data/sources", "data/sources.json"),
    "transfer ab": ("models/transfer/ab.npz", "metrics/transfer/ab.json"),
    "calibrate ab": ("models/calibration/ab.json",),
    "summarize": ("metrics/summary.json", "metrics/plots"),
}
"""By command, what the stage writes."""
QUICK = ("remap b", "hash_shards b", "hash_sources", "summarize")
SLOW = """
import sys, time

def wait(event, arguments):
    if event in ("open", "os.rename") and ".partial" in str(arguments[0]):
        time.sleep(0.2)

sys.addaudithook(wait)
"""
"""A module that Python runs first: it makes a stage wait before each step of an atomic output.

The quick stages write for some milliseconds, which hardly any moment would hit otherwise."""
PATIENCE = 600
"""Seconds after which a test gives up."""
TRIES, ENOUGH = 20, 2
"""The most kills of a stage by a signal, and the number of those that cut it off, which suffice."""


def command(stage):
    name, *arguments = stage.split()
    return (sys.executable, "-m", f"stages.{name}", *arguments)


def wait_until(met, process):
    deadline = time.monotonic() + PATIENCE
    while not (found := met()):
        if time.monotonic() > deadline or process.poll() is not None:
            raise AssertionError(process.stdout.read())
        time.sleep(0.01)
    return found


def begun(project, stage):
    """The process that runs a stage, None where none does."""
    lock = project.folder / ".dvc/tmp/stages" / stage.replace(" ", "@")
    pid = lock.read_text() if lock.exists() else ""
    return int(pid) if pid and psutil.pid_exists(int(pid)) else None


def leftovers(project):
    """What no finished run leaves."""
    return {
        path.relative_to(project.folder).as_posix()
        for path in project.folder.rglob("*")
        if ".partial" in path.name or (".training" in path.parts and path.is_file())
    }


@pytest.fixture(scope="module")
def reproduced(miniature):
    miniature.set_params(**EVERYTHING)
    miniature.run("dvc", "repro", "summarize")
    return miniature


def outputs_of(project, stage):
    """The hashes of a stage's outputs; the summary is made anew where a scoring has removed it."""
    places = STAGES.get(stage, TRAINED)
    if not all((project.folder / place).exists() for place in places):
        project.run(*command(stage))
    return project.hashes(*places)


@contextmanager
def begins(project, stage):
    """A stage that has begun, its outputs removed as DVC does before it runs one."""
    for place in STAGES[stage]:
        project.remove(place)
    with project.started(*command(stage)) as process:
        wait_until(
            lambda: begun(project, stage) == process.pid or process.poll() is not None, process
        )
        yield process


def seconds_of(project, stage):
    """The seconds that a stage takes after its beginning, if nothing kills it."""
    with begins(project, stage) as process:
        started = time.monotonic()
        printed, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, printed
    return time.monotonic() - started


def kill(project, stage, number, after):
    """Kills a stage some seconds after it has begun; whether it was still running."""
    before = leftovers(project)
    with begins(project, stage) as process:
        time.sleep(after)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        printed, _ = process.communicate(timeout=PATIENCE)
    if number == signal.SIGTERM and process.returncode != -number:
        ended = (process.returncode, "interrupted" in printed)
        assert ended in ((143, True), (0, False)), printed
        assert "Traceback" not in printed
        # What a killed run left goes once the next one writes.
        assert leftovers(project) <= before
    else:
        # Nothing but the signal ended it.
        assert process.returncode in (0, -number), printed
    return process.returncode != 0


def below(hashes, place):
    """Those of some files' hashes that are of a file or of what lies in a folder."""
    return {n: h for n, h in hashes.items() if n == place or n.startswith(f"{place}/")}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_at_any_moment_leaves_nothing_in_part(
    reproduced, stage, tmp_path, monkeypatch
):
    project, places = reproduced, STAGES[stage]
    whole = outputs_of(project, stage)
    if stage in QUICK:
        (tmp_path / "sitecustomize.py").write_text(SLOW, "utf-8")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    # The moments lie within the time that the stage takes on this machine.
    longest, moments = seconds_of(project, stage), np.random.default_rng(0)
    for number in (signal.SIGKILL, signal.SIGTERM):
        cut = 0
        for after in moments.uniform(0, longest, TRIES):
            running = kill(project, stage, number, after)
            found = project.hashes(*places)
            for place in places:
                assert below(found, place) in ({}, below(whole, place))
            # A stage that has all of its outputs has done its work.
            cut += running and found != whole
            if cut == ENOUGH:
                break
        assert cut
    project.run(*command(stage))
    assert project.hashes(*places) == whole
    assert leftovers(project) == set()


def test_ctrl_c_while_tensorflow_is_imported_shows_no_traceback(reproduced):
    project, whole = reproduced, reproduced.hashes(*TRAINED)
    # A shell's background job, as tests may be, ignores Ctrl-C, and what it starts does, too.
    heeding = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    with project.started(*command("train ab"), **heeding) as process:
        maps = Path(f"/proc/{process.pid}/maps")
        wait_until(lambda: "libtensorflow" in maps.read_text(), process)
        os.killpg(process.pid, signal.SIGINT)
        printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGINT
    assert "Traceback" not in printed
    assert project.hashes(*TRAINED) == whole
    assert leftovers(project) == set()


@pytest.mark.parametrize("stage", ["train ab", "evaluate ab"])
def test_ctrl_c_ends_a_stage_at_once_beside_busy_processes(reproduced, stage):
    """Python would free TensorFlow's objects first, which waits for the threads of TensorFlow."""
    project, places = reproduced, STAGES.get(stage, TRAINED)
    whole = outputs_of(project, stage)
    heeding = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    moments = np.random.default_rng(1)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(project.started(sys.executable, "-c", "while True: pass"))
        for _ in range(2):
            with project.started(*command(stage), **heeding) as process:
                wait_until(lambda: begun(project, stage) == process.pid, process)
                time.sleep(moments.uniform(0, 4))
                os.killpg(process.pid, signal.SIGINT)
                told = time.monotonic()
                printed, _ = process.communicate(timeout=PATIENCE)
                seconds = time.monotonic() - told
            if process.returncode != 0:  # it had ended before
                assert process.returncode == 128 + signal.SIGINT, printed
                assert printed.endswith("interrupted\n"), printed
                assert seconds < 10
            assert project.hashes(*places) == whole
    project.run(*command(stage))
    assert project.hashes(*places) == whole
    assert leftovers(project) == set()


def limited(project, stage, size):
    """Runs a stage that may write no file of more bytes; its status, and what it printed."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    with project.started(*command(stage), preexec_fn=limit) as process:
        printed, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, printed


@pytest.mark.parametrize("stage", [*STAGES, "train ab"])
def test_no_room_is_one_line_and_leaves_what_was_there(reproduced, stage):
    project, places = reproduced, STAGES.get(stage, TRAINED)
    whole = outputs_of(project, stage)
    largest = max((project.folder / name).stat().st_size for name in whole)
    status, printed = limited(project, stage, largest // 2)
    assert status == 1, printed
    errors = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, printed
    assert "cannot be written, the disk is full" in errors[0]
    assert "Traceback" not in printed
    assert project.hashes(*places) == whole
    assert leftovers(project) == set()


def test_a_stage_runs_once_at_a_time(reproduced):
    project = reproduced
    with project.started(*command("remap b")) as process:
        wait_until(lambda: begun(project, "remap b") == process.pid, process)
        process.send_signal(signal.SIGSTOP)
        printed = project.run(*command("remap b"), ok=False)
    assert f"error: this stage is already running as process {process.pid}; wait" in printed
    project.run(*command("remap b"))


def test_workers_do_not_outlive_a_stage_that_is_killed(reproduced):
    with reproduced.started(*command("download b")) as process:
        workers = wait_until(psutil.Process(process.pid).children, process)
        process.kill()  # it alone
        _, alive = psutil.wait_procs(workers, PATIENCE)
        assert not alive
    reproduced.run(*command("download b"))


@pytest.mark.parametrize(
    ("settings", "number"),
    [(EVERYTHING, signal.SIGKILL), (EFFICIENTNET, signal.SIGTERM)],
    ids=["unet", "efficientnet_lite0"],
)
def test_a_killed_training_goes_on_and_ends_in_the_same_bytes(reproduced, settings, number):
    project = reproduced
    project.set_params(**settings)
    project.run("dvc", "repro", "train@ab")
    whole = project.hashes(*TRAINED)
    assert f"{TRAINED[0]}/model.keras" in whole
    state = project.folder / "models/.training/ab/state.npz"
    with project.started(*FORCED) as process:
        wait_until(state.exists, process)
        os.killpg(process.pid, number)
        process.communicate(timeout=PATIENCE)
    assert project.hashes(*TRAINED) == {}
    printed = project.run("dvc", "repro", "train@ab")
    assert re.search(r"^train ab: .* from epoch \d+", printed, re.MULTILINE), printed
    assert project.hashes(*TRAINED) == whole
    assert leftovers(project) == set()
