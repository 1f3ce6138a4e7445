"""Cars, trucks and buses: extruded profiles with windows, wheels and lights."""

import math

import numpy as np

from roadshift.synthetic.scene import (
    BLACK,
    Frame,
    Rgb,
    Scene,
    disc,
    linear,
    scaled,
    solid,
)

GLASS = linear("#39434c")
TYRE = linear("#1b1b1d")
RIM = linear("#9a9da2")
TRIM = linear("#26282b")
WHITE = linear("#fff4e0")
RED = linear("#d2201c")
PLATE = linear("#e9e6d8")

Profile = list[tuple[float, float]]

# Corners (along, y) in metres, counter-clockwise from the rear bumper: lower body, then cabin.
_CARS: dict[str, tuple[Profile, Profile]] = {
    "saloon": (
        [
            (-2.15, 0.3),
            (2.1, 0.28),
            (2.2, 0.55),
            (2.05, 0.74),
            (0.95, 0.95),
            (-2.1, 0.98),
            (-2.25, 0.8),
        ],
        [(-1.85, 0.95), (1.05, 0.93), (0.3, 1.43), (-1.0, 1.43)],
    ),
    "hatchback": (
        [(-1.9, 0.3), (1.9, 0.28), (2.0, 0.6), (1.85, 0.8), (1.0, 0.98), (-1.9, 1.0), (-1.98, 0.7)],
        [(-1.86, 0.98), (1.2, 0.96), (0.4, 1.5), (-1.35, 1.5)],
    ),
    "suv": (
        [
            (-2.2, 0.38),
            (2.15, 0.36),
            (2.25, 0.75),
            (2.15, 0.98),
            (1.1, 1.12),
            (-2.15, 1.14),
            (-2.27, 0.9),
        ],
        [(-2.12, 1.12), (1.25, 1.1), (0.55, 1.72), (-1.75, 1.74)],
    ),
    "van": (
        [(-2.4, 0.35), (2.3, 0.33), (2.4, 0.8), (2.25, 1.05), (1.7, 1.2), (-2.42, 1.2)],
        [(-2.42, 1.18), (1.75, 1.16), (0.95, 1.98), (-2.32, 2.0)],
    ),
}


def car(scene: Scene, frame: Frame, rng: np.random.Generator, *, paint: Rgb, lamps: float) -> None:
    """Adds a passenger car or a van.

    Args:
        scene: scene that the faces are added to.
        frame: axes of the car.
        rng: generator that draws the kind of car.
        paint: albedo of the body.
        lamps: strength of the lights, 0..1.
    """
    kinds = tuple(_CARS)
    kind = kinds[int(rng.choice(4, p=(0.3, 0.35, 0.25, 0.1)))]
    body, cabin = _CARS[kind]
    half = 0.88 if kind != "van" else 0.95
    scene.contact(frame.x, frame.z, 1.1 + 1.4 * abs(frame.sin), 1.1 + 1.4 * abs(frame.cos))
    scene.shadow(frame.outline(2.1, 0.85), cabin[2][1] * 0.9)
    under = [(-1.9, 0.05), (1.9, 0.05), (1.9, 0.4), (-1.9, 0.4)]
    dark, sides = scaled(TYRE, 0.5), len(body)
    solid(scene, frame, "car", under, widths=[half - 0.08] * 4, colours=[dark] * 4, side=dark)
    solid(scene, frame, "car", body, widths=[half] * sides, colours=[paint] * sides, side=paint)
    _sides(scene, frame, "car", half, [-1.3, 1.32], 0.33)
    top = half - 0.2
    widths = [half - 0.04, half - 0.04, top, top]
    solid(scene, frame, "car", cabin, widths=widths, colours=[paint] * 4, side=paint)
    _screens(scene, frame, "car", cabin, (half - 0.04, top))
    _side_glass(scene, frame, cabin, half - 0.04, top)
    _ends(scene, frame, "car", body, half, lamps)


