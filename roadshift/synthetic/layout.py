"""Lays out one street at random: cross-section, lots, furniture, people and traffic."""

import math
from dataclasses import dataclass

import numpy as np

from roadshift.synthetic import buildings, furniture, people, vehicles
from roadshift.synthetic.scene import BACK, EDGE, FRONT, Facade, Frame, Rgb, Scene, linear
from roadshift.synthetic.world import WorldSettings

FAR = 130.0
"""End of the built-up street, metres along it."""


@dataclass(frozen=True)
class Street:
    """The ground plan, metres.

    Attributes:
        lane_half: half width of the lanes together.
        road_half: half width of the carriageway with its parking places.
        verge: width of the grass beside the carriageway.
        line: distance from the road's centre to the outer edge of the sidewalk.
        junction: z of the crossing street's axis; -1e3: none.
        junction_half: half width of the crossing street.
        zebra: z of the zebra crossing's near edge; -1e3: none.
    """

    lane_half: float
    road_half: float
    verge: float
    line: float
    junction: float
    junction_half: float
    zebra: float

    def free(self, z: float, margin: float) -> bool:
        """Returns whether z is farther than `margin` metres from the crossing street."""
        return abs(z - self.junction) > self.junction_half + margin


def plan(world: WorldSettings, rng: np.random.Generator) -> Street:
    """Draws a random ground plan."""
    layout = world.layout
    lane_half = layout.lanes * layout.lane_width / 2
    road_half = lane_half + layout.parking_width
    verge = layout.verge_width
    line = road_half + 0.15 + verge + layout.sidewalk_width
    crosses = rng.random() < layout.crossing
    junction = float(rng.uniform(16, 48)) if crosses else -1e3
    half = float(rng.uniform(3.2, 4.5))
    zebra = -1e3
    if rng.random() < layout.zebra:
        zebra = junction - half - 5.5 if crosses else float(rng.uniform(8, 26))
    return Street(
        lane_half=lane_half,
        road_half=road_half,
        verge=verge,
        line=line,
        junction=junction,
        junction_half=half,
        zebra=zebra,
    )


def furnish(scene: Scene, world: WorldSettings, street: Street, rng: np.random.Generator) -> None:
    """Adds buildings, furniture, traffic and people to the scene."""
    _far_end(scene, world, street, rng)
    for side in (-1, 1):
        _lots(scene, world, street, side, rng)
        _kerbside(scene, world, street, side, rng)
        _parking(scene, world, street, side, rng)
    _signals(scene, world, street, rng)
    _traffic(scene, world, street, rng)
    _two_wheelers(scene, world, street, rng)
    _pedestrians(scene, world, street, rng)


def _far_end(scene: Scene, world: WorldSettings, street: Street, rng: np.random.Generator) -> None:
    scene.begin(BACK, 1e3)
    for x in np.linspace(-90, 90, 13).tolist():
        wide, high = float(rng.uniform(6, 14)), float(rng.uniform(6, 15))
        z = FAR + float(rng.uniform(25, 60))
        if rng.random() < 0.45:
            wall = buildings.pick(rng, world.palette.facades)
            scene.face(furniture.upright(x, z, wide, 0, high), "building", wall)
            roof = [(x - wide, high, z), (x + wide, high, z), (x, high + 4, z)]
            scene.face(roof, "building", buildings.pick(rng, world.palette.roofs))
        else:
            leaves = buildings.pick(rng, world.palette.foliage)
            rough = world.texture.foliage
            furniture.bush(scene, x, z, rng, size=high, leaves=leaves, rough=rough)


