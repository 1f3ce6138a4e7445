"""Street furniture: trees, bushes, lamps, signs, signals, fences, walls and bins."""

import math

import numpy as np

from roadshift.synthetic.scene import BLACK, EDGE, Point, Rgb, Scene, linear, scaled

BARK = linear("#5b4636")
METAL = linear("#6f7479")
WARM = linear("#ffd9a0")


def upright(
    x: float, z: float, half: float, y0: float, y1: float, top: float | None = None
) -> list[Point]:
    """Returns the corners of a standing quad of half width `half` below and `top` above."""
    top = half if top is None else top
    return [(x - half, y0, z), (x + half, y0, z), (x + top, y1, z), (x - top, y1, z)]


def _round(x: float, y: float, z: float, radius: float, corners: int = 12) -> list[Point]:
    turn = 2 * math.pi / corners
    start = turn / 2
    return [
        (x + radius * math.cos(start + turn * i), y + radius * math.sin(start + turn * i), z)
        for i in range(corners)
    ]


def tree(
    scene: Scene,
    x: float,
    z: float,
    rng: np.random.Generator,
    *,
    height: float,
    leaves: Rgb,
    rough: float,
) -> None:
    """Adds a broad-leaved tree or a poplar: trunk, branches and a crown of leaf clusters.

    Args:
        scene: scene that the faces are added to.
        x: metres to the right of the road's centre.
        z: metres along the street.
        rng: generator of the tree's random details.
        height: metres.
        leaves: albedo of the leaves.
        rough: contrast of the leafy texture, 0..1.
    """
    slim = rng.random() < 0.2
    radius = height * float(rng.uniform(0.16, 0.2) if slim else rng.uniform(0.27, 0.36))
    trunk = 0.035 * height * 0.5
    fork = height * float(rng.uniform(0.3, 0.4)) if not slim else height * 0.15
    scene.contact(x, z, 0.5, 0.4)
    scene.shadow([(x - trunk, z), (x + trunk, z), (x, z + trunk)], height * 0.6)
    scene.face(upright(x, z, trunk, 0, height * 0.7, trunk * 0.5), "vegetation", BARK)
    for side in (-1, 1):
        scene.face(
            [(x, fork, z), (x + trunk * side, fork * 1.1, z), (x + radius * 0.6 * side,
             fork + radius * 0.9, z)],
            "vegetation", scaled(BARK, 0.8),
        )  # fmt: skip
    count = 15 if z < 45 else 9
    low, high = fork + radius * 0.2, height
    level = np.sort(rng.uniform(0, 1, count))
    spread = np.sqrt(np.clip(1 - np.square(2 * level - 0.85) * 0.8, 0.05, 1))
    across = rng.uniform(-1, 1, count) * radius * 0.72 * spread
    up = low + (high - low) * level * 0.85
    size = radius * rng.uniform(0.34, 0.55, count) * (0.7 + 0.3 * spread)
    corners = 16 if z < 45 else 11
    angles = [k * (2 * math.pi / corners) for k in range(corners)]
    cos, sin = (np.array([f(a) for a in angles]) for f in (math.cos, math.sin))
    bumps = rng.uniform(0.78, 1.15, (count, corners)) * size[:, None]
    xs = (x + across[:, None] + bumps * cos).tolist()
    ys = (up[:, None] + bumps * sin * 0.85).tolist()
    sunny = math.copysign(1.0, scene.sun[0])
    shades = (0.55 + 0.55 * level + 0.22 * sunny * across / radius).tolist()
    shift = rng.uniform(0.9, 1.1, count).tolist()
    for i in range(count):
        points = [(a, b, z) for a, b in zip(xs[i], ys[i], strict=True)]
        normal = (0.35 * sunny, 0.25 + 0.5 * float(level[i]), -0.75)
        scene.face(points, "vegetation", scaled(leaves, shades[i] * shift[i]), normal, rough=rough)
    ring = [(x + radius * math.cos(a), z + radius * math.sin(a)) for a in angles]
    reach = (low + high) / 2 / max(math.tan(math.asin(scene.sun[1])), 0.12)
    flat = math.hypot(scene.sun[0], scene.sun[2]) or 1.0
    dx, dz = -scene.sun[0] / flat * reach, -scene.sun[2] / flat * reach
    scene.shadows.append(([(a + dx, b + dz) for a, b in ring], 190))


