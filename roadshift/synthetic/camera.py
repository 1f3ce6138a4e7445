"""The pinhole camera: from metres to pixels, and from pixels to rays.

World axes: x right, y up, z along the street, metres; the road lies in y = 0. Image axes: u right,
v down, pixels; (0, 0) is the outer corner of the upper left pixel.
"""

import math

import numpy as np

from roadshift.synthetic.arithmetic import dot
from roadshift.synthetic.world import WorldSettings

NEAR = 0.4
"""Depth of the near plane, metres; nearer parts of faces are cut off."""


class Camera:
    """A camera over the road, at z = 0.

    Args:
        world: domain; it states image size, field of view and height above the road.
        x: metres to the right of the road's centre.
        pitch: degrees; positive looks down.
        yaw: degrees; positive looks to the right.
    """

    def __init__(self, world: WorldSettings, *, x: float, pitch: float, yaw: float):
        self.width, self.height = world.width, world.height
        self.eye = (x, world.camera.height, 0.0)
        half = math.radians(world.camera.field_of_view) / 2
        self.focal = world.width / 2 / math.tan(half)
        p, a = math.radians(pitch), math.radians(yaw)
        forward = (math.cos(p) * math.sin(a), -math.sin(p), math.cos(p) * math.cos(a))
        right = (math.cos(a), 0.0, -math.sin(a))
        up = (math.sin(p) * math.sin(a), math.cos(p), math.sin(p) * math.cos(a))
        self.axes = np.array([right, up, forward])

    def project(self, points: np.ndarray) -> np.ndarray:
        """Projects world points.

        Args:
            points: (n, 3), metres.

        Returns:
            (n, 3): u and v in pixels, and the depth along the optical axis in metres. u and v of
            points behind the camera are meaningless.
        """
        return self.to_pixels(self.to_local(points))

    def to_local(self, points: np.ndarray) -> np.ndarray:
        """Turns world points (n, 3) into the camera's axes: right, up and forward, metres."""
        moved = points - self.eye
        return np.stack([dot(moved, axis) for axis in self.axes], axis=1)

    def to_pixels(self, local: np.ndarray) -> np.ndarray:
        """Projects points (n, 3) in the camera's axes to u, v and depth."""
        depth = local[:, 2]
        scale = self.focal / np.where(np.abs(depth) < 1e-6, 1e-6, depth)
        u = self.width / 2 + local[:, 0] * scale
        v = self.height / 2 - local[:, 1] * scale
        return np.stack([u, v, depth], axis=1)

    def rays(self, scale: int) -> np.ndarray:
        """Computes the rays through the pixel centres.

        Args:
            scale: pixels of the result per pixel of the image, in each direction.

        Returns:
            float32 (height * scale, width * scale, 3), world axes, of depth 1: a pixel shows
            the point `eye + d * ray` at depth d.
        """
        u = (np.arange(self.width * scale) + 0.5) / scale - self.width / 2
        v = (np.arange(self.height * scale) + 0.5) / scale - self.height / 2
        right, up, forward = self.axes / self.focal
        rows = (self.focal * forward - v[:, None] * up).astype(np.float32)
        columns = (u[:, None] * right).astype(np.float32)
        return rows[:, None] + columns[None]