def _lots(
    scene: Scene, world: WorldSettings, street: Street, side: int, rng: np.random.Generator
) -> None:
    layout = world.layout
    z, open_end = -6.0, True
    while z < FAR:
        width = float(rng.uniform(layout.building_width_min, layout.building_width_max))
        end = z + width
        if street.junction > 0:
            low = street.junction - street.junction_half - layout.sidewalk_width
            high = street.junction + street.junction_half + layout.sidewalk_width
            if z < high and end > low:
                if low - z > 5:
                    end = low
                else:
                    z, open_end = high, True
                    continue
        setback = layout.setback * float(rng.uniform(0.7, 1.3)) if layout.setback > 0.2 else 0.0
        line = street.line + setback
        if rng.random() < layout.gap:
            _garden(scene, world, street, side, z, end, rng)
            open_end = True
        else:
            buildings.building(
                scene, world, rng, side=side, line=line, z0=z, z1=end, bare_end=not open_end
            )
            open_end = False
            if setback > 0.8:
                _front_garden(scene, world, street, side, z, end, setback, rng)
        z = end + (float(rng.uniform(1.5, 4)) if layout.setback > 1 else 0.0)
        open_end = open_end or layout.setback > 1


def _garden(
    scene: Scene,
    world: WorldSettings,
    street: Street,
    side: int,
    z0: float,
    z1: float,
    rng: np.random.Generator,
) -> None:
    """Adds a lot without a building: trees behind a wall, a hedge or a fence."""
    rough = world.texture.foliage
    for _ in range(int((z1 - z0) / 4) + 1):
        z = float(rng.uniform(max(z0, 2), max(z1, 3)))
        x = side * (street.line + float(rng.uniform(2.5, 12)))
        scene.begin(BACK, z)
        leaves = buildings.pick(rng, world.palette.foliage)
        height = float(rng.uniform(6, 11))
        furniture.tree(scene, x, z, rng, height=height, leaves=leaves, rough=rough)
    _boundary(scene, world, street, side, z0, z1, rng)


def _front_garden(
    scene: Scene,
    world: WorldSettings,
    street: Street,
    side: int,
    z0: float,
    z1: float,
    setback: float,
    rng: np.random.Generator,
) -> None:
    for _ in range(int(rng.integers(0, 4))):
        z = float(rng.uniform(max(z0, 2), max(z1, 3)))
        x = side * (street.line + setback * float(rng.uniform(0.3, 0.7)))
        scene.begin(BACK, z0 - 0.01 + 0.005 * (1 - z / FAR))
        leaves = buildings.pick(rng, world.palette.foliage)
        size = float(rng.uniform(0.4, 0.9))
        rough = world.texture.foliage
        furniture.bush(scene, x, z, rng, size=size, leaves=leaves, rough=rough)
    if rng.random() < world.layout.fences:
        _boundary(scene, world, street, side, z0, z1, rng)


def _boundary(
    scene: Scene,
    world: WorldSettings,
    street: Street,
    side: int,
    z0: float,
    z1: float,
    rng: np.random.Generator,
) -> None:
    kind, x = rng.random(), side * (street.line + 0.1)
    z0, z1 = max(z0, 0.6), max(z1, 0.8)
    scene.begin(EDGE, z0)
    if kind < 0.4:
        tone = linear(("#e8e4da", "#8a6a4a", "#55605a", "#a8aeb2")[int(rng.integers(4))])
        furniture.fence(scene, x, z0, z1, tone)
    elif kind < 0.75:
        height = float(rng.uniform(0.9, 2.0))
        tone = buildings.pick(rng, world.palette.facades)
        facade = scene.add_facade(
            Facade(
                along_street=True,
                start=z0,
                plane=x,
                height=height,
                floor_height=3.0,
                window_step=3.0,
                window_width=0.0,
                window_height=0.5,
                ground_height=0.0,
                seed=1.0,
                trim=tone,
                brick=bool(rng.random() < 0.5),
                shop=False,
                lit_share=0.0,
                door_column=0.0,
                accent=tone,
            )
        )
        furniture.box(scene, "wall", x, x + side * 0.3, z0, z1, height, tone, facade=facade)
        scene.shadow([(x, z0), (x, z1), (x + side * 0.3, z1), (x + side * 0.3, z0)], height)
    else:
        leaves = buildings.pick(rng, world.palette.foliage)
        height = float(rng.uniform(0.9, 1.7))
        rough = world.texture.foliage
        furniture.box(scene, "vegetation", x, x + side * 0.8, z0, z1, height, leaves, rough=rough)
        scene.shadow([(x, z0), (x, z1), (x + side * 0.8, z1), (x + side * 0.8, z0)], height)


