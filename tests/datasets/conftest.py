import struct
import zlib

import numpy as np
import pytest


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

        def chunk(name, data):
            return (
                struct.pack(">I", len(data))
                + name
                + data
                + struct.pack(">I", zlib.crc32(name + data))
            )

        header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
        parts = [(b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
        return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, data) for name, data in parts)

    return encode
