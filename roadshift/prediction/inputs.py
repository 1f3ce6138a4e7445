"""Finds the images and videos to predict, and names their outputs."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from roadshift.errors import RoadshiftError

IMAGE_SUFFIXES = {
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".avif", ".webp", ".gif"),
    *(".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pnm", ".tga"),
}
VIDEO_SUFFIXES = {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts"}


@dataclass(frozen=True)
class Input:
    """An image or a video.

    Attributes:
        file: file of the image or video.
        name: path of its outputs, relative to their folder, without a suffix; no two inputs share
            one.
    """

    file: Path
    name: Path

    @property
    def is_video(self) -> bool:
        """Whether the input is a video, by its suffix."""
        return self.file.suffix.lower() in VIDEO_SUFFIXES


def find_inputs(path: Path, out: Path) -> tuple[list[Input], list[Path]]:
    """Finds images and videos in a folder and its subfolders.

    Files and folders whose names begin with a dot are left out.

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
        return [Input(path, Path(path.stem))], []
    if not path.is_dir():
        raise RoadshiftError(f"{path}: there is no such file or folder")
    _check_apart(path, out, path)
    if out.resolve().is_relative_to(path.resolve()):
        raise RoadshiftError(
            f"{out}: lies in {path}, where the next run would take the outputs for inputs; name "
            "another folder with --out"
        )
    files = sorted(file for file in path.rglob("*") if file.is_file() and _visible(file, path))
    wanted = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES]
    if not wanted:
        raise RoadshiftError(f"{path}: holds no image and no video; name another file or folder")
    return _named(wanted, path), [file for file in files if file not in {*wanted}]


def _check_apart(inputs: Path, out: Path, path: Path) -> None:
    """Refuses inputs that lie in the folder of outputs, where they could be overwritten."""
    if inputs.resolve().is_relative_to(out.resolve()):
        raise RoadshiftError(
            f"{path}: lies in {out}, where the outputs go; name another folder with --out"
        )


def _visible(file: Path, path: Path) -> bool:
    return not any(part.startswith(".") for part in file.relative_to(path).parts)


def _named(files: list[Path], path: Path) -> list[Input]:
    plain = [file.relative_to(path).with_suffix("") for file in files]
    shared = Counter(plain)
    # a.png and a.jpg become a.png.png and a.jpg.png.
    return [
        Input(file, name if shared[name] == 1 else file.relative_to(path))
        for file, name in zip(files, plain, strict=True)
    ]
