"""Rasterizes a scene: the face that each pixel shows, and masks on the ground."""

import numpy as np
from PIL import Image, ImageDraw

from roadshift.synthetic.camera import NEAR, Camera
from roadshift.synthetic.scene import Outline, Scene

SKY, GROUND, FACES = 0, 1, 2
"""Values of the face buffer: sky, ground, and the first face; face i is `FACES + i`."""


class Projection:
    """The scene's corners in the camera's axes.

    Args:
        scene: scene that is drawn.
        camera: camera that the image is seen by.
        points: (corners, 3), metres; the scene's corners, or mirrored ones for a reflection.
    """

    def __init__(self, scene: Scene, camera: Camera, points: np.ndarray):
        self.camera = camera
        self.local = camera.to_local(points)
        self.pixels = camera.to_pixels(self.local)
        counts = np.array(scene.counts, np.int64)
        self.ends = np.cumsum(counts)
        self.starts = self.ends - counts
        depth = self.local[:, 2]
        self.nearest = np.minimum.reduceat(depth, self.starts)
        self.farthest = np.maximum.reduceat(depth, self.starts)
        self.depths = np.add.reduceat(depth, self.starts) / counts
        self.order = np.argsort(np.array(scene.keys), kind="stable")

    def faces(self, scale: int, horizon: np.ndarray | None = None) -> np.ndarray:
        """Draws the faces from far to near.

        Args:
            scale: pixels of the buffer per pixel of the image, in each direction.
            horizon: (height * scale, width * scale), rise of each pixel's ray; rays that fall
                meet the ground. None: no ground.

        Returns:
            int32 (height * scale, width * scale): `SKY`, `GROUND` or `FACES` + index of a face.
        """
        width, height = self.camera.width * scale, self.camera.height * scale
        empty = np.full((height, width), SKY, np.int32)
        if horizon is not None:
            empty[horizon < -1e-4] = GROUND
        image = Image.fromarray(empty)
        draw = ImageDraw.Draw(image)
        flat = self.pixels[:, :2] * scale - 0.5
        low = np.minimum.reduceat(flat, self.starts, axis=0)
        high = np.maximum.reduceat(flat, self.starts, axis=0)
        inside = (high > 0).all(axis=1) & (low < (width, height)).all(axis=1)
        whole = self.nearest > NEAR
        seen = np.where(whole, inside, self.farthest > NEAR)
        order = self.order[seen[self.order]].tolist()
        corners = flat.ravel().tolist()
        starts, ends, entire = self.starts.tolist(), self.ends.tolist(), whole.tolist()
        for face in order:
            a, b = starts[face], ends[face]
            if entire[face]:
                draw.polygon(corners[2 * a : 2 * b], fill=face + FACES)
            else:
                ring = clipped(self.local[a:b])
                if len(ring) > 2:
                    pixels = self.camera.to_pixels(ring)[:, :2] * scale - 0.5
                    draw.polygon(pixels.ravel().tolist(), fill=face + FACES)
        return np.asarray(image, np.int32)


def clipped(local: np.ndarray) -> np.ndarray:
    """Clips a polygon, (n, 3) in the camera's axes, to depths above `NEAR`."""
    ring = []
    previous = local[-1]
    for point in local:
        if (point[2] > NEAR) != (previous[2] > NEAR):
            part = (NEAR - previous[2]) / (point[2] - previous[2])
            ring.append(previous + part * (point - previous))
        if point[2] > NEAR:
            ring.append(point)
        previous = point
    return np.array(ring).reshape(-1, 3)


def ground_mask(camera: Camera, outlines: list[tuple[Outline, int]]) -> Image.Image:
    """Draws outlines that lie on the ground.

    Args:
        camera: camera that the ground is seen by.
        outlines: outlines with the grey value of each, 0..255; the greater value wins where
            outlines overlap.

    Returns:
        A grey image of the camera's size, 0 outside the outlines.
    """
    image = Image.new("L", (camera.width, camera.height), 0)
    draw = ImageDraw.Draw(image)
    if not outlines:
        return image
    points = np.array([(x, 0.0, z) for ring, _ in outlines for x, z in ring])
    local = camera.to_local(points)
    start = 0
    rings = []
    for ring, value in outlines:
        rings.append((value, local[start : start + len(ring)]))
        start += len(ring)
    rings.sort(key=lambda item: item[0])
    for value, part in rings:
        if part[:, 2].max() <= NEAR:
            continue
        if part[:, 2].min() <= NEAR:
            part = clipped(part)
        pixels = camera.to_pixels(part)[:, :2] - 0.5
        draw.polygon(pixels.ravel().tolist(), fill=value)
    return image


def voted(ids: np.ndarray) -> np.ndarray:
    """Halves a label by the most frequent id of each block of 2 x 2 pixels.

    Args:
        ids: uint8 (2h, 2w).

    Returns:
        uint8 (h, w); a tie goes to the id of the upper left pixel.
    """
    a, b, c, d = ids[::2, ::2], ids[::2, 1::2], ids[1::2, ::2], ids[1::2, 1::2]
    first = (a == b) | (a == c) | (a == d)
    second = (b == c) | (b == d)
    return np.where(first, a, np.where(second, b, np.where(c == d, c, a)))
