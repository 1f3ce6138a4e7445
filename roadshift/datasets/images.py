"""Reading images and labels from files, strictly."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from roadshift.datasets.exif import exif_of
from roadshift.datasets.lossless import lossy_compression
from roadshift.errors import RoadshiftError

ORIENTATION = 0x0112
"""EXIF tag of an image's orientation; 1 is upright."""
MOST_METADATA = 64 << 20
"""Largest size of a PNG's texts and colour profile in memory, in bytes."""

# Pillow's own bound on a compressed text is 1 MiB, which the notes of some editors exceed.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = MOST_METADATA


# What Pillow raises for damaged files, and for those whose encoding it does not support.
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    struct.error,
    zlib.error,
)


class LossyLabelError(RoadshiftError):
    """A label's file has a compression that may have changed its values."""


@contextmanager
def opened(file: Path) -> Iterator[Image.Image]:
    """Context manager: opens an image; an error on opening or in the block names the file.

    Raises:
        RoadshiftError: the file is missing, empty, truncated, too large or not an image, or has
            an encoding that is not supported.
    """
    try:
        with warnings.catch_warnings():
            # Panoramas lie between the size that Pillow warns of and the size that it refuses.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(file)
        with image:
            yield image
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing") from None
    except UnidentifiedImageError:
        raise RoadshiftError(
            f"{file}: not an image of a known format; replace it, or save it as PNG"
        ) from None
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise RoadshiftError(
            f"{file}: more than {limit} pixels, which would fill the memory; scale it down or cut "
            "it into parts"
        ) from None
    except MemoryError:
        raise RoadshiftError(
            f"{file}: needs more memory than there is; scale it down or cut it into parts"
        ) from None
    except UNREADABLE as error:
        if "MAX_TEXT" in str(error):
            raise RoadshiftError(
                f"{file}: more than {MOST_METADATA >> 20} MiB of metadata; save it without metadata"
            ) from None
        raise RoadshiftError(
            f"{file}: cannot be read ({_one_line(error)}); if the file is damaged, replace it, "
            "else save it as PNG"
        ) from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def read_label(file: Path, kind: str) -> np.ndarray:
    """Reads a label image with the values that were published.

    Args:
        file: path of the label image.
        kind: 'grey' for ids of up to 8 bits a pixel, in grey, in three equal channels, or as
            indices of a palette; 'grey16' for ids in 16-bit grey; 'red' and 'red16' for the red
            channel of RGB of 8 and 16 bits; 'colour' for 8-bit RGB, or the colours of a palette.

    Returns:
        int32 (height, width) for colours, packed as red * 65536 + green * 256 + blue; uint16
        (height, width) for ids of 16 bits; uint8 (height, width) for others.

    Raises:
        RoadshiftError: the file cannot be read, is of another kind, has a compression that is not
            lossless, or has an EXIF orientation that is not upright.
    """
    if kind == "red16":
        return _red16(file)
    with opened(file) as image:
        if lossy := lossy_compression(image, file):
            raise LossyLabelError(
                f"{file}: a label in {lossy}: its ids or colours may have changed; export the "
                "original label again, as PNG or as TIFF with LZW compression"
            )
        # Pillow turns a TIFF upright as it decodes it, and forgets the orientation.
        turned = image.format == "TIFF" and _orientation(image, file) != 1
        label = _of_kind(image, file, kind)
        # After the pixels: reading EXIF may make Pillow decode them and drop their raw mode.
        if turned or _orientation(image, file) != 1:
            raise RoadshiftError(f"{file}: a label with an EXIF rotation; save it upright")
        return label


def _orientation(image: Image.Image, file: Path) -> int:
    orientation: int = exif_of(image, file).get(ORIENTATION, 1)
    return orientation


def _of_kind(image: Image.Image, file: Path, kind: str) -> np.ndarray:
    if (top := _scaled_from(image)) is not None:
        raise RoadshiftError(f"{file}: values of 0..{top}, expected 0..255; save it as PNG")
    if kind == "grey":
        return _grey(image, file)
    if kind == "grey16":
        if not image.mode.startswith("I;16"):
            raise RoadshiftError(f"{file}: expected 16-bit grey, found mode {image.mode}")
        return np.asarray(image).astype(np.uint16)
    what = "8-bit RGB with ids in red" if kind == "red" else "8-bit RGB colours"
    if _is_deep(image):
        raise RoadshiftError(f"{file}: expected {what}, found 16 bits a channel")
    if kind == "red":
        if image.mode not in ("RGB", "RGBA"):
            raise RoadshiftError(f"{file}: expected {what}, found mode {image.mode}")
        return np.asarray(image)[..., 0]
    if image.mode not in ("RGB", "P") and not _is_opaque_rgba(image):
        raise RoadshiftError(f"{file}: expected RGB colours, found mode {image.mode}")
    return packed_colours(np.asarray(image.convert("RGB")))


def _scaled_from(image: Image.Image) -> int | None:
    """Returns the largest value of a PNM file whose values Pillow stretches to 0..255, or None."""
    for codec, (_, *further) in _tiles(image):
        if codec in ("ppm", "ppm_plain") and further and further[0] < 255:
            return int(further[0])
    return None


