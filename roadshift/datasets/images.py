"""Reading pictures and labels from files, strictly."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from roadshift.errors import RoadshiftError

ORIENTATION = 0x0112
"""The EXIF tag that says how a picture is turned; 1 is upright."""
LOSSY = ("JPEG", "MPO")
"""Formats that blur ids and colours into others."""


@contextmanager
def opened(file: Path) -> Iterator[Image.Image]:
    """Opens a picture; what is wrong with it, then or in the block, names the file.

    Raises:
        RoadshiftError: the file is missing, empty, truncated, too large or no picture.
    """
    try:
        with warnings.catch_warnings():
            # Between the size that Pillow warns of and the one that it refuses are panoramas.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(file)
        with picture:
            yield picture
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing") from None
    except UnidentifiedImageError:
        raise RoadshiftError(f"{file}: not a picture that can be read; replace it") from None
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise RoadshiftError(
            f"{file}: more than {most} pixels, which would fill the memory; scale it down or cut "
            "it into parts"
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise RoadshiftError(f"{file}: a damaged picture ({error}); replace it") from None


def read_label(file: Path, kind: str) -> np.ndarray:
    """Reads a label picture as it was published.

    Args:
        file: the label.
        kind: 'grey' for ids of up to 8 bits a pixel, in grey or as indices of a palette;
            'grey16' for ids in 16-bit grey; 'red16' for the red channel of 16-bit RGB; 'colour'
            for RGB, or a palette's colours.

    Returns:
        int32 (height, width) for colours, packed as red * 65536 + green * 256 + blue; uint16
        (height, width) for ids of 16 bits; uint8 (height, width) for others.

    Raises:
        RoadshiftError: the file cannot be read, is of another kind or of a format that loses
            values, or says that it is turned.
    """
    if kind == "red16":
        return _red16(file)
    with opened(file) as picture:
        if picture.format in LOSSY:
            raise RoadshiftError(
                f"{file}: a JPEG, which blurs labels into others; put the PNG it was made from"
            )
        label = _of_kind(picture, file, kind)
        # After the pixels: to look for it may make Pillow read them, and forget how they are kept.
        if picture.getexif().get(ORIENTATION, 1) != 1:
            raise RoadshiftError(f"{file}: a label that EXIF says is turned; save it upright")
        return label


def _of_kind(picture: Image.Image, file: Path, kind: str) -> np.ndarray:
    if kind == "grey":
        return _grey(picture, file)
    if kind == "grey16":
        if not picture.mode.startswith("I;16"):
            raise RoadshiftError(f"{file}: expected 16-bit grey, found mode {picture.mode}")
        return np.asarray(picture).astype(np.uint16)
    if _is_deep(picture):
        raise RoadshiftError(f"{file}: expected 8-bit RGB colours, found 16 bits a channel")
    if picture.mode not in ("RGB", "P") and not _is_opaque_rgba(picture):
        raise RoadshiftError(f"{file}: expected RGB colours, found mode {picture.mode}")
    return packed_colours(np.asarray(picture.convert("RGB")))


def packed_colours(colours: np.ndarray) -> np.ndarray:
    """Packs uint8 RGB (height, width, 3) as red * 65536 + green * 256 + blue, int32 (H, W)."""
    red, green, blue = np.moveaxis(colours, -1, 0)
    return (red.astype(np.int32) << 16) | (green.astype(np.int32) << 8) | blue


def _grey(picture: Image.Image, file: Path) -> np.ndarray:
    # A palette picture's bytes are the ids; its colours are for looking only.
    if picture.mode not in ("L", "P", "1"):
        raise RoadshiftError(f"{file}: expected one grey byte a pixel, found mode {picture.mode}")
    # Pillow stretches grey of 2 and 4 bits to 0..255 as it reads; ids are what was stored.
    raw_mode = picture.tile[0][3] if picture.tile else None  # type: ignore[attr-defined]
    stretched = {"L;2": 85, "L;4": 17}.get(str(raw_mode), 1)
    return np.asarray(picture).astype(np.uint8) // stretched


def _red16(file: Path) -> np.ndarray:
    # Pillow keeps the high byte of 16-bit colours alone, and ids are in the low one: read as of
    # the other byte order, the other byte is kept.
    halves = []
    for order in ("RGB;16B", "RGB;16L"):
        with opened(file) as picture:
            tiles = getattr(picture, "tile", [])
            if picture.format != "PNG" or len(tiles) != 1 or tiles[0][3] != "RGB;16B":
                raise RoadshiftError(
                    f"{file}: expected a PNG of 16-bit RGB, found {picture.format} of mode "
                    f"{picture.mode}"
                )
            picture.tile = [(*tiles[0][:3], order)]  # type: ignore[attr-defined]
            halves.append(np.asarray(picture)[..., 0].astype(np.uint16))
    return halves[0] << 8 | halves[1]


def _is_deep(picture: Image.Image) -> bool:
    """Whether Pillow would keep the high byte alone of 16-bit colours; to be asked before it does.

    The raw mode tells, such as 'RGB;16B' in PNG, or the largest value in PPM.
    """
    for codec, _, _, arguments in getattr(picture, "tile", []):
        raw_mode, *further = arguments if isinstance(arguments, tuple) else (arguments,)
        if ";16" in str(raw_mode) or (codec == "ppm" and further and further[0] > 255):
            return True
    return False


def _is_opaque_rgba(picture: Image.Image) -> bool:
    return picture.mode == "RGBA" and picture.getchannel("A").getextrema() == (255, 255)


def picture_size(file: Path) -> tuple[int, int]:
    """Width and height as seen, with the EXIF orientation honoured; reads the header only.

    Raises:
        RoadshiftError: the file cannot be read.
    """
    with opened(file) as picture:
        width, height = picture.size
        turned = picture.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
    return (height, width) if turned else (width, height)


def read_image(file: Path) -> np.ndarray:
    """Reads a picture as uint8 RGB of shape (height, width, 3), upright.

    Raises:
        RoadshiftError: the file cannot be read, or has more than eight bits a channel.
    """
    with opened(file) as picture:
        deep = picture.mode in ("I", "F") or picture.mode.startswith("I;16")
        if deep or _is_deep(picture):
            raise RoadshiftError(
                f"{file}: more than 8 bits a channel (mode {picture.mode}); convert it to 8 bits"
            )
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


def read_any_image(file: Path) -> np.ndarray:
    """Reads a picture as a person sees it: uint8 RGB of shape (height, width, 3), upright.

    For pictures to look at; those of a data set are read by `read_image`, which doubts more.
    What is transparent is white, 16 bits of grey become 8, and colours of any kind become RGB.

    Raises:
        RoadshiftError: the file cannot be read, or its values have no known white.
    """
    with opened(file) as picture:
        upright = ImageOps.exif_transpose(picture)
        if upright.mode.startswith("I"):
            grey = np.asarray(upright)
            if grey.min() < 0 or grey.max() > 0xFFFF:
                raise RoadshiftError(f"{file}: more than 16 bits a channel; convert it to 8 bits")
            return np.dstack([np.rint(grey / 257).astype(np.uint8)] * 3)
        if upright.mode == "F":
            raise RoadshiftError(f"{file}: floating-point values; convert it to 8 bits")
        if upright.has_transparency_data:
            upright = upright.convert("RGBA")
            paper = Image.new("RGBA", upright.size, "white")
            upright = Image.alpha_composite(paper, upright)
        return np.asarray(upright.convert("RGB"))