def bush(
    scene: Scene,
    x: float,
    z: float,
    rng: np.random.Generator,
    *,
    size: float,
    leaves: Rgb,
    rough: float,
) -> None:
    """Adds a bush of three leaf clusters, about `size` metres high; else as for `tree`."""
    for shift, grow, shade in ((-0.5, 0.75, 0.7), (0.5, 0.8, 0.85), (0, 1.0, 1.0)):
        jag = rng.uniform(0.82, 1.12, 14).tolist()
        points = []
        for i, k in enumerate(jag):
            a = 2 * math.pi * i / 14
            y = size * 0.55 * grow + size * 0.6 * grow * k * math.sin(a)
            points.append((x + shift * size + size * 0.75 * k * math.cos(a), max(y, 0.0), z))
        scene.face(points, "vegetation", scaled(leaves, shade), rough=rough)
    scene.contact(x, z, size, size * 0.5)


def lamp(scene: Scene, x: float, z: float, *, inward: float, lamps: float) -> None:
    """Adds a street lamp at (x, z) metres.

    Args:
        scene: scene that the faces are added to.
        x: metres to the right of the road's centre.
        z: metres along the street.
        inward: direction of the arm along x, towards the road, -1 or 1.
        lamps: strength of the light, 0..1.
    """
    top = 6.6
    scene.shadow([(x - 0.06, z), (x + 0.06, z), (x, z + 0.06)], top)
    scene.face(upright(x, z, 0.12, 0, 0.9), "pole", scaled(METAL, 0.8))
    scene.face(upright(x, z, 0.075, 0.9, top, 0.05), "pole", METAL)
    reach = x + 1.6 * inward
    arm = [(x, top - 0.1, z), (x, top, z), (reach, top + 0.28, z), (reach, top + 0.18, z)]
    scene.face(arm, "pole", METAL)
    head = [(reach - 0.35 * inward, top + 0.14, z), (reach + 0.35 * inward, top + 0.2, z)]
    head += [(reach + 0.3 * inward, top + 0.34, z), (reach - 0.3 * inward, top + 0.34, z)]
    scene.face(head, "pole", scaled(METAL, 0.8))
    a, b = head[0], head[1]
    light = [a, b, (b[0], b[1] - 0.09, z), (a[0], a[1] - 0.09, z)]
    scene.face(light, "pole", WARM, glow=scaled(WARM, 8 * lamps))
    scene.lamps.append((reach, top, z))


_RED, _WHITE, _BLUE, _YELLOW = (linear(c) for c in ("#c5171d", "#f2f2f2", "#1f5fae", "#f0c020"))


def sign(scene: Scene, x: float, z: float, rng: np.random.Generator) -> None:
    """Adds a traffic sign on a post: prohibition, warning, order, priority or parking."""
    kind = int(rng.integers(5))
    y = float(rng.uniform(2.3, 2.7))
    scene.shadow([(x - 0.05, z), (x + 0.05, z), (x, z + 0.05)], y + 0.3)
    scene.face(upright(x, z, 0.04, 0, y + 0.3), "pole", METAL)
    name, z = "traffic_sign", z - 0.02
    if kind == 0:
        scene.face(_round(x, y, z, 0.36), name, _RED)
        scene.face(_round(x, y, z, 0.26), name, _WHITE)
        scene.face(upright(x, z, 0.12, y - 0.1, y + 0.1), name, scaled(METAL, 0.3))
    elif kind == 1:
        for size, colour in ((0.46, _RED), (0.29, _WHITE)):
            corners = [(x - size, y - size * 0.58, z), (x + size, y - size * 0.58, z)]
            scene.face([*corners, (x, y + size * 1.15, z)], name, colour)
    elif kind == 2:
        scene.face(_round(x, y, z, 0.36), name, _BLUE)
        arrow = [(x - 0.05, y - 0.22, z), (x + 0.05, y - 0.22, z), (x + 0.05, y + 0.05, z)]
        arrow += [(x + 0.16, y + 0.05, z), (x, y + 0.24, z), (x - 0.16, y + 0.05, z)]
        scene.face([*arrow, (x - 0.05, y + 0.05, z)], name, _WHITE)
    elif kind == 3:
        for size, colour in ((0.44, _WHITE), (0.32, _YELLOW)):
            diamond = [(x - size, y, z), (x, y - size, z), (x + size, y, z), (x, y + size, z)]
            scene.face(diamond, name, colour)
    else:
        scene.face(upright(x, z, 0.34, y - 0.34, y + 0.34), name, _BLUE)
        scene.face(upright(x, z, 0.06, y - 0.22, y + 0.24), name, _WHITE)
        scene.face(upright(x + 0.1, z, 0.1, y - 0.03, y + 0.24), name, _WHITE)
        scene.face(upright(x + 0.08, z, 0.05, y + 0.05, y + 0.16), name, _BLUE)


