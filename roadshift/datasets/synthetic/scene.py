"""A scene as a list of flat faces, each of one class, in the order in which they cover."""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

import numpy as np

from roadshift.datasets.synthetic.classes import ID

Point = tuple[float, float, float]
Rgb = tuple[float, float, float]
BLACK: Rgb = (0.0, 0.0, 0.0)
FACING: Point = (0.0, 0.35, -0.94)
"""Normal of things that are drawn as flat figures turned to the camera."""

BACK, EDGE, FRONT = 0, 1, 2
"""Layers: behind the building line, on it, and in the street. The camera stands in the street, so
that whatever is in it covers whatever is not."""


@lru_cache(maxsize=1024)
def linear(colour: str) -> Rgb:
    """The linear light of an sRGB colour `#rrggbb`, 0 to 1 a channel."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return _to_linear(red), _to_linear(green), _to_linear(blue)


def _to_linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def scaled(colour: Rgb, factor: float) -> Rgb:
    """The colour, brighter or darker by a factor."""
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


class Scene:
    """Faces, ground shadows and lamps, collected thing by thing.

    Args:
        eye: where the camera is, metres; faces turned away from it are left out by `solid`.
        sun: unit vector towards the sun.
    """

    def __init__(self, eye: Point, sun: Point):
        self.eye = eye
        self.sun = sun
        self.points: list[Point] = []
        self.counts: list[int] = []
        self.keys: list[float] = []
        self.rows: list[tuple[float, ...]] = []
        self.facades: list[tuple[float, ...]] = []
        self.shadows: list[tuple[list[tuple[float, float]], int]] = []
        self.contacts: list[list[tuple[float, float]]] = []
        self.lamps: list[tuple[float, float, float]] = []
        self._key = 0.0

    def begin(self, layer: int, z: float) -> None:
        """Starts a thing that is `z` metres ahead; its faces cover in the order given."""
        self._key = layer * 1e5 - z

    def face(
        self,
        points: Sequence[Point],
        name: str,
        colour: Rgb,
        normal: Point = FACING,
        glow: Rgb = BLACK,
        rough: float = 0.0,
        facade: int = -1,
    ) -> None:
        """Adds a flat polygon of class `name`.

        Args:
            points: corners in order, metres.
            name: native class name.
            colour: linear albedo.
            normal: outward unit normal, for the light.
            glow: linear light that the face sends out.
            rough: contrast of the leafy texture on it, 0 to 1.
            facade: index in `facades` if windows and masonry are to be drawn on it.
        """
        self.points.extend(points)
        self.counts.append(len(points))
        self.keys.append(self._key)
        self.rows.append((ID[name], *colour, *normal, *glow, rough, facade))

    def shadow(self, base: Sequence[tuple[float, float]], height: float, depth: int = 255) -> None:
        """Casts the shadow of a prism over the convex ground outline `base`, (x, z) in metres."""
        reach = height / max(math.tan(math.asin(self.sun[1])), 0.12)
        flat = math.hypot(self.sun[0], self.sun[2]) or 1.0
        dx, dz = -self.sun[0] / flat * reach, -self.sun[2] / flat * reach
        self.shadows.append((hull([*base, *((x + dx, z + dz) for x, z in base)]), depth))

    def contact(self, x: float, z: float, half_x: float, half_z: float) -> None:
        """Darkens the ground under a thing, however diffuse the light is."""
        ring = ((1, 0.6), (0.6, 1), (-0.6, 1), (-1, 0.6), (-1, -0.6), (-0.6, -1), (0.6, -1))
        self.contacts.append([(x + half_x * a, z + half_z * b) for a, b in (*ring, (1, -0.6))])

    def table(self) -> np.ndarray:
        """float32 (faces, 12): class, colour, normal, glow, rough, facade."""
        numbers = chain.from_iterable(self.rows)
        return np.fromiter(numbers, np.float32, 12 * len(self.rows)).reshape(-1, 12)

    def corners(self) -> np.ndarray:
        """float64 (corners, 3): the corners of all faces, one face after the other."""
        numbers = chain.from_iterable(self.points)
        return np.fromiter(numbers, np.float64, 3 * len(self.points)).reshape(-1, 3)


def hull(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Convex hull (Andrew's monotone chain)."""
    ordered = sorted(points)
    chains: list[tuple[float, float]] = []
    for run in (ordered, ordered[::-1]):
        chain: list[tuple[float, float]] = []
        for p in run:
            while len(chain) > 1 and (
                (chain[-1][0] - chain[-2][0]) * (p[1] - chain[-2][1])
                - (chain[-1][1] - chain[-2][1]) * (p[0] - chain[-2][0])
                <= 0
            ):
                chain.pop()
            chain.append(p)
        chains += chain[:-1]
    return chains


