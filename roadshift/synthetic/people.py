"""People on foot and on two wheels, drawn as flat jointed figures."""

import math
from typing import NamedTuple

import numpy as np

from roadshift.synthetic.scene import BLACK, FACING, Frame, Rgb, Scene, linear, scaled

SKINS = tuple(linear(c) for c in ("#e8b99a", "#c98f6b", "#8a5a3c", "#f0cdb4"))
HAIR = tuple(linear(c) for c in ("#2a1d14", "#5a3a20", "#a88850", "#8c8c8c", "#151515"))
SHOE = linear("#242222")
RUBBER = linear("#1d1d1f")
STEEL = linear("#b4b6b8")
LAMP = linear("#fff0d0")
TAIL = linear("#e02018")


class Outfit(NamedTuple):
    """The albedos of a rider's parts."""

    legs: Rgb
    top: Rgb
    skin: Rgb
    helmet: Rgb


class Figure:
    """A flat figure of one class in the plane of s (to the side) and y (up).

    Args:
        scene: scene that the faces are added to.
        frame: axes of the figure; s runs along them.
        scale: size over that of a grown-up.
        name: native class name.
    """

    def __init__(self, scene: Scene, frame: Frame, scale: float, name: str):
        self.scene, self.frame, self.scale, self.name = scene, frame, scale, name

    def polygon(self, points: list[tuple[float, float]], colour: Rgb, glow: Rgb = BLACK) -> None:
        """Adds a polygon; corners (s, y) in metres before scaling."""
        k = self.scale
        corners = [self.frame.point(s * k, y * k, 0) for s, y in points]
        self.scene.face(corners, self.name, colour, FACING, glow=glow)

    def limb(self, *joints: tuple[float, float, float], colour: Rgb) -> None:
        """Adds a limb through joints (s, y, half width), metres before scaling."""
        left, right = [], []
        for i, (s, y, half) in enumerate(joints):
            s0, y0, _ = joints[max(i - 1, 0)]
            s1, y1, _ = joints[min(i + 1, len(joints) - 1)]
            length = math.hypot(s1 - s0, y1 - y0) or 1.0
            ns, ny = (y1 - y0) / length * half, -(s1 - s0) / length * half
            left.append((s + ns, y + ny))
            right.append((s - ns, y - ny))
        self.polygon(left + right[::-1], colour)

    def oval(self, s: float, y: float, rs: float, ry: float, colour: Rgb, start: float = 0) -> None:
        """Adds an oval around (s, y) with the radii `rs` and `ry`.

        Args:
            s: metres to the side, before scaling.
            y: metres up, before scaling.
            rs: radius along s, metres.
            ry: radius along y, metres.
            colour: albedo.
            start: angle from the lowest point that is cut off on both sides, radians.
        """
        turn = (2 * math.pi - 2 * start) / 10
        begin = -math.pi / 2 + start
        self.polygon(
            [
                (s + rs * math.cos(begin + turn * i), y + ry * math.sin(begin + turn * i))
                for i in range(11 if start else 10)
            ],
            colour,
        )


def _pick(rng: np.random.Generator, colours: tuple[Rgb, ...]) -> Rgb:
    return colours[int(rng.integers(len(colours)))]


def _head(figure: Figure, s: float, y: float, skin: Rgb, hair: Rgb, back: bool) -> None:
    figure.limb((s, y - 0.2, 0.05), (s, y - 0.05, 0.05), colour=scaled(skin, 0.85))
    figure.oval(s, y, 0.1, 0.13, hair if back else skin)
    if not back:
        figure.oval(s, y + 0.03, 0.105, 0.11, hair, 2.0)


