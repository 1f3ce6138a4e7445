import json
import struct
import zlib

import numpy as np
import pytest


def png(width, height, depth, colour_type, lines):
    """A PNG file of filtered lines."""

    def chunk(name, data):
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, data) for name, data in parts)


@pytest.fixture(scope="session")
def deep_png():
    """ids (height, width) -> a PNG of 16-bit RGB with the ids in red, which Pillow cannot write.

    Its lines have every kind of filter.
    """

    def encode(red):
        height, width = red.shape
        deep = np.zeros((height, width, 3), ">u2")
        deep[..., 0], deep[..., 1] = red, np.arange(width) * 777
        lines, above = b"", np.zeros(6 * width, int)
        for y, line in enumerate(deep.reshape(height, -1).view(np.uint8).astype(int)):
            left, corner = (np.r_[np.zeros(6, int), x[:-6]] for x in (line, above))
            slope = left + above - corner
            near = [abs(slope - x) for x in (left, above, corner)]
            paeth = np.where(
                (near[0] <= near[1]) & (near[0] <= near[2]),
                left,
                np.where(near[1] <= near[2], above, corner),
            )
            guess = [0 * line, left, above, (left + above) // 2, paeth][y % 5]
            lines += bytes([y % 5]) + ((line - guess) % 256).astype(np.uint8).tobytes()
            above = line

        return png(width, height, 16, 2, lines)

    return encode


@pytest.fixture(scope="session")
def few_bits_png():
    """ids (height, width), bits -> a PNG of grey with 1, 2 or 4 bits a pixel."""

    def encode(ids, bits):
        places = np.arange(bits)[::-1]
        spread = (ids[..., np.newaxis] >> places & 1).reshape(len(ids), -1).astype(np.uint8)
        lines = b"".join(b"\0" + np.packbits(line).tobytes() for line in spread)
        return png(ids.shape[1], len(ids), bits, 0, lines)

    return encode


@pytest.fixture(scope="session")
def vistas_config():
    """labels -> a config_v*.json of Mapillary's with them in this order."""

    def encode(labels):
        entry = {"color": [0, 0, 0], "instances": False, "readable": "A Label", "evaluate": True}
        content = {
            "labels": [entry | {"name": label} for label in labels],
            "version": 1.1,
            "mapping": "public",
            "folder_structure": "{split}/{content}/{key:.{22}}.{ext}",
        }
        return json.dumps(content).encode()

    return encode
