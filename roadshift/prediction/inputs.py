"""Finds the images and videos to predict, and names their outputs."""

import unicodedata
from collections import Counter
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from roadshift.datasets.walk import find_files, is_image
from roadshift.errors import RoadshiftError

VIDEO_SUFFIXES = {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts"}


@dataclass(frozen=True)
class Input:
    """An image or a video.

    Attributes:
        file: file of the image or video.
        name: path of its outputs, relative to their folder, without a suffix; no two inputs have an
            output in common, even where file systems do not tell upper and lower case apart.
    """

    file: Path
    name: Path

    @property
    def is_video(self) -> bool:
        """Whether the input is a video, by its suffix."""
        return _is_video(self.file)


def find_inputs(path: Path, out: Path) -> tuple[list[Input], list[Path]]:
    """Finds images and videos in a folder and its subfolders, linked ones included.

    Files and folders whose names begin with a dot are left out, and so is what systems leave
    behind. A subfolder that cannot be read and a link that leads nowhere are inputs, which fail
    when they are predicted: nothing is left out unnoticed.

    Args:
        path: file, or folder of files.
        out: folder of the outputs; it must not lie in the folder of inputs.

    Returns:
        The inputs, sorted; and the files of the folder that are neither images nor videos.

    Raises:
        RoadshiftError: nothing is at `path`, it has no image and no video, or inputs and outputs
            would mix.
    """
    if path.is_file():
        _check_apart(path.parent, out, path)
        _check_apart(path, out, path)
        return [Input(path, Path(path.stem))], []
    if not path.is_dir():
        raise RoadshiftError(f"{path}: there is no such file or folder")
    found = find_files(path)
    if path in found.unread:
        raise RoadshiftError(f"{path}: {found.unread[path]}; name another file or folder")
    for folder in (path, *found.linked):
        _check_apart(folder, out, path)
        if out.resolve().is_relative_to(folder.resolve()):
            raise RoadshiftError(
                f"{out}: lies in {folder}, where the next run would take the outputs for inputs; "
                "name another folder with --out"
            )
    files = [path / name for name in found.files]
    wanted = [file for file in files if is_image(file) or _is_video(file)]
    for file in wanted:
        if file.is_symlink():
            _check_apart(file, out, file)
    if not wanted and not found.unread:
        raise RoadshiftError(f"{path}: holds no image and no video; name another file or folder")
    others = [file for file in files if not (is_image(file) or _is_video(file))]
    return _named(sorted([*wanted, *found.unread]), path), others


def _check_apart(inputs: Path, out: Path, path: Path) -> None:
    """Refuses inputs that lie in the folder of outputs, where they could be overwritten."""
    if inputs.resolve().is_relative_to(out.resolve()):
        raise RoadshiftError(
            f"{path}: lies in {out}, where the outputs go; name another folder with --out"
        )


def _is_video(file: Path) -> bool:
    return file.suffix.lower() in VIDEO_SUFFIXES


def _named(files: list[Path], path: Path) -> list[Input]:
    plain = {file: file.relative_to(path).with_suffix("") for file in files}
    shared = Counter(map(_key, plain.values()))
    outputs: set[str] = set()
    folders: set[str] = set()
    names: dict[Path, Path] = {}
    # The deepest first, since the folders of their outputs cannot have other names. A video's
    # folder of frames is one for itself, so images in a folder of that name go before, too.
    for file in sorted(files, key=lambda file: (-len(file.parts), _is_video(file), file)):
        full = file.relative_to(path)
        # a.png and a.jpg become a.png.png and a.jpg.png.
        choices = [plain[file], full] if shared[_key(plain[file])] == 1 else [full]
        further = (full.with_name(f"{full.name}-{number}") for number in count(2))
        for name in chain(choices, further):
            made = [name.with_name(f"{name.name}{'.mp4' if _is_video(file) else '.png'}")]
            made += [name] * _is_video(file)
            if not {*map(_key, made)} & (outputs | folders):
                break
        names[file] = name
        outputs |= {*map(_key, made)}
        folders |= {_key(folder) for folder in name.parents}
    return [Input(file, names[file]) for file in files]


def _key(name: Path) -> str:
    """Returns a path as file systems that ignore letter case and forms of accents compare it."""
    return unicodedata.normalize("NFC", name.as_posix()).casefold()
