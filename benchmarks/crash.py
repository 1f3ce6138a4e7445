"""Kills the workflow at random moments until it ends, and checks its outputs.

Run by hand: `python -m benchmarks.crash [--kills 30] [--seed 0]`.

The workflow is the miniature of the tests, run by the real DVC. One copy runs undisturbed. In
another, `dvc repro` and all its processes are killed (SIGKILL) at moments drawn from a seed, again
and again until it ends by itself; if kills are left then, the next copy starts. Every output of
each copy must have the hash that it has in the first. Each kill is a line of the table, with the
messages of the run after it; the exit status is 0 if nothing was lost.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import yaml

from tests.miniature import Miniature, make_miniature

RUNNING = re.compile(r"Running stage '([^']+)'")
MESSAGES = re.compile(r"resuming from epoch \d+|checkpoint is [^;]+|error: .*|ERROR: .*")
EVERY_STEP = {
    "aug": {"classmix": 0.5},
    "reg": {"ema_decay": 0.9, "dropout": 0.2},
    "train": {"epochs": 4, "precise_bn_batches": 2},
}
"""Settings under which a training has every kind of state."""
CUT_FILES = {"RWLock-file": ".dvc/tmp/rwlock", "dvc.lock": "dvc.lock"}
"""The files that DVC does not write atomically, by a word of its message about a cut one."""


def begin(folder: Path, name: str) -> Miniature:
    """A copy of the workflow in which no stage has run, with its own cache."""
    (folder / name).mkdir()
    project = make_miniature(folder / name, folder / f"{name}-cache")
    project.set_params(**EVERY_STEP)
    project.commit("settings")
    return project


def outputs(project: Miniature) -> dict[str, str]:
    """SHA-256 of every file that the stages have written, by its path."""
    lock = yaml.safe_load((project.folder / "dvc.lock").read_text("utf-8"))
    places = [out["path"] for stage in lock["stages"].values() for out in stage["outs"]]
    return project.hashes(*places)


def run_for(project: Miniature, seconds: float) -> tuple[int, str]:
    """Runs the workflow for some seconds; returns its exit status and its output."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            ("dvc", "repro"), cwd=project.folder, env=project.environment,
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.seek(0)
        printed = log.read()
    return process.returncode, printed


def remedy(project: Miniature, printed: str) -> None:
    """Removes a file of DVC's that a kill has cut; every other failure counts as a loss."""
    for message, name in CUT_FILES.items():
        if message in printed and (project.folder / name).exists():
            (project.folder / name).unlink()
            return
    sys.exit(f"{printed}\nLOST: the workflow did not resume after a kill")


def main() -> None:
    """Runs, kills, and compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30, help="number of kills")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    options = parser.parse_args()
    moments = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        undisturbed = begin(folder, "undisturbed")
        start = time.monotonic()
        undisturbed.run("dvc", "repro")
        seconds = time.monotonic() - start
        expected = outputs(undisturbed)
        print(f"undisturbed: {len(expected)} files in {seconds:.0f} s", flush=True)
        print(f"{'kill':>4}  {'copy':>4}  {'second':>6}  {'killed in':<14}the next run", flush=True)
        kills, copies, cut, lost = 0, 0, 0, 0
        killed_in: Counter[str] = Counter()
        while kills < options.kills:
            copies += 1
            project = begin(folder, f"copy{copies}")
            ended, row = False, ""
            while not ended:
                # At most a third of the undisturbed time, so that kills fall into all stages.
                limit = moments.uniform(0.5, seconds / 3) if kills < options.kills else 10 * seconds
                status, printed = run_for(project, limit)
                ran = RUNNING.findall(printed)
                messages = [*ran[:1], *MESSAGES.findall(printed)]
                if row:
                    print(row + ("; ".join(messages) or "no message"), flush=True)
                    row = ""
                ended = status == 0
                if status == -signal.SIGKILL:
                    kills += 1
                    stage = ran[-1] if ran else "no stage"
                    killed_in[stage.partition("@")[0]] += 1
                    row = f"{kills:>4}  {copies:>4}  {limit:>6.1f}  {stage:<14}"
                elif not ended:
                    cut += 1
                    remedy(project, printed)
            found = outputs(project)
            differ = {n for n in expected.keys() | found if expected.get(n) != found.get(n)}
            left = list(project.folder.rglob(".*.partial"))
            lost += len(differ) + len(left)
            print(f"copy {copies} has ended: {len(differ)} of {len(expected)} files differ "
                  f"{sorted(differ)[:5]}, {len(left)} are left over")  # fmt: skip
    print(", ".join(f"{stage} {count}" for stage, count in killed_in.most_common()))
    print(f"files of DVC's that were cut, and removed: {cut}")
    print(f"{kills} kills, {copies} copies: {'LOST' if lost else 'none lost, all equal'}")
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
