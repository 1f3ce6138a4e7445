"""Houses along the street: walls with windows, roofs and chimneys."""

import math

import numpy as np

from roadshift.synthetic.scene import BACK, Facade, Rgb, Scene, linear, scaled
from roadshift.synthetic.world import WorldSettings

SHOPS = tuple(linear(c) for c in ("#7a2f2a", "#2f5d50", "#30507a", "#c9a23f", "#5a4a6a", "#ddd8cc"))
CHIMNEY = linear("#8a5a48")


def pick(rng: np.random.Generator, colours: list[str]) -> Rgb:
    """Draws one of a palette's colours, as albedo."""
    return linear(colours[int(rng.integers(len(colours)))])


def building(
    scene: Scene,
    world: WorldSettings,
    rng: np.random.Generator,
    *,
    side: int,
    line: float,
    z0: float,
    z1: float,
    bare_end: bool,
) -> None:
    """Adds a house.

    Args:
        scene: scene that the faces are added to.
        world: settings of the domain.
        rng: generator of the house's random details.
        side: side of the street, -1 left, 1 right.
        line: distance from the road's centre to the front, metres.
        z0: near end, metres along the street.
        z1: far end, metres along the street.
        bare_end: whether the near end has no windows, as where a neighbour adjoins.
    """
    layout, palette = world.layout, world.palette
    floor = float(rng.uniform(2.8, 3.4))
    storeys = int(rng.integers(layout.floors_min, layout.floors_max + 1))
    shop = bool(rng.random() < layout.shops)
    ground = float(rng.uniform(3.6, 4.2)) if shop else 0.0
    height = ground + floor * (storeys - (1 if shop else 0)) + 0.5
    depth = float(rng.uniform(9, 13))
    wall, trim = pick(rng, palette.facades), pick(rng, palette.trims)
    brick = bool(rng.random() < world.texture.brick)
    if brick:
        wall = linear(("#9a5440", "#84503e", "#a86a4c")[int(rng.integers(3))])
    wall = scaled(wall, float(rng.uniform(0.85, 1.1)))
    width = z1 - z0
    pitch = width / max(round(width / float(rng.uniform(2.3, 3.4))), 1)
    windows = (float(rng.uniform(0.38, 0.55)), float(rng.uniform(0.42, 0.56)))
    shop_colour = SHOPS[int(rng.integers(len(SHOPS)))]
    seed = float(rng.integers(1, 1000))

    def facade(start: float, length: float, plane: float, along_street: bool, bare: bool) -> int:
        return scene.add_facade(
            Facade(
                along_street=along_street,
                start=start,
                plane=plane,
                height=height,
                floor_height=floor,
                window_step=length / max(round(length / pitch), 1),
                window_width=0.0 if bare else windows[0],
                window_height=windows[1],
                ground_height=ground if along_street else 0.0,
                seed=seed if along_street else seed + 17,
                trim=trim,
                brick=brick,
                shop=shop and along_street,
                lit_share=world.light.lit_windows,
                door_column=float(rng.integers(6)),
                accent=shop_colour,
            )
        )

    x, back = side * line, side * (line + depth)
    scene.begin(BACK, z0)
    scene.shadow([(x, z0), (x, z1), (back, z1), (back, z0)], height)
    roof = pick(rng, palette.roofs)
    pitched = rng.random() < layout.pitched_roofs
    rise = float(rng.uniform(2.2, 4.0))
    middle = (x + back) / 2
    if pitched:
        slope = depth / 2
        length = math.hypot(slope, rise)
        normal = (-side * rise / length, slope / length, 0.0)
        eave = x - side * 0.45
        quad = [(eave, height - 0.1, z0 - 0.2), (eave, height - 0.1, z1 + 0.2)]
        quad += [(middle, height + rise, z1 + 0.2), (middle, height + rise, z0 - 0.2)]
        gable = [(x, height, z0), (back, height, z0), (middle, height + rise, z0)]
        scene.face(gable, "building", scaled(wall, 0.95), (0, 0, -1))
        scene.face(quad, "building", roof, normal, rough=0.12)
        if rng.random() < 0.5:
            at, zc = x + side * depth * 0.3, z0 + width * float(rng.uniform(0.2, 0.8))
            low, high = height + rise * 0.5, height + rise + 0.9
            for quad in (
                [(at, low, zc), (at, low, zc + 0.9), (at, high, zc + 0.9), (at, high, zc)],
                [
                    (at, low, zc),
                    (at + side * 0.7, low, zc),
                    (at + side * 0.7, high, zc),
                    (at, high, zc),
                ],
            ):
                scene.face(quad, "building", CHIMNEY, (-side, 0, 0) if quad[1][2] > zc
                           else (0, 0, -1))  # fmt: skip
    low, high = min(x, back), max(x, back)
    end = [(low, 0, z0), (high, 0, z0), (high, height, z0), (low, height, z0)]
    details = facade(low, depth, z0, along_street=False, bare=bare_end)
    scene.face(end, "building", wall, (0, 0, -1), facade=details)
    front = [(x, 0, z0), (x, 0, z1), (x, height, z1), (x, height, z0)]
    details = facade(z0, width, x, along_street=True, bare=False)
    scene.face(front, "building", wall, (-side, 0, 0), facade=details)
    if not pitched:
        lip = x - side * 0.3
        y0, y1 = height - 0.35, height + 0.1
        band = [(lip, y0, z0), (lip, y0, z1), (lip, y1, z1), (lip, y1, z0)]
        scene.face(band, "building", trim, (-side, 0, 0))
        cap = [(lip, y0, z0), (back, y0, z0), (back, y1, z0), (lip, y1, z0)]
        scene.face(cap, "building", scaled(trim, 0.9), (0, 0, -1))