def _screens(
    scene: Scene, frame: Frame, name: str, cabin: Profile, widths: tuple[float, float]
) -> None:
    """Adds windscreen and rear window, inside their frames."""
    low, high = widths
    for bottom, top, sign in ((cabin[1], cabin[2], 1), (cabin[0], cabin[3], -1)):
        length = math.hypot(top[0] - bottom[0], top[1] - bottom[1])
        lean = (bottom[0] - top[0]) / length
        normal = frame.vector((top[1] - bottom[1]) / length * sign, lean * sign, 0)
        corners = []
        for part, sides in ((0.12 if sign > 0 else 0.3, (-1, 1)), (0.86, (1, -1))):
            along = bottom[0] + (top[0] - bottom[0]) * part + 0.01 * sign
            y = bottom[1] + (top[1] - bottom[1]) * part
            half = (low + (high - low) * part) * 0.88
            corners += [frame.point(along, y, half * w) for w in sides]
        if scene.sees(corners[0], normal):
            scene.face(corners, name, GLASS, normal)


def _side_glass(scene: Scene, frame: Frame, cabin: Profile, low: float, high: float) -> None:
    (l0, y0), (l1, _), (l2, y2), (l3, _) = cabin
    for sign in (-1, 1):
        if not scene.sees(frame.point(0, 1, sign * low), frame.vector(0, 0, sign)):
            continue
        middle = (l2 + l3) / 2 + 0.1
        bottom, top = y0 + 0.04, y2 - 0.1
        lean = (low - (low - high) * 0.85) * sign
        rear = ((l0 + 0.25, bottom), (middle - 0.05, bottom), (middle - 0.05, top), (l3 + 0.1, top))
        front = ((middle + 0.05, bottom), (l1 - 0.2, bottom), (l2, top), (middle + 0.05, top))
        for pane in (rear, front):
            points = [
                frame.point(along, y, low * sign if y == bottom else lean) for along, y in pane
            ]
            scene.face(points, "car", GLASS, frame.vector(0, 0.5, 0.85 * sign))


def _sides(
    scene: Scene, frame: Frame, name: str, half: float, axles: list[float], radius: float
) -> None:
    for sign in (-1, 1):
        normal = frame.vector(0, 0, sign)
        if scene.sees(frame.point(0, radius, sign * half), normal):
            for along in axles:
                at = half * sign * 1.01
                arch = disc(frame, along, radius + 0.03, at, radius * 1.18)
                scene.face(arch, name, scaled(TYRE, 0.4), normal)
                scene.face(disc(frame, along, radius, at, radius), name, TYRE, normal)
                scene.face(disc(frame, along, radius, at, radius * 0.6, 10), name, RIM, normal)
                scene.face(disc(frame, along, radius, at, radius * 0.2, 6), name, TRIM, normal)


def _ends(scene: Scene, frame: Frame, name: str, body: Profile, half: float, lamps: float) -> None:
    front, rear = max(along for along, _ in body) + 0.01, min(along for along, _ in body) - 0.01
    for end, sign in ((front, 1), (rear, -1)):
        normal = frame.vector(sign, 0.1, 0)
        if not scene.sees(frame.point(end, 0.6, 0), normal):
            continue
        level = max(y for along, y in body if along * sign > abs(end) - 0.4)
        low = level - 0.25
        colour = WHITE if sign > 0 else RED
        strength = lamps * (9.0 if sign > 0 else 2.2)
        glow = scaled(colour, strength)

        def quad(w0: float, w1: float, y0: float, y1: float, at: float = end) -> list:
            return [frame.point(at, y, w) for y, w in ((y0, w0), (y0, w1), (y1, w1), (y1, w0))]

        scene.face(quad(-half * 0.96, half * 0.96, 0.3, 0.42), name, TRIM, normal)
        if sign > 0:
            scene.face(quad(-half * 0.5, half * 0.5, 0.42, low + 0.1), name, TRIM, normal)
        scene.face(quad(-0.26, 0.26, 0.44, 0.55), name, PLATE, normal)
        for a, b in ((-half * 0.97, -half * 0.58), (half * 0.58, half * 0.97)):
            scene.face(quad(a, b, low, low + 0.16), name, scaled(colour, 0.8), normal, glow=glow)


