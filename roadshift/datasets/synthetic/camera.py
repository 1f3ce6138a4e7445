"""The pinhole camera: metres to pixels and pixels to rays.

World axes: x right, y up, z along the street, in metres; the road lies in y = 0. Image axes: u
right, v down, in pixels, (0, 0) the outer corner of the upper left pixel.
"""

import math

import numpy as np

from roadshift.datasets.synthetic.world import WorldSettings

NEAR = 0.4
"""Metres; what is nearer is cut off."""


class Camera:
    """A camera at `x`, `height` metres over the road, turned by `pitch` and `yaw` degrees.

    Args:
        world: gives the picture's size and the field of view.
        x: metres from the road's centre, positive to the right.
        pitch: degrees, positive looks down.
        yaw: degrees, positive looks to the right.
    """

    def __init__(self, world: WorldSettings, x: float, pitch: float, yaw: float):
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
        """Where points appear.

        Args:
            points: (n, 3) metres.

        Returns:
            (n, 3): u, v in pixels and the depth along the optical axis in metres; u and v of
            points that are not in front of the camera mean nothing.
        """
        return self.to_pixels(self.to_local(points))

    def to_local(self, points: np.ndarray) -> np.ndarray:
        """Turns world points, (n, 3), into right, up and forward of the camera, metres."""
        return (points - self.eye) @ self.axes.T

    def to_pixels(self, local: np.ndarray) -> np.ndarray:
        """Projects points in the camera's axes, (n, 3), to u, v and depth."""
        depth = local[:, 2]
        scale = self.focal / np.where(np.abs(depth) < 1e-6, 1e-6, depth)
        u = self.width / 2 + local[:, 0] * scale
        v = self.height / 2 - local[:, 1] * scale
        return np.stack([u, v, depth], axis=1)

    def rays(self, scale: int) -> np.ndarray:
        """Directions through the centres of the pixels of a picture `scale` times as large.

        Returns:
            float32 (height * scale, width * scale, 3), world axes, of unit depth: the point
            that pixel shows at depth d is `eye + d * ray`.
        """
        u = (np.arange(self.width * scale) + 0.5) / scale - self.width / 2
        v = (np.arange(self.height * scale) + 0.5) / scale - self.height / 2
        right, up, forward = self.axes / self.focal
        rows = (self.focal * forward - v[:, None] * up).astype(np.float32)
        columns = (u[:, None] * right).astype(np.float32)
        return rows[:, None] + columns[None]
