"""Reading pictures and labels from files, strictly."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from roadshift.errors import RoadshiftError


@contextmanager
def opened(file: Path) -> Iterator[Image.Image]:
    """Opens a picture; what is wrong with it, then or in the block, names the file.

    Raises:
        RoadshiftError: the file is missing, empty, truncated, too large or no picture.
    """
    try:
        with Image.open(file) as picture:
            yield picture
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing") from None
    except UnidentifiedImageError:
        raise RoadshiftError(f"{file}: not a picture that can be read; replace it") from None
    except Image.DecompressionBombError as error:
        raise RoadshiftError(f"{file}: {error}") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise RoadshiftError(f"{file}: a damaged picture ({error}); replace it") from None


def read_label(file: Path, kind: str) -> np.ndarray:
    """Reads a label picture as it was published.

    Args:
        file: the label.
        kind: 'grey' for one byte a pixel, 'colour' for RGB.

    Returns:
        int64 (height, width) for colours, packed as red * 65536 + green * 256 + blue; uint8
        (height, width) for grey ids.

    Raises:
        RoadshiftError: the file cannot be read, or is of another kind.
    """
    with opened(file) as picture:
        if kind == "grey":
            # A palette picture's bytes are the ids; its colours are for looking only.
            if picture.mode not in ("L", "P"):
                raise RoadshiftError(
                    f"{file}: expected one grey byte a pixel, found mode {picture.mode}"
                )
            return np.asarray(picture)
        if picture.mode not in ("RGB", "P") and not _is_opaque_rgba(picture):
            raise RoadshiftError(f"{file}: expected RGB colours, found mode {picture.mode}")
        red, green, blue = np.moveaxis(np.asarray(picture.convert("RGB")), -1, 0)
    return (red.astype(np.int32) << 16) | (green.astype(np.int32) << 8) | blue


def _is_opaque_rgba(picture: Image.Image) -> bool:
    return picture.mode == "RGBA" and picture.getchannel("A").getextrema() == (255, 255)


def picture_size(file: Path) -> tuple[int, int]:
    """Width and height as seen, with the EXIF orientation honoured; reads the header only.

    Raises:
        RoadshiftError: the file cannot be read.
    """
    with opened(file) as picture:
        width, height = picture.size
        turned = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    return (height, width) if turned else (width, height)


def read_image(file: Path) -> np.ndarray:
    """Reads a picture as uint8 RGB of shape (height, width, 3), upright.

    Raises:
        RoadshiftError: the file cannot be read, or has more than eight bits a channel.
    """
    with opened(file) as picture:
        if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
            raise RoadshiftError(
                f"{file}: more than 8 bits a channel (mode {picture.mode}); convert it to 8 bits"
            )
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
