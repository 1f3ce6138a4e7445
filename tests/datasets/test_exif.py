import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from roadshift.datasets.exif import exif_of
from roadshift.datasets.images import image_size, read_image
from roadshift.errors import RoadshiftError

STORED = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def chunk(kind, content):
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def exif_chunk():
    exif = Image.Exif()
    exif[0x0112] = 6
    return chunk(b"eXIf", exif.tobytes()[6:])


def xmp_chunk():
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)


def exif_text_chunk():
    exif = Image.Exif()
    exif[0x0112] = 6
    text = "\nexif\n      40\n" + exif.tobytes().hex()
    return chunk(b"tEXt", b"Raw profile type exif\0" + text.encode())


def png(before=b"", after=b""):
    buffer = io.BytesIO()
    Image.fromarray(STORED).save(buffer, "PNG")
    content = buffer.getvalue()
    pixels = content.index(b"IDAT") - 4
    return content[:pixels] + before + content[pixels:-12] + after + content[-12:]


@pytest.mark.parametrize("metadata", [exif_chunk, xmp_chunk, exif_text_chunk])
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_png_turned_by_any_metadata_before_or_after_its_pixels(tmp_path, metadata, place):
    file = tmp_path / "i.png"
    file.write_bytes(png(**{place: metadata()}))
    with Image.open(file) as image:
        expected = dict(image.getexif())
    with Image.open(file) as image:
        assert dict(exif_of(image, file)) == expected == {0x0112: 6}
    assert image_size(file) == (2, 3)
    assert read_image(file).shape == (3, 2, 3)


def test_the_size_of_a_png_is_read_without_decoding_it(tmp_path):
    file = tmp_path / "i.png"
    content = bytearray(png())
    place = content.index(b"IDAT") + 6  # inside the compressed pixels
    content[place : place + 8] = b"\0" * 8
    file.write_bytes(content)
    with pytest.raises(RoadshiftError):
        read_image(file)
    assert image_size(file) == (3, 2)


@pytest.mark.parametrize("keep", [45, 60, -12, -4])
def test_a_png_that_is_cut_short_is_read_as_pillow_reads_it(tmp_path, keep):
    file = tmp_path / "i.png"
    file.write_bytes(png()[:keep])
    try:
        with Image.open(file) as image:
            image.getexif()
    except OSError:
        with pytest.raises(RoadshiftError, match="cannot be read"):
            image_size(file)
    else:
        assert image_size(file) == (3, 2)
