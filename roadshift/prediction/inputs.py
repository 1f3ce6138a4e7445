"""What there is to predict in a folder, and what its outputs are called."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from roadshift.errors import RoadshiftError

PICTURES = {
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".avif", ".webp", ".gif"),
    *(".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pnm", ".tga"),
}
VIDEOS = {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts"}


@dataclass(frozen=True)
class Input:
    """A picture or a video."""

    file: Path
    name: Path
    """Relative to the folders of outputs, without a suffix; no two inputs share one."""

    @property
    def is_video(self) -> bool:
        """Whether it is a video, by its suffix."""
        return self.file.suffix.lower() in VIDEOS


def find_inputs(place: Path, out: Path) -> tuple[list[Input], list[Path]]:
    """Finds pictures and videos, in folders of folders too.

    Files and folders whose names begin with a dot are left out.

    Args:
        place: a file, or a folder.
        out: the folder that the outputs go to, which must not lie in the folder of inputs.

    Returns:
        The inputs, sorted; and the files of the folder that are of another kind.

    Raises:
        RoadshiftError: there is nothing at `place`, or inputs and outputs would mix.
    """
    if place.is_file():
        _check_apart(place.parent, out, place)
        return [Input(place, Path(place.stem))], []
    if not place.is_dir():
        raise RoadshiftError(f"{place}: there is no such file or folder")
    _check_apart(place, out, place)
    if out.resolve().is_relative_to(place.resolve()):
        raise RoadshiftError(
            f"{out}: lies in {place}, where the next run would take it for pictures; name another "
            "folder with --out"
        )
    files = sorted(file for file in place.rglob("*") if file.is_file() and _seen(file, place))
    wanted = [file for file in files if file.suffix.lower() in PICTURES | VIDEOS]
    if not wanted:
        raise RoadshiftError(f"{place}: no picture and no video in it")
    return _named(wanted, place), [file for file in files if file not in {*wanted}]


def _check_apart(inputs: Path, out: Path, place: Path) -> None:
    """Refuses to read what predictions were written to: it would be overwritten."""
    if inputs.resolve().is_relative_to(out.resolve()):
        raise RoadshiftError(
            f"{place}: lies in {out}, where the outputs go; name another folder with --out"
        )


def _seen(file: Path, place: Path) -> bool:
    return not any(part.startswith(".") for part in file.relative_to(place).parts)


def _named(files: list[Path], place: Path) -> list[Input]:
    plain = [file.relative_to(place).with_suffix("") for file in files]
    shared = Counter(plain)
    # a.png and a.jpg become a.png.png and a.jpg.png.
    return [
        Input(file, name if shared[name] == 1 else file.relative_to(place))
        for file, name in zip(files, plain, strict=True)
    ]
