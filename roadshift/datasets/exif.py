"""EXIF data of images, without decoding their pixels where that can be avoided."""

import struct
from pathlib import Path

from PIL import Image

SIGNATURE_BYTES = 8
METADATA = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
"""Chunks of a PNG that may say how an image is turned: EXIF, and texts that hold EXIF or XMP."""
PIXELS = (b"IDAT", b"fdAT")


def exif_of(image: Image.Image, file: Path) -> Image.Exif:
    """Returns the EXIF data of an image that was opened from a file.

    Pillow decodes a whole PNG first, since they may follow the pixels.
    """
    if image.format == "PNG" and _ends_with_pixels(file):
        return Image.Image.getexif(image)
    return image.getexif()


def _ends_with_pixels(file: Path) -> bool:
    """Returns whether a PNG is complete and holds no metadata after its first pixels."""
    with file.open("rb", buffering=0) as source:
        position, pixels = SIGNATURE_BYTES, False
        while True:
            source.seek(position)
            head = source.read(8)
            if len(head) < 8:
                return False
            length, kind = struct.unpack(">I4s", head)
            if kind == b"IEND":
                return pixels
            if pixels and kind in METADATA:
                return False
            pixels = pixels or kind in PIXELS
            position += length + 12
