"""Shards written by several processes, and what becomes of them when these are stopped."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from roadshift.datasets.samples import read_manifest, write_manifest
from roadshift.errors import RoadshiftError
from roadshift.records.writer import write_shards
from roadshift.taxonomy import load_taxonomy

PROJECT = Path(__file__).parents[2]
PATIENCE = 240
# The tests' own process has run TensorFlow, after which no process may be forked off it.
PROGRAM = """
import multiprocessing, sys
from functools import partial
from pathlib import Path
from roadshift.atomic import atomic_folder
from roadshift.datasets.samples import read_manifest
from roadshift.errors import RoadshiftError
from roadshift.interruption import end_interrupted, raise_on_signals
from roadshift.records.writer import write_shards
from roadshift.taxonomy import load_taxonomy
from roadshift.workers import parallel_map

def main():
    raise_on_signals()
    method, *numbers = sys.argv[3:]
    multiprocessing.set_start_method(method)
    source, place = map(Path, sys.argv[1:3])
    for number in numbers:
        with atomic_folder(place / number) as folder:
            write_shards(read_manifest(source / "m.csv"), ("train", "val"),
                images=source / "images", labels=source / "labels", dataset="toy",
                taxonomy=load_taxonomy("driving11"), shard_megabytes=1, folder=folder,
                over_shards=partial(parallel_map, processes=int(number)))

if __name__ == "__main__":
    try:
        main()
    except RoadshiftError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt as interrupt:
        end_interrupted(interrupt)
"""


@pytest.fixture
def source(tmp_path, toy_samples):
    """A folder with images of 0.3 MB, which make seven shards, and their manifest."""
    folder = tmp_path / "source"
    samples = []
    for index, sample in enumerate(toy_samples(folder, {"train": 18, "val": 3})):
        noise = np.random.default_rng(index).integers(0, 256, (320, 320, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "images" / sample.image)
        Image.fromarray(noise[..., 0] % 11).save(folder / "labels" / sample.label)
        samples.append(replace(sample, width=320, height=320))
    write_manifest(samples, folder / "m.csv")
    folder.joinpath("program.py").write_text(PROGRAM, "utf-8")
    write_here(samples, folder)
    return folder


def write_here(samples, source, name="here"):
    (source / name).mkdir()
    write_shards(
        samples, ("train", "val"), images=source / "images", labels=source / "labels",
        dataset="toy", taxonomy=load_taxonomy("driving11"), shard_megabytes=1,
        folder=source / name,
    )  # fmt: skip


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def started(source, place, method, *numbers):
    return subprocess.Popen(
        [sys.executable, source / "program.py", source, place, method, *map(str, numbers)],
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONHASHSEED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=PROJECT,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("method", "numbers"), [("fork", (1, 2, 4)), ("spawn", (2,))])
def test_any_number_of_processes_writes_the_same_bytes(source, tmp_path, method, numbers):
    process = started(source, tmp_path / "there", method, *numbers)
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, printed
    assert "shard toy: 100%" in printed
    expected = contents(source / "here")
    assert len([name for name in expected if "-train.tfrecord" in name]) == 6
    for number in numbers:
        assert contents(tmp_path / "there" / str(number)) == expected


@pytest.mark.slow
def test_the_error_is_that_of_one_process_in_one_line(source, tmp_path):
    for name in sorted_images(source)[3:]:
        file = source / "images" / name
        file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(RoadshiftError, match="cannot be read") as caught:
        write_here(read_manifest(source / "m.csv"), source, "damaged")
    process = started(source, tmp_path / "there", "fork", 4)
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert [line for line in printed.splitlines() if line.startswith("error:")] == [
        f"error: {caught.value}"
    ]
    assert "Traceback" not in printed
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_all_processes_and_leaves_nothing_half_written(source, tmp_path, number):
    place = tmp_path / "there"
    # A queue in place of an image holds a worker up, in the middle of a shard.
    held_up = source / "images" / "held.png"
    os.mkfifo(held_up)
    rows = (source / "m.csv").read_text("utf-8")
    (source / "m.csv").write_text(rows.replace(sorted_images(source)[7], "held.png"), "utf-8")
    process = started(source, place, "fork", 2)
    try:
        wait_until(lambda: len(list(place.glob(".2.partial/*tfrecord*"))) >= 2, process)
        workers = psutil.Process(process.pid).children(recursive=True)
        assert len(workers) == 2
        process.send_signal(number)
        printed, _ = process.communicate(timeout=PATIENCE)
        _, alive = psutil.wait_procs(workers, timeout=30)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    assert alive == []
    assert not (place / "2").exists()
    if number == signal.SIGTERM:
        assert process.returncode == 128 + number
        assert "interrupted" in printed
        assert "Traceback" not in printed
        assert list(place.iterdir()) == []
    (source / "m.csv").write_text(rows, "utf-8")
    again = started(source, place, "fork", 2)
    printed, _ = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, printed
    assert [path.name for path in place.iterdir()] == ["2"]
    assert contents(place / "2") == contents(source / "here")


def sorted_images(source):
    return sorted(file.name for file in (source / "images").iterdir() if file.is_file())


def wait_until(met, process):
    deadline = time.monotonic() + PATIENCE
    while not met():
        if time.monotonic() > deadline or process.poll() is not None:
            raise AssertionError(process.stdout.read())
        time.sleep(0.01)
