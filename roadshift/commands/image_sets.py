"""The images that a user names: a file, a folder, or a folder with images/ in it."""

from pathlib import Path

from roadshift.datasets.walk import find_files, is_image
from roadshift.errors import RoadshiftError


def images_of(place: Path) -> list[Path]:
    """Lists images, of subfolders, too, sorted.

    Folders that cannot be read and links that lead nowhere are in the list and fail when they are
    read, so that nothing is left out unnoticed. Of a folder as the cards 'folder' and 'unlabelled'
    describe it, only what lies in images/ counts, since labels are images, too.

    Raises:
        RoadshiftError: nothing is there, or no image.
    """
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise RoadshiftError(f"{place}: there is no such file or folder")
    inner = place / "images"
    if inner.is_dir():
        place = inner
    found = find_files(place)
    if place in found.unread:
        raise RoadshiftError(f"{place}: {found.unread[place]}; name another file or folder")
    images = sorted([*(place / name for name in found.files if is_image(name)), *found.unread])
    if not images:
        raise RoadshiftError(f"{place}: holds no image; name another file or folder")
    return images