def packed_colours(colours: np.ndarray) -> np.ndarray:
    """Packs uint8 RGB (height, width, 3) as red * 65536 + green * 256 + blue, int32 (H, W)."""
    red, green, blue = np.moveaxis(colours, -1, 0)
    return (red.astype(np.int32) << 16) | (green.astype(np.int32) << 8) | blue


def _grey(image: Image.Image, file: Path) -> np.ndarray:
    # OpenCV writes three equal channels where it has read a grey image as colours.
    if image.mode == "RGB" or _is_opaque_rgba(image):
        return _equal_channels(image, file)
    # A palette image's bytes are the ids; its colours are for display only.
    if image.mode not in ("L", "P", "1"):
        raise RoadshiftError(f"{file}: expected one grey byte a pixel, found mode {image.mode}")
    # Pillow stretches grey of 2 and 4 bits to 0..255; the ids are the stored values.
    raw_mode = next((str(arguments[0]) for _, arguments in _tiles(image)), "")
    stretched = {"L;2": 85, "L;4": 17}.get(raw_mode[:3], 1)
    return np.asarray(image).astype(np.uint8) // stretched


def _equal_channels(image: Image.Image, file: Path) -> np.ndarray:
    if _is_deep(image):
        raise RoadshiftError(f"{file}: expected one grey byte a pixel, found 16 bits a channel")
    channels = np.asarray(image)[..., :3]
    differ = (channels != channels[..., :1]).any(-1)
    if differ.any():
        shown = ", ".join(map(str, channels[differ][0].tolist()))
        raise RoadshiftError(
            f"{file}: expected one grey byte a pixel, found RGB whose channels differ ({shown}); "
            "in the encoding write 'kind: colour' for colours, 'kind: red' for ids in the red "
            "channel"
        )
    return channels[..., 0]


def _red16(file: Path) -> np.ndarray:
    # Pillow keeps only the high byte of 16-bit colours, and ids need the low byte, too. Reading
    # with the other byte order yields the low byte.
    halves = []
    for order in ("RGB;16B", "RGB;16L"):
        with opened(file) as image:
            tiles = getattr(image, "tile", [])
            if image.format != "PNG" or len(tiles) != 1 or tiles[0][3] != "RGB;16B":
                raise RoadshiftError(
                    f"{file}: expected a PNG of 16-bit RGB, found {image.format} of mode "
                    f"{image.mode}"
                )
            image.tile = [(*tiles[0][:3], order)]  # type: ignore[attr-defined]
            halves.append(np.asarray(image)[..., 0].astype(np.uint16))
    return halves[0] << 8 | halves[1]


def _is_deep(image: Image.Image) -> bool:
    """Returns whether Pillow would drop the low byte of 16-bit colours; call it before decoding.

    The raw mode tells this, such as 'RGB;16B' in PNG, or the largest value in PPM.
    """
    for codec, (raw_mode, *further) in _tiles(image):
        if ";16" in str(raw_mode) or (codec == "ppm" and further and further[0] > 255):
            return True
    return False


def _tiles(image: Image.Image) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yields the decoder of each part of an image, and its arguments: first the raw mode."""
    for codec, _, _, arguments in getattr(image, "tile", []):
        yield codec, arguments if arguments and isinstance(arguments, tuple) else (arguments,)


def _is_opaque_rgba(image: Image.Image) -> bool:
    return image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255)


def image_size(file: Path) -> tuple[int, int]:
    """Returns width and height after applying the EXIF orientation; reads only the header.

    Raises:
        RoadshiftError: the file cannot be read.
    """
    with opened(file) as image:
        width, height = image.size
        # Pillow gives a TIFF's size as it is after turning.
        swapped = image.format != "TIFF" and _orientation(image, file) in (5, 6, 7, 8)
    return (height, width) if swapped else (width, height)


def read_image(file: Path) -> np.ndarray:
    """Reads an image as uint8 RGB of shape (height, width, 3), upright.

    Raises:
        RoadshiftError: the file cannot be read, or has more than eight bits a channel.
    """
    with opened(file) as image:
        deep = image.mode in ("I", "F") or image.mode.startswith("I;16")
        if deep or _is_deep(image):
            raise RoadshiftError(
                f"{file}: more than 8 bits a channel (mode {image.mode}); convert it to 8 bits"
            )
        ImageOps.exif_transpose(image, in_place=True)
        return _rgb(image)


def read_any_image(file: Path) -> np.ndarray:
    """Reads an image as a person sees it: uint8 RGB of shape (height, width, 3), upright.

    For images to look at; `read_image`, which is stricter, reads those of a data set.
    Transparent pixels become white, 16-bit grey becomes 8-bit, and colours of any mode become RGB.

    Raises:
        RoadshiftError: the file cannot be read, or its values have no known white: floating-point
            numbers, or integers of more than 16 bits.
    """
    with opened(file) as upright:
        ImageOps.exif_transpose(upright, in_place=True)
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
        return _rgb(upright)


def _rgb(image: Image.Image) -> np.ndarray:
    # A conversion to the mode that the image has would copy it, and large images fill the memory.
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