def heavy(
    scene: Scene, frame: Frame, rng: np.random.Generator, *, name: str, paint: Rgb, lamps: float
) -> None:
    """Adds a truck (cab and box) or a bus.

    Args:
        scene: scene that the faces are added to.
        frame: axes of the vehicle.
        rng: generator that draws the colour of a truck's box.
        name: 'truck' or 'bus'.
        paint: albedo of the bus, or of the truck's cab.
        lamps: strength of the lights, 0..1.
    """
    length = 11.0 if name == "bus" else 7.6
    half, top = 1.25, 3.05 if name == "bus" else 3.3
    back, nose = -length / 2, length / 2
    scene.contact(
        frame.x, frame.z, 1.5 + length / 2 * abs(frame.sin), 1.5 + length / 2 * abs(frame.cos)
    )
    scene.shadow(frame.outline(length / 2, half), top)
    box: Rgb = paint
    if name == "truck":
        box = linear(("#e4e4e0", "#c9ccd0", "#2f5d8a", "#c2a14a")[int(rng.integers(4))])
        cab = [(nose - 1.9, 0.5), (nose, 0.45), (nose + 0.05, 1.4), (nose - 0.25, 2.5)]
        cab.append((nose - 1.9, 2.6))
        load = [(back, 0.95), (nose - 2.0, 0.95), (nose - 2.0, top), (back, top)]
        chassis = [(back, 0.45), (nose - 1.8, 0.45), (nose - 1.8, 0.95), (back, 0.95)]
        parts = [
            (chassis, [half - 0.2] * 4, [TRIM] * 4, TRIM),
            (load, [half] * 4, [scaled(box, 0.9)] * 4, box),
            (cab, [half - 0.05] * 5, [paint, paint, GLASS, paint, paint], paint),
        ]
        for profile, widths, colours, side in parts if frame.cos < 0 else parts[::2] + parts[1:2]:
            solid(scene, frame, name, profile, widths=widths, colours=colours, side=side)
        axles = [back + 1.2, back + 2.2, nose - 1.2]
    else:
        shell = [(back, 0.35), (nose, 0.35), (nose + 0.02, 1.1), (nose - 0.08, 2.55)]
        shell += [(nose - 0.2, top), (back + 0.1, top), (back, 2.6), (back, 1.2)]
        colours = [TRIM] + [paint] * 7
        solid(scene, frame, name, shell, widths=[half] * 8, colours=colours, side=paint)
        windows = [(back, 1.5), (nose + 0.02, 1.15), (nose - 0.06, 2.6), (back, 2.75)]
        _screens(scene, frame, name, windows, (half, half))
        axles = [back + 2.6, nose - 2.5]
    _heavy_sides(scene, frame, name, half, nose, back, top, lamps)
    _sides(scene, frame, name, half, axles, 0.48)
    body = [(back, 0.4), (nose + 0.05, 0.4), (nose + 0.05, 1.05), (back, 1.05)]
    _ends(scene, frame, name, body, half, lamps)


def _heavy_sides(
    scene: Scene,
    frame: Frame,
    name: str,
    half: float,
    nose: float,
    back: float,
    top: float,
    lamps: float,
) -> None:
    inside = scaled(linear("#ffe2b0"), lamps * 1.1) if name == "bus" else BLACK
    for sign in (-1, 1):
        normal = frame.vector(0, 0, sign)
        at = half * sign * 1.005
        if not scene.sees(frame.point(0, 1, at), normal):
            continue

        def pane(l0: float, l1: float, y0: float, y1: float, at: float = at) -> list:
            corners = ((l0, y0), (l1, y0), (l1, y1), (l0, y1))
            return [frame.point(along, y, at) for along, y in corners]

        if name == "bus":
            count = 7
            step = (nose - back - 0.6) / count
            for i in range(count):
                start = back + 0.3 + i * step
                window = pane(start + 0.06, start + step - 0.06, 1.35, 2.5)
                scene.face(window, name, GLASS, normal, glow=inside)
            stripe = linear("#e8e0cc")
            scene.face(pane(back, nose, 0.85, 1.0), name, stripe, normal)
        else:
            scene.face(pane(nose - 1.4, nose - 0.45, 1.5, 2.35), name, GLASS, normal)
            stripe = linear(("#b03a2e", "#3a6ea5")[int(abs(frame.x * 7)) % 2])
            scene.face(pane(back + 0.8, nose - 3.0, 1.6, 2.1), name, stripe, normal)
    if name == "bus" and math.cos(math.atan2(frame.sin, frame.cos)) < 0:
        sign_box = [
            frame.point(nose + 0.02, y, w) for y, w in ((2.6, -0.8), (2.6, 0.8), (2.9, 0.8))
        ]
        sign_box.append(frame.point(nose + 0.02, 2.9, -0.8))
        amber = linear("#ffb347")
        glow = scaled(amber, 0.25 + lamps)
        scene.face(sign_box, name, TRIM, frame.vector(1, 0, 0), glow=glow)