def signal(
    scene: Scene, x: float, z: float, *, inward: float, phase: int, lamps: float, arm: bool
) -> None:
    """Adds a traffic light on a post.

    Args:
        scene: scene that the faces are added to.
        x: metres to the right of the road's centre.
        z: metres along the street.
        inward: direction of the arm along x, towards the road, -1 or 1.
        phase: index of the lens that shines: 0 red, 1 amber, 2 green.
        lamps: strength of the light, 0..1.
        arm: whether an arm over the road carries a second head.
    """
    top = 5.6 if arm else 3.3
    scene.shadow([(x - 0.07, z), (x + 0.07, z), (x, z + 0.07)], top)
    scene.face(upright(x, z, 0.08, 0, top), "pole", scaled(METAL, 0.7))
    heads = [(x, 2.75)]
    if arm:
        end = x + 3.6 * inward
        quad = [(x, top - 0.12, z), (x, top, z), (end, top + 0.1, z), (end, top, z)]
        scene.face(quad, "pole", scaled(METAL, 0.7))
        heads.append((end, 5.3))
    dark = linear("#1b1d1f")
    for hx, hy in heads:
        scene.face(upright(hx, z - 0.05, 0.2, hy - 0.52, hy + 0.52), "traffic_light", dark)
        for i, colour in enumerate(("#ff2a1c", "#ffb41e", "#2cf07a")):
            on = i == phase
            tone = linear(colour)
            glow = scaled(tone, 1.2 + 3.0 * lamps) if on else BLACK
            lens = _round(hx, hy + 0.31 - 0.31 * i, z - 0.06, 0.125, 8)
            scene.face(lens, "traffic_light", scaled(tone, 0.8 if on else 0.06), glow=glow)


def fence(scene: Scene, x: float, z0: float, z1: float, colour: Rgb) -> None:
    """Adds a picket fence along the street; each piece of it is a thing with its own depth."""
    start = z0
    while start < z1 - 0.5:
        end = min(start + 2.5, z1)
        scene.begin(EDGE, start)
        normal = (-math.copysign(1.0, x), 0.0, 0.0)
        for y in (0.3, 0.85):
            rail = [(x, y, start), (x, y, end), (x, y + 0.1, end), (x, y + 0.1, start)]
            scene.face(rail, "fence", scaled(colour, 0.85), normal)
        count = 9 if end < 30 else 5
        wide = 0.16 if end < 30 else 0.3
        for i in range(count):
            a = start + (end - start) * i / count
            picket = [(x, 0.05, a), (x, 0.05, a + wide), (x, 1.05, a + wide)]
            picket += [(x, 1.12, a + wide / 2), (x, 1.05, a)]
            scene.face(picket, "fence", colour, normal)
        start = end


def box(
    scene: Scene,
    name: str,
    x0: float,
    x1: float,
    z0: float,
    z1: float,
    height: float,
    colour: Rgb,
    *,
    rough: float = 0.0,
    facade: int = -1,
) -> None:
    """Adds the three faces of a block that the camera can see: inner side, near end and top."""
    inner = x0 if abs(x0) < abs(x1) else x1
    side = -math.copysign(1.0, inner)
    if height < scene.eye[1]:
        lid = [(x0, height, z0), (x1, height, z0), (x1, height, z1), (x0, height, z1)]
        scene.face(lid, name, colour, (0, 1, 0), rough=rough)
    end = [(x0, 0, z0), (x1, 0, z0), (x1, height, z0), (x0, height, z0)]
    scene.face(end, name, colour, (0, 0, -1), rough=rough)
    wall = [(inner, 0, z0), (inner, 0, z1), (inner, height, z1), (inner, height, z0)]
    scene.face(wall, name, colour, (side, 0, 0), rough=rough, facade=facade)


def litter_bin(scene: Scene, x: float, z: float, rng: np.random.Generator) -> None:
    """Adds a litter bin or a waste container; both are unlabelled."""
    colour = linear(("#3d5a45", "#4a4d52", "#7a6a3a")[int(rng.integers(3))])
    half = float(rng.uniform(0.22, 0.34))
    height = float(rng.uniform(0.8, 1.15))
    scene.contact(x, z, half * 1.4, half * 1.2)
    scene.shadow([(x - half, z), (x + half, z), (x, z + half)], height)
    scene.face(upright(x, z, half * 0.85, 0, height, half), "unlabelled", colour)
    lid = upright(x, z, half * 1.1, height * 0.92, height, half)
    scene.face(lid, "unlabelled", scaled(colour, 0.6))
