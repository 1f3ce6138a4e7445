"""A miniature of the whole project: its own code and dvc.yaml, on tiny synthetic sets."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from roadshift.checksum import sha256_of

PROJECT = Path(__file__).parents[1]
TINY = {
    "domains": {"a": "tiny_noon", "b": "tiny_overcast", "target": "tiny_dusk"},
    "model": {"encoder": "unet", "weights": "none", "base_filters": 4},
    "train": {
        "epochs": 2, "steps_per_epoch": 3, "batch_size": 4, "crop_height": 32, "crop_width": 64,
        "learning_rate": 0.01, "warmup_epochs": 0.5,
    },
    "evaluate": {"bootstrap_samples": 50},
}  # fmt: skip


@dataclass
class Miniature:
    folder: Path

    @property
    def environment(self):
        bin_folder = str(Path(sys.executable).parent)
        return {
            **os.environ,
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            # What DVC prints must not wait behind what its stages print.
            "PYTHONUNBUFFERED": "1",
        }

    def run(self, *command, ok=True):
        """Runs a command in the project as a user would; returns what it printed."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert (done.returncode == 0) == ok, done.stdout
        return done.stdout

    @contextmanager
    def started(self, *command, **options):
        """A command that runs, its output in `stdout`; it is killed, with all it has started."""
        process = subprocess.Popen(
            command, cwd=self.folder, env=self.environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options,
        )  # fmt: skip
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def changed_stages(self):
        """The stages that `dvc repro` would run, but the one that it always runs."""
        return {*json.loads(self.run("dvc", "status", "--json"))} - {"check_inputs"}

    def remove(self, place):
        path = self.folder / place
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def hashes(self, *places):
        """SHA-256 of every file, hidden ones included, below some places that need not exist."""
        found = [f for p in places for f in (self.folder / p, *(self.folder / p).rglob("*"))]
        return {f.relative_to(self.folder).as_posix(): sha256_of(f) for f in found if f.is_file()}

    def set_params(self, **sections):
        file = self.folder / "params.yaml"
        content = yaml.safe_load(file.read_text("utf-8"))
        for section, values in sections.items():
            content[section] = (
                {**content[section], **values} if isinstance(values, dict) else values
            )
        file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")

    def commit(self, message):
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", message)


def write_tiny_set(folder, world, name=None, **changes):
    """Adds a card, `tiny_<world>` or of another name: a few small images of a world.

    Args:
        folder: folder of the project.
        world: name of the world.
        name: name of the card.
        changes: further fields of the card.
    """
    cards, worlds = folder / "roadshift/datasets/cards", folder / "roadshift/synthetic/worlds"
    content = yaml.safe_load((worlds / f"{world}.yaml").read_text("utf-8"))
    content |= {"width": 64, "height": 40}
    (worlds / f"tiny_{world}.yaml").write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    card = yaml.safe_load((cards / f"synthetic_{world}.yaml").read_text("utf-8"))
    card |= {"world": f"tiny_{world}", "samples": {"train": 6, "val": 2, "test": 3}, **changes}
    (cards / f"{name or f'tiny_{world}'}.yaml").write_text(
        yaml.safe_dump(card, sort_keys=False), "utf-8"
    )


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    """What one miniature has drawn and packed, the next takes from here."""
    return tmp_path_factory.mktemp("cache")


def copy_project(folder, cache):
    """Copies the project as it stands, without its results."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, check=True, capture_output=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, listed):
        if (PROJECT / name).is_file() and not name.startswith(("metrics/", "dvc.lock", "tests/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT / name, folder / name)
    project = Miniature(folder)
    project.run("git", "init", "--quiet", "--initial-branch", "main")
    project.run("git", "config", "user.name", "tester")
    project.run("git", "config", "user.email", "tester@example.org")
    project.run("dvc", "cache", "dir", "--local", str(cache))
    return project


def make_miniature(folder, cache):
    """Copies the project, shrinks its settings and data, and commits it."""
    project = copy_project(folder, cache)
    for world in ("noon", "overcast", "dusk"):
        write_tiny_set(folder, world)
    project.set_params(**TINY)
    project.commit("miniature")
    return project


@pytest.fixture(scope="module")
def default_project(tmp_path_factory, shared_cache):
    """The project at its own size."""
    project = copy_project(tmp_path_factory.mktemp("default"), shared_cache)
    project.commit("default")
    return project


@pytest.fixture(scope="module")
def miniature(tmp_path_factory, shared_cache):
    return make_miniature(tmp_path_factory.mktemp("miniature"), shared_cache)