def person(
    scene: Scene, x: float, z: float, rng: np.random.Generator, *, clothes: tuple[Rgb, ...]
) -> None:
    """Adds a pedestrian at (x, z) metres, dressed in some of the albedos `clothes`."""
    heading = math.pi / 2 if rng.random() < 0.5 else -math.pi / 2
    child = rng.random() < 0.12
    scale = float(rng.uniform(0.62, 0.75) if child else rng.uniform(0.93, 1.08))
    figure = Figure(scene, Frame(x, z, heading), scale, "person")
    skin, hair = _pick(rng, SKINS), _pick(rng, HAIR)
    top, legs = _pick(rng, clothes), scaled(_pick(rng, clothes), 0.55)
    sideways, back = bool(rng.random() < 0.45), bool(rng.random() < 0.5)
    stride = float(rng.uniform(0.05, 0.34)) if sideways else float(rng.uniform(0.0, 0.08))
    wide = float(rng.uniform(0.88, 1.2))
    scene.contact(x, z, 0.3, 0.22)
    scene.shadow([(x - 0.2, z), (x + 0.2, z), (x, z + 0.15), (x, z - 0.15)], 1.7 * scale)
    hip = 0.09 * wide if not sideways else 0.02
    for sign, shade in ((-1, 0.75), (1, 1.0)):
        foot = sign * (hip + stride)
        knee = sign * (hip + stride * 0.55) + (0.06 if sideways else 0)
        colour = scaled(legs, shade)
        figure.limb((sign * hip, 0.9, 0.1), (knee, 0.48, 0.075), (foot, 0.08, 0.055), colour=colour)
        figure.limb((foot - 0.05, 0.035, 0.04), (foot + 0.12, 0.035, 0.04), colour=SHOE)
    chest = 0.21 * wide if not sideways else 0.14
    long = 0.55 if rng.random() < 0.25 else 0.84
    swing = stride * 0.8
    if sideways:
        _arm(figure, 0.0, -swing, scaled(top, 0.7), skin)
    figure.polygon(
        [
            (-chest * 0.75, 1.47),
            (-chest, 1.38),
            (-chest * 0.86, 1.1),
            (-chest * 0.9, long),
            (chest * 0.9, long),
            (chest * 0.86, 1.1),
            (chest, 1.38),
            (chest * 0.75, 1.47),
        ],
        top,
    )
    if sideways:
        _arm(figure, 0.0, swing, scaled(top, 0.85), skin)
    else:
        for sign in (-1, 1):
            _arm(figure, sign * (chest + 0.01), sign * (chest + 0.06), scaled(top, 0.85), skin)
    if rng.random() < 0.3:
        bag = scaled(_pick(rng, clothes), 0.8)
        at = -0.22 if sideways else 0.0
        if sideways or back:
            figure.oval(at, 1.22, 0.11 if sideways else 0.15, 0.22, bag)
    _head(figure, 0.02 if sideways else 0, 1.62, skin, hair, back and not sideways)


def _arm(figure: Figure, shoulder: float, hand: float, sleeve: Rgb, skin: Rgb) -> None:
    elbow = shoulder + (hand - shoulder) * 0.4
    figure.limb((shoulder, 1.42, 0.065), (elbow, 1.12, 0.055), (hand, 0.88, 0.045), colour=sleeve)
    figure.oval(hand, 0.83, 0.045, 0.06, skin)


def _wheel(figure: Figure, s: float, radius: float, tyre: float) -> None:
    turn = 2 * math.pi / 14
    angles = [turn * i for i in range(15)]
    ring = [(s + radius * math.cos(a), radius + radius * math.sin(a)) for a in angles]
    inner = radius - tyre
    ring += [(s + inner * math.cos(a), radius + inner * math.sin(a)) for a in reversed(angles)]
    figure.polygon(ring, RUBBER)


def two_wheeler(
    scene: Scene,
    frame: Frame,
    rng: np.random.Generator,
    *,
    name: str,
    ridden: bool,
    clothes: tuple[Rgb, ...],
    lamps: float,
) -> None:
    """Adds a bicycle or a motorcycle.

    Args:
        scene: scene that the faces are added to.
        frame: axes of the two-wheeler.
        rng: generator of the random details.
        name: 'bicycle' or 'motorcycle'.
        ridden: whether it has a rider.
        clothes: albedos that the rider's clothes are drawn from.
        lamps: strength of the lights, 0..1.
    """
    scene.contact(frame.x, frame.z, 0.25 + 0.6 * abs(frame.sin), 0.25 + 0.6 * abs(frame.cos))
    scene.shadow(frame.outline(0.7, 0.12), 1.6 if ridden else 0.8)
    paint = linear(
        ("#b8322a", "#22577a", "#2f6b3f", "#d8d8d4", "#242424", "#d98e2b")[int(rng.integers(6))]
    )
    outfit = Outfit(
        legs=scaled(_pick(rng, clothes), 0.6),
        top=_pick(rng, clothes),
        skin=_pick(rng, SKINS),
        helmet=linear(("#d9d9d9", "#202020", "#c03a2b", "#e3c21f")[int(rng.integers(4))]),
    )
    rider = outfit if ridden else None
    if abs(frame.sin) > 0.5:
        _side_view(scene, frame, name, paint, rider)
    else:
        _end_view(scene, frame, name, paint, rider, lamps)


