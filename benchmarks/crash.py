"""Kills the workflow at random moments until it has come to its end, and looks what it comes to.

Run by hand: `python -m benchmarks.crash [--kills 30] [--seed 0]`.

The workflow is the miniature of the tests, by the real DVC. One copy runs undisturbed. In others
`dvc repro` is started, and killed with all that it has started (SIGKILL) at moments drawn from a
seed, again and again until it ends by itself; where kills are left then, another copy is begun.
Every output of each copy must have the hash that it has in the first. Prints a line a kill, and
what the run after it said; the exit status is 0 where nothing was lost.
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

from tests.stages.conftest import Miniature, make_miniature

RUNNING = re.compile(r"Running stage '([^']+)'")
TOLD = re.compile(r"going on from epoch \d+|thrown away|error: .*|ERROR: .*")
EVERY_STEP = {
    "aug": {"classmix": 0.5},
    "reg": {"ema": 0.9, "dropout": 0.2},
    "train": {"epochs": 4, "precise_statistics": 2},
}
"""Settings with all that a training has a state of."""
CUT = {"RWLock-file": ".dvc/tmp/rwlock", "dvc.lock": "dvc.lock"}
"""DVC's own notes, which it does not write whole: what it says of one that is cut, and which to
remove then."""


def begin(folder: Path, name: str) -> Miniature:
    """A copy of the workflow in which nothing has run, with a cache of its own."""
    (folder / name).mkdir()
    project = make_miniature(folder / name, folder / f"{name}-cache")
    project.set_params(**EVERY_STEP)
    project.commit("settings")
    return project


def outputs(project: Miniature) -> dict[str, str]:
    """The hash of every file that the stages have written, by name."""
    lock = yaml.safe_load((project.folder / "dvc.lock").read_text("utf-8"))
    places = [out["path"] for stage in lock["stages"].values() for out in stage["outs"]]
    return project.hashes(*places)


def run_for(project: Miniature, seconds: float) -> tuple[int, str]:
    """Runs the workflow for a while; its exit status, and what it printed."""
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
    """Removes a note of DVC's that a kill has cut; anything else that stops it is a loss."""
    for said, name in CUT.items():
        if said in printed and (project.folder / name).exists():
            (project.folder / name).unlink()
            return
    sys.exit(f"{printed}\nLOST: the workflow did not go on after a kill")


def main() -> None:
    """Runs, kills, and compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    moments = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        undisturbed = begin(folder, "undisturbed")
        begun = time.monotonic()
        undisturbed.run("dvc", "repro")
        seconds = time.monotonic() - begun
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
                # Up to a third of the whole, so that kills fall into all of its stages.
                limit = moments.uniform(0.5, seconds / 3) if kills < options.kills else 10 * seconds
                status, printed = run_for(project, limit)
                ran = RUNNING.findall(printed)
                told = [*ran[:1], *TOLD.findall(printed)]
                if row:
                    print(row + ("; ".join(told) or "nothing yet"), flush=True)
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
    print(f"notes of DVC's that were cut, and removed: {cut}")
    print(f"{kills} kills, {copies} copies: {'LOST' if lost else 'none lost, all equal'}")
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
