"""The scene: flat faces of one class each, with the keys that order them from far to near."""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from roadshift.synthetic.classes import ID

Point = tuple[float, float, float]
Rgb = tuple[float, float, float]
"""Linear light or albedo; an albedo is 0..1 a channel."""
Outline = list[tuple[float, float]]
"""Corners (x, z) of a polygon on the ground, metres."""
BLACK: Rgb = (0.0, 0.0, 0.0)
FACING: Point = (0.0, 0.35, -0.94)
"""Normal of flat figures that are turned to the camera."""

BACK, EDGE, FRONT = 0, 1, 2
"""Layers: behind the building line, on it, and in the street. The camera stands in the street, so
things in the street cover all others."""

FACE = np.dtype(
    [
        ("id", np.float32),
        ("colour", np.float32, 3),
        ("normal", np.float32, 3),
        ("glow", np.float32, 3),
        ("rough", np.float32),
        ("facade", np.float32),
    ]
)
"""A row of `Scene.face_table`; the fields are the arguments of `Scene.face`."""


class Facade(NamedTuple):
    """A wall with masonry and, where `window_width` is above 0, windows.

    Attributes:
        along_street: whether the wall runs along the street (z); otherwise across it (x).
        start: where the wall starts on that axis, metres.
        plane: where the wall lies on the other axis, metres.
        height: height of the wall, metres.
        floor_height: height of a storey, metres.
        window_step: distance from a window's centre to the next one's, metres.
        window_width: width of a window as a share of `window_step`; 0: no windows.
        window_height: height of a window as a share of `floor_height`.
        ground_height: height of the shop below the first storey, metres; 0: no shop floor.
        seed: whole number that keys the wall's random details.
        trim: albedo of window frames and cornices.
        brick: whether the wall is of brick.
        shop: whether the ground floor shows a shop front.
        lit_share: share of windows with a light behind them, 0..1.
        door_column: index of the window column that has the door.
        accent: albedo of shop front, awning and door.
    """

    along_street: bool
    start: float
    plane: float
    height: float
    floor_height: float
    window_step: float
    window_width: float
    window_height: float
    ground_height: float
    seed: float
    trim: Rgb
    brick: bool
    shop: bool
    lit_share: float
    door_column: float
    accent: Rgb


_COLUMNS: dict[Any, Any] = {bool: np.bool_, float: np.float32, Rgb: (np.float32, 3)}
FACADE = np.dtype([(name, _COLUMNS[kind]) for name, kind in Facade.__annotations__.items()])
"""A row of `Scene.facade_table`; the fields are those of `Facade`."""


