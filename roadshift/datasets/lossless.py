"""Detection of image compression that changes pixels, which labels do not survive."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageFile

LOSSLESS_CODECS = (
    *("raw", "zip", "gif", "packbits", "bmp_rle", "tga_rle", "pcx", "ppm", "ppm_plain", "qoi"),
    *("sun_rle", "sgi_rle", "SGI16", "MSP", "xbm", "xpm", "fli", "fits_gzip"),
)
"""Pillow's decoders of encodings that keep every pixel."""
LOSSLESS_IN_TIFF = (
    *("raw", "tiff_ccitt", "group3", "group4", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate"),
    *("tiff_raw_16", "packbits", "lzma", "zstd"),
)
"""Pillow's names of the TIFF compressions that keep every pixel."""


def lossy_compression(image: Image.Image, file: Path) -> str | None:
    """Names the compression of an image file, if it is not known to keep every pixel.

    Args:
        image: the opened image, before it is decoded.
        file: path of the image's file.

    Returns:
        A phrase such as 'JPEG compression'; None if the compression is lossless.
    """
    if image.format == "WEBP":
        return "lossy WebP compression" if b"VP8 " in _webp_chunks(file.read_bytes()) else None
    if image.format == "JPEG2000":
        lossless = _is_lossless_jpeg2000(image, file.read_bytes())
        return None if lossless else "JPEG 2000 compression that is not known to be lossless"
    codecs = {tile[0] for tile in getattr(image, "tile", [])}
    if image.format == "TIFF":
        name = str(image.info.get("compression", "raw"))
        return None if name in LOSSLESS_IN_TIFF else f"TIFF's compression '{name}'"
    if codecs == {"jpeg"}:
        return "JPEG compression"
    # A format with a way of its own to load its pixels may hide any encoding.
    is_plain = type(image).load is ImageFile.ImageFile.load
    if is_plain and codecs and codecs <= {*LOSSLESS_CODECS}:
        return None
    return f"{image.format} compression"


def _webp_chunks(content: bytes) -> Iterator[bytes]:
    """Yields the names of a WebP file's chunks, including those of the frames of an animation."""
    place = 12
    while place + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, place)
        yield name
        # The chunks of a frame follow 16 bytes on its place and time.
        place += 24 if name == b"ANMF" else 8 + size + size % 2


def _is_lossless_jpeg2000(image: Image.Image, content: bytes) -> bool:
    """Returns whether a JPEG 2000 file is the lossless encoding of its pixels by OpenJPEG.

    The header tells an irreversible transform. It does not tell whether an encoder cut off the
    least bits to reach a size, so the pixels are encoded again, and the results compared. Lossless
    files of other encoders may be refused.
    """
    start = content.find(b"\xff\x4f\xff\x51")
    style = content.find(b"\xff\x52\0\x0c", start)
    if start < 0 or style < 0:
        return False
    tile_width, tile_height = struct.unpack_from(">II", content, start + 24)
    depths = {
        1 + depth for depth in content[start + 42 : start + 42 + 3 * len(image.getbands()) : 3]
    }
    progression, _, colours, levels, *block, _, transform = struct.unpack_from(
        ">xBHBBBBBB", content, style + 4
    )
    # Pillow scales other depths, and drops the low bytes of colours.
    if transform != 1 or depths != {16 if image.mode == "I;16" else 8} or progression > 4:
        return False
    again = io.BytesIO()
    try:
        image.copy().save(
            again,
            "JPEG2000",
            no_jp2=True,
            progression=("LRCP", "RLCP", "RPCL", "PCRL", "CPRL")[progression],
            num_resolutions=levels + 1,
            codeblock_size=tuple(4 << exponent for exponent in block),
            tile_size=(tile_width, tile_height),
            mct=colours,
        )
    except (OSError, ValueError):
        return False
    tiles, recoded = b"\xff\x90\0\x0a", again.getvalue()
    return content[content.find(tiles, style) :].startswith(recoded[recoded.find(tiles) :])
