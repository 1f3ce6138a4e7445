"""Writes the same shards in every way, and compares every file.

    python -m benchmarks.shard_ways [--images 48] [--beam]

The ways are this process alone, one, two and four processes, forked and spawned, and with `--beam`
Apache Beam's direct runner, in the environment that `make beam` creates. The exit status is 1 if
a way writes other bytes.
"""

import argparse
import subprocess
import sys
import time
from filecmp import cmpfiles
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.large_sets import KITTI, make_set

PROCESSES = (1, 2, 4)


def ways(beam: bool) -> list[tuple[str, int]]:
    """Lists the ways, each with its number of processes."""
    names = ["fork", "spawn", *(["beam"] if beam else [])]
    return [("here", 1), *((name, number) for name in names for number in PROCESSES)]


def stage(*arguments: str) -> float:
    """Runs a data stage; returns its seconds."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.data_stages", *arguments],
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)
    return time.monotonic() - started


def main() -> int:
    """Prints a line for each way; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=48, help="number of images")
    parser.add_argument("--beam", action="store_true", help="try Apache Beam, too")
    options = parser.parse_args()
    differ = False
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for kind in ("png", "jpg"):
            make_set(folder / kind, KITTI, options.images, kind)
            for name in ("download", "remap"):
                stage(name, str(folder / kind))
            for way, number in ways(options.beam):
                shards = folder / kind / "shards"
                took = stage("shard", str(folder / kind), "--way", way, "--processes", str(number))
                first = folder / kind / "first"
                if way == "here":
                    shards.rename(first)
                    print(f"{kind} {way:6}{took:8.1f} s", flush=True)
                    continue
                names = {file.name for each in (first, shards) for file in each.iterdir()}
                same, *_ = cmpfiles(first, shards, names, shallow=False)
                differ = differ or set(same) != names
                print(
                    f"{kind} {way:6}{took:8.1f} s by {number}: {len(same)} of {len(names)} files "
                    "have the same bytes",
                    flush=True,
                )
    return int(differ)


if __name__ == "__main__":
    sys.exit(main())