class Frame:
    """A thing's own axes: l forward, y up, w to the right, turned by `heading` radians.

    Heading 0 looks along the street away from the camera, pi comes towards it.
    """

    def __init__(self, x: float, z: float, heading: float):
        self.x, self.z = x, z
        self.sin, self.cos = math.sin(heading), math.cos(heading)

    def point(self, along: float, y: float, across: float) -> Point:
        """A local point in world axes."""
        return (
            self.x + along * self.sin + across * self.cos,
            y,
            self.z + along * self.cos - across * self.sin,
        )

    def vector(self, along: float, y: float, across: float) -> Point:
        """A local direction in world axes."""
        return along * self.sin + across * self.cos, y, along * self.cos - across * self.sin

    def outline(self, half_length: float, half_width: float) -> list[tuple[float, float]]:
        """The ground rectangle that the thing stands on, (x, z)."""
        corners = ((1, 1), (1, -1), (-1, -1), (-1, 1))
        points = (self.point(half_length * a, 0, half_width * b) for a, b in corners)
        return [(x, z) for x, _, z in points]

    def shows(self, eye: Point, at: Point, normal: Point) -> bool:
        """Whether a face at `at` with outward `normal` is turned to the eye."""
        return sum(n * (e - a) for n, e, a in zip(normal, eye, at, strict=True)) > 0


def disc(
    frame: Frame, along: float, y: float, across: float, radius: float, corners: int = 12
) -> list[Point]:
    """A disc in the plane of `along` and y."""
    turn = 2 * math.pi / corners
    return [
        frame.point(along + radius * math.cos(turn * i), y + radius * math.sin(turn * i), across)
        for i in range(corners)
    ]


def solid(
    scene: Scene,
    frame: Frame,
    name: str,
    profile: Sequence[tuple[float, float]],
    widths: Sequence[float],
    colours: Sequence[Rgb],
    side: Rgb,
) -> None:
    """Adds a convex profile in (along, y), counter-clockwise, spread to both sides.

    Args:
        scene: takes the faces.
        frame: places it.
        name: native class name.
        profile: corners (along, y).
        widths: half width at every corner.
        colours: of the face from every corner to the next.
        side: colour of the two caps.
    """
    count = len(profile)
    for i in range(count):
        (l0, y0), (l1, y1) = profile[i], profile[(i + 1) % count]
        w0, w1 = widths[i], widths[(i + 1) % count]
        length = math.hypot(l1 - l0, y1 - y0) or 1.0
        normal = frame.vector((y1 - y0) / length, (l0 - l1) / length, 0)
        at = frame.point(l0, y0, 0)
        if frame.shows(scene.eye, at, normal):
            quad = (
                frame.point(l0, y0, -w0),
                frame.point(l0, y0, w0),
                frame.point(l1, y1, w1),
                frame.point(l1, y1, -w1),
            )
            scene.face(quad, name, colours[i], normal)
    for sign in (-1, 1):
        normal = frame.vector(0, 0, sign)
        if frame.shows(scene.eye, frame.point(0, 0, sign * max(widths)), normal):
            cap = [
                frame.point(along, y, sign * w)
                for (along, y), w in zip(profile, widths, strict=True)
            ]
            scene.face(cap, name, side, normal)