def _side_view(scene: Scene, frame: Frame, name: str, paint: Rgb, outfit: Outfit | None) -> None:
    figure = Figure(scene, frame, 1.0, name)
    if name == "bicycle":
        for s in (-0.53, 0.53):
            _wheel(figure, s, 0.35, 0.06)
        tubes = [((-0.53, 0.35), (-0.05, 0.3)), ((-0.05, 0.3), (0.36, 0.78)), ((-0.2, 0.82),) * 2]
        tubes += [((-0.18, 0.76), (0.36, 0.8)), ((-0.05, 0.3), (-0.22, 0.92))]
        tubes += [((-0.53, 0.35), (-0.18, 0.76)), ((0.53, 0.35), (0.34, 0.98))]
        for (s0, y0), (s1, y1) in tubes:
            figure.limb((s0, y0, 0.025), (s1, y1, 0.025), colour=paint)
        figure.limb((-0.34, 0.95, 0.035), (-0.1, 0.96, 0.025), colour=RUBBER)
        figure.limb((0.3, 1.02, 0.025), (0.46, 1.0, 0.025), colour=RUBBER)
        seat, foot, hand = 0.98, (0.0, 0.22), (0.4, 1.02)
    else:
        for s in (-0.66, 0.68):
            _wheel(figure, s, 0.32, 0.12)
        figure.polygon([(-0.5, 0.35), (0.3, 0.32), (0.35, 0.6), (-0.4, 0.65)], RUBBER)
        figure.limb((0.68, 0.32, 0.04), (0.42, 0.95, 0.04), colour=STEEL)
        figure.polygon(
            [
                (-0.95, 0.75),
                (-0.3, 0.62),
                (0.3, 0.62),
                (0.5, 0.8),
                (0.4, 0.95),
                (0.05, 0.95),
                (-0.15, 0.8),
                (-0.8, 0.84),
            ],
            paint,
        )
        figure.limb((-0.7, 0.85, 0.05), (-0.1, 0.82, 0.05), colour=RUBBER)
        figure.limb((-0.8, 0.4, 0.05), (-0.1, 0.33, 0.05), colour=STEEL)
        figure.limb((0.3, 1.02, 0.03), (0.46, 0.98, 0.03), colour=RUBBER)
        seat, foot, hand = 0.86, (0.05, 0.34), (0.38, 1.0)
    if outfit:
        rider = Figure(scene, frame, 1.0, "rider")
        knee = (0.22, seat - 0.3)
        rider.limb((-0.2, seat, 0.1), (*knee, 0.08), (*foot, 0.055), colour=outfit.legs)
        rider.limb((foot[0] - 0.04, foot[1], 0.04), (foot[0] + 0.14, foot[1], 0.035), colour=SHOE)
        rider.limb(
            (-0.22, seat, 0.13),
            (-0.08, seat + 0.3, 0.14),
            (0.06, seat + 0.54, 0.12),
            colour=outfit.top,
        )
        rider.limb(
            (0.04, seat + 0.5, 0.06), (0.16, seat + 0.22, 0.05), (*hand, 0.045),
            colour=scaled(outfit.top, 0.8),
        )  # fmt: skip
        rider.oval(0.16, seat + 0.72, 0.1, 0.13, outfit.skin)
        rider.oval(0.15, seat + 0.76, 0.12, 0.12, outfit.helmet, 1.4 if name == "bicycle" else 0.7)


def _end_view(
    scene: Scene, frame: Frame, name: str, paint: Rgb, outfit: Outfit | None, lamps: float
) -> None:
    ahead = frame.cos > 0
    flat = Frame(frame.x, frame.z, math.pi / 2)
    figure = Figure(scene, flat, 1.0, name)
    motor = name == "motorcycle"
    tyre, radius = (0.08, 0.32) if motor else (0.035, 0.35)
    figure.oval(0, radius, tyre, radius, RUBBER)
    if motor:
        figure.polygon([(-0.17, 0.45), (0.17, 0.45), (0.2, 0.85), (-0.2, 0.85)], paint)
        figure.limb((-0.38, 1.0, 0.03), (0.38, 1.0, 0.03), colour=RUBBER)
    else:
        figure.limb((0, 0.5, 0.03), (0, 1.0, 0.03), colour=paint)
        figure.limb((-0.28, 1.0, 0.025), (0.28, 1.0, 0.025), colour=RUBBER)
    seat = 0.84 if motor else 0.96
    if outfit:
        rider = Figure(scene, flat, 1.0, "rider")
        for sign in (-1, 1):
            low = 0.32 if motor or sign > 0 else 0.16
            rider.limb(
                (sign * 0.1, seat, 0.1), (sign * 0.19, seat - 0.28, 0.085),
                (sign * 0.13, low, 0.055), colour=scaled(outfit.legs, 1.0 if sign > 0 else 0.8),
            )  # fmt: skip
            rider.limb(
                (sign * 0.18, seat + 0.5, 0.06), (sign * 0.3, seat + 0.25, 0.055),
                (sign * 0.27, 1.04, 0.045), colour=scaled(outfit.top, 0.8),
            )  # fmt: skip
        rider.polygon(
            [
                (-0.18, seat - 0.02),
                (0.18, seat - 0.02),
                (0.23, seat + 0.45),
                (0.14, seat + 0.56),
                (-0.14, seat + 0.56),
                (-0.23, seat + 0.45),
            ],
            outfit.top,
        )
        rider.oval(0, seat + 0.7, 0.1, 0.13, outfit.helmet if ahead else outfit.skin)
        rider.oval(0, seat + 0.74, 0.12, 0.12, outfit.helmet, 1.3)
    colour = TAIL if ahead else LAMP
    glow = scaled(colour, lamps * (2.5 if ahead else 7.0))
    high = 0.78 if ahead else 0.88
    figure.polygon([(-0.06, high), (0.06, high), (0.06, high + 0.1), (-0.06, high + 0.1)],
                   colour, glow)  # fmt: skip