def _places(rng: np.random.Generator, density: float, near: float, far: float) -> list[float]:
    """Draws places along the street, metres; denser near the camera, so no image is empty."""
    count = int(rng.poisson(density * (far - near) / 100))
    return [near + (far - near) * share**1.25 for share in rng.uniform(0, 1, count).tolist()]


def _kerbside(
    scene: Scene, world: WorldSettings, street: Street, side: int, rng: np.random.Generator
) -> None:
    layout = world.layout
    kerb = street.road_half + 0.15 + max(0.35, street.verge / 2)
    if layout.trees:
        step = 100 / layout.trees * 2
        z = float(rng.uniform(3, 3 + step))
        size = float(rng.uniform(6, 9.5))
        while z < FAR:
            if street.free(z, 3) and rng.random() < 0.85:
                scene.begin(FRONT, z)
                leaves = buildings.pick(rng, world.palette.foliage)
                height = size * float(rng.uniform(0.8, 1.2))
                x, rough = side * (kerb + 0.2), world.texture.foliage
                furniture.tree(scene, x, z, rng, height=height, leaves=leaves, rough=rough)
            z += step * float(rng.uniform(0.8, 1.3))
    if layout.lamps:
        step = 100 / layout.lamps * 2
        z = float(rng.uniform(4, 4 + step * 0.8))
        while z < 110:
            if street.free(z, 1):
                scene.begin(FRONT, z)
                furniture.lamp(scene, side * kerb, z, inward=-side, lamps=world.light.lamps)
            z += step
    for z in _places(rng, layout.signs / 2, 6, 70):
        scene.begin(FRONT, z)
        furniture.sign(scene, side * (kerb + 0.1), z, rng)
    for z in _places(rng, layout.clutter / 2, 5, 60):
        if street.free(z, 1):
            scene.begin(FRONT, z)
            furniture.litter_bin(scene, side * (kerb + 0.5), z, rng)


def _parking(
    scene: Scene, world: WorldSettings, street: Street, side: int, rng: np.random.Generator
) -> None:
    if world.layout.parking_width < 1.8:
        return
    x = side * (street.lane_half + world.layout.parking_width / 2)
    z = float(rng.uniform(4, 9))
    while z < 100:
        clear = street.free(z, 7) and abs(z - street.zebra - 1.5) > 5.5
        if clear and rng.random() < world.layout.parked:
            scene.begin(FRONT, z)
            heading = (0.0 if side > 0 else math.pi) + float(rng.normal(0, 0.02))
            paint = buildings.pick(rng, world.palette.vehicles)
            frame = Frame(x + float(rng.normal(0, 0.08)), z, heading)
            if rng.random() < 0.06:
                frame = Frame(x, z + 2, heading)
                vehicles.heavy(scene, frame, rng, name="truck", paint=paint, lamps=0.0)
                z += 4
            else:
                vehicles.car(scene, frame, rng, paint=paint, lamps=0.0)
        z += float(rng.uniform(5.6, 7.2))


def _signals(scene: Scene, world: WorldSettings, street: Street, rng: np.random.Generator) -> None:
    if street.junction < 0 or rng.random() < 0.25:
        return
    phase = int(rng.integers(3))
    kerb = street.road_half + 0.5
    near = street.junction - street.junction_half - 2.2
    far = street.junction + street.junction_half + 2.2
    arm = rng.random() < 0.4
    for side, z, reach in ((1, near, arm), (-1, near, False), (1, far, False), (-1, far, arm)):
        scene.begin(FRONT, z)
        x, lamps = side * kerb, world.light.lamps
        furniture.signal(scene, x, z, inward=-side, phase=phase, lamps=lamps, arm=bool(reach))