@lru_cache(maxsize=1024)
def linear(colour: str) -> Rgb:
    """Converts an sRGB colour `#rrggbb` to linear light, 0..1 a channel."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return _to_linear(red), _to_linear(green), _to_linear(blue)


def _to_linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def scaled(colour: Rgb, factor: float) -> Rgb:
    """Multiplies a colour by a factor."""
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


class Scene:
    """Collects faces, ground shadows and lamps, thing by thing.

    Args:
        eye: position of the camera, metres.
        sun: unit vector towards the sun.
    """

    def __init__(self, eye: Point, sun: Point):
        self.eye = eye
        self.sun = sun
        self.points: list[Point] = []
        self.counts: list[int] = []
        self.keys: list[float] = []
        self.rows: list[tuple[float, ...]] = []
        self.facades: list[Facade] = []
        self.shadows: list[tuple[Outline, int]] = []
        self.contacts: list[Outline] = []
        self.lamps: list[Point] = []
        self._key = 0.0

    def begin(self, layer: int, z: float) -> None:
        """Starts a thing `z` metres ahead; each of its faces covers those added before it."""
        self._key = layer * 1e5 - z

    def face(
        self,
        points: Sequence[Point],
        name: str,
        colour: Rgb,
        normal: Point = FACING,
        *,
        glow: Rgb = BLACK,
        rough: float = 0.0,
        facade: int = -1,
    ) -> None:
        """Adds a flat polygon of class `name`.

        Args:
            points: corners in order, metres.
            name: native class name.
            colour: albedo.
            normal: outward unit normal, for the shading.
            glow: light that the face emits.
            rough: contrast of the leafy texture, 0..1.
            facade: index from `add_facade`; -1: a plain face.
        """
        self.points.extend(points)
        self.counts.append(len(points))
        self.keys.append(self._key)
        self.rows.append((ID[name], *colour, *normal, *glow, rough, facade))

    def add_facade(self, facade: Facade) -> int:
        """Adds the details of a wall; returns the index for `face`."""
        self.facades.append(facade)
        return len(self.facades) - 1

    def sees(self, at: Point, normal: Point) -> bool:
        """Returns whether a face at `at` with outward `normal` is turned to the camera."""
        return sum(n * (e - a) for n, e, a in zip(normal, self.eye, at, strict=True)) > 0

    def shadow(self, base: Sequence[tuple[float, float]], height: float, depth: int = 255) -> None:
        """Casts the shadow of a prism on the ground.

        Args:
            base: convex ground outline of the prism, corners (x, z) in metres.
            height: height of the prism, metres.
            depth: darkness of the shadow, 0..255.
        """
        reach = height / max(math.tan(math.asin(self.sun[1])), 0.12)
        flat = math.hypot(self.sun[0], self.sun[2]) or 1.0
        dx, dz = -self.sun[0] / flat * reach, -self.sun[2] / flat * reach
        self.shadows.append((hull([*base, *((x + dx, z + dz) for x, z in base)]), depth))

    def contact(self, x: float, z: float, half_x: float, half_z: float) -> None:
        """Darkens the ground under a thing, in direct and in diffuse light alike."""
        ring = ((1, 0.6), (0.6, 1), (-0.6, 1), (-1, 0.6), (-1, -0.6), (-0.6, -1), (0.6, -1))
        self.contacts.append([(x + half_x * a, z + half_z * b) for a, b in (*ring, (1, -0.6))])

    def face_table(self) -> np.ndarray:
        """Returns all faces, a structured array `FACE` (faces,)."""
        numbers = chain.from_iterable(self.rows)
        width = FACE.itemsize // 4
        return np.fromiter(numbers, np.float32, width * len(self.rows)).view(FACE)

    def facade_table(self) -> np.recarray:
        """Returns all facades, a structured array `FACADE` (facades,)."""
        return np.array(self.facades, FACADE).view(np.recarray)

    def corners(self) -> np.ndarray:
        """Returns the corners of all faces in their order, float64 (corners, 3), metres."""
        numbers = chain.from_iterable(self.points)
        return np.fromiter(numbers, np.float64, 3 * len(self.points)).reshape(-1, 3)


def hull(points: Sequence[tuple[float, float]]) -> Outline:
    """Computes the convex hull (Andrew's monotone chain)."""
    ordered = sorted(points)
    chains: Outline = []
    for run in (ordered, ordered[::-1]):
        chain: Outline = []
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
    """The axes of a thing: along it, up (y) and across it to the right.

    Args:
        x: metres to the right of the road's centre.
        z: metres along the street.
        heading: radians; 0 points along the street away from the camera, pi towards it.
    """

    def __init__(self, x: float, z: float, heading: float):
        self.x, self.z = x, z
        self.sin, self.cos = math.sin(heading), math.cos(heading)

    def point(self, along: float, y: float, across: float) -> Point:
        """Turns a local point, metres, into world axes."""
        return (
            self.x + along * self.sin + across * self.cos,
            y,
            self.z + along * self.cos - across * self.sin,
        )

    def vector(self, along: float, y: float, across: float) -> Point:
        """Turns a local direction into world axes."""
        return along * self.sin + across * self.cos, y, along * self.cos - across * self.sin

    def outline(self, half_length: float, half_width: float) -> Outline:
        """Returns the ground rectangle under the thing."""
        corners = ((1, 1), (1, -1), (-1, -1), (-1, 1))
        points = (self.point(half_length * a, 0, half_width * b) for a, b in corners)
        return [(x, z) for x, _, z in points]


def disc(
    frame: Frame, along: float, y: float, across: float, radius: float, corners: int = 12
) -> list[Point]:
    """Returns the corners of a disc in the plane of `along` and y, in world axes."""
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
    *,
    widths: Sequence[float],
    colours: Sequence[Rgb],
    side: Rgb,
) -> None:
    """Adds the visible faces of a solid: a convex profile, extruded to both sides.

    Args:
        scene: scene that the faces are added to.
        frame: axes of the solid.
        name: native class name.
        profile: corners (along, y), counter-clockwise, metres.
        widths: half width at each corner, metres.
        colours: albedo of the face from each corner to the next.
        side: albedo of the two caps.
    """
    count = len(profile)
    for i in range(count):
        (l0, y0), (l1, y1) = profile[i], profile[(i + 1) % count]
        w0, w1 = widths[i], widths[(i + 1) % count]
        length = math.hypot(l1 - l0, y1 - y0) or 1.0
        normal = frame.vector((y1 - y0) / length, (l0 - l1) / length, 0)
        at = frame.point(l0, y0, 0)
        if scene.sees(at, normal):
            quad = (
                frame.point(l0, y0, -w0),
                frame.point(l0, y0, w0),
                frame.point(l1, y1, w1),
                frame.point(l1, y1, -w1),
            )
            scene.face(quad, name, colours[i], normal)
    for sign in (-1, 1):
        normal = frame.vector(0, 0, sign)
        if scene.sees(frame.point(0, 0, sign * max(widths)), normal):
            cap = [
                frame.point(along, y, sign * w)
                for (along, y), w in zip(profile, widths, strict=True)
            ]
            scene.face(cap, name, side, normal)