def _traffic(scene: Scene, world: WorldSettings, street: Street, rng: np.random.Generator) -> None:
    layout = world.layout
    taken: list[tuple[float, float]] = []
    for z in _places(rng, layout.traffic, 9, 95):
        lane = (int(rng.integers(layout.lanes)) + 0.5) * layout.lane_width - street.lane_half
        if any(abs(lane - a) < 1 and abs(z - b) < 10 for a, b in taken):
            continue
        taken.append((lane, z))
        oncoming = lane < 0 if layout.lanes > 1 else False
        heading = (math.pi if oncoming else 0.0) + float(rng.normal(0, 0.03))
        _vehicle(scene, world, Frame(lane + float(rng.normal(0, 0.15)), z, heading), rng)
    if street.junction > 0 and rng.random() < 0.6:
        side = 1 if rng.random() < 0.5 else -1
        x = float(rng.uniform(3 - street.line, street.line - 3))
        z = street.junction - side * 1.8
        if not any(abs(b - z) < 6 and abs(a - x) < 5 for a, b in taken):
            _vehicle(scene, world, Frame(x, z, side * math.pi / 2), rng)


def _vehicle(scene: Scene, world: WorldSettings, frame: Frame, rng: np.random.Generator) -> None:
    paint, lamps = buildings.pick(rng, world.palette.vehicles), world.light.lamps
    if rng.random() < world.layout.heavy:
        name = "bus" if rng.random() < 0.5 else "truck"
        if abs(frame.sin) < 0.5:
            frame.z = max(frame.z, 17.0)
        scene.begin(FRONT, frame.z)
        if name == "bus":
            paint = linear(("#c23b2e", "#e0b23a", "#2f6f8f", "#d8d8d0")[int(rng.integers(4))])
        vehicles.heavy(scene, frame, rng, name=name, paint=paint, lamps=lamps)
    else:
        scene.begin(FRONT, frame.z)
        vehicles.car(scene, frame, rng, paint=paint, lamps=lamps)


def _clothes(world: WorldSettings) -> tuple[Rgb, ...]:
    return tuple(linear(c) for c in world.palette.clothes)


def _two_wheelers(
    scene: Scene, world: WorldSettings, street: Street, rng: np.random.Generator
) -> None:
    clothes, lamps = _clothes(world), world.light.lamps
    kerb = street.road_half + 0.15 + street.verge
    for z in _places(rng, world.layout.two_wheelers, 6, 55):
        name = "bicycle" if rng.random() < 0.6 else "motorcycle"
        side = 1 if rng.random() < 0.5 else -1
        kind = rng.random()
        if kind < 0.45:
            heading = 0.0 if side > 0 else math.pi
            x, ridden = side * (street.lane_half - float(rng.uniform(0.3, 1.0))), True
        elif kind < 0.65:
            heading, x, ridden = side * math.pi / 2, float(rng.uniform(-5, 6)), True
            z = street.junction + side if street.junction > 0 else z
        else:
            heading = side * math.pi / 2 + float(rng.normal(0, 0.15))
            x, ridden = side * (kerb + float(rng.uniform(0.9, 1.6))), False
        scene.begin(FRONT, z)
        people.two_wheeler(
            scene,
            Frame(x, z, heading),
            rng,
            name=name,
            ridden=ridden,
            clothes=clothes,
            lamps=lamps if ridden else 0,
        )


def _pedestrians(
    scene: Scene, world: WorldSettings, street: Street, rng: np.random.Generator
) -> None:
    clothes = _clothes(world)
    inner = street.road_half + 0.15 + street.verge
    for z in _places(rng, world.layout.people, 5, 60):
        side = 1 if rng.random() < 0.5 else -1
        crossing = street.zebra > 0 and rng.random() < 0.35
        if crossing:
            z = street.zebra + float(rng.uniform(0.4, 2.6))
            x = float(rng.uniform(-street.road_half, street.road_half))
        else:
            x = side * float(rng.uniform(inner + 0.4, max(street.line - 0.4, inner + 0.5)))
        for i in range(2 if rng.random() < 0.25 else 1):
            scene.begin(FRONT, z + 0.1 * i)
            people.person(scene, x + 0.55 * i, z + 0.1 * i, rng, clothes=clothes)
