"""Procedural textures: noise, facades with windows, and the ground of the street."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from roadshift.synthetic.arithmetic import cos_of_turns, on_grid
from roadshift.synthetic.classes import ID
from roadshift.synthetic.layout import Street
from roadshift.synthetic.scene import linear
from roadshift.synthetic.world import WorldSettings

_TILE = 512


class WallShading(NamedTuple):
    """The walls that n pixels show.

    Attributes:
        colour: float32 (n, 3), albedo.
        glow: float32 (n,), strength of the warm light from windows.
        depth: float32 (n,), metres from the camera.
    """

    colour: np.ndarray
    glow: np.ndarray
    depth: np.ndarray


class GroundShading(NamedTuple):
    """The ground that n pixels show.

    Attributes:
        albedo: float32 (n, 3).
        ids: uint8 (n,), native class ids.
        road: bool (n,), whether a pixel is carriageway.
    """

    albedo: np.ndarray
    ids: np.ndarray
    road: np.ndarray


@lru_cache(maxsize=32)
def tile(slope: float) -> np.ndarray:
    """Makes a periodic noise texture of spectrum 1/f^slope, float32 (512, 512), mean 0, std 1."""
    white = np.random.Generator(np.random.PCG64(7)).standard_normal((_TILE, _TILE))
    f = np.sqrt(np.square(np.fft.fftfreq(_TILE))[:, None] + np.square(np.fft.rfftfreq(_TILE)))
    f[0, 0] = 1
    spectrum = np.fft.rfft2(white) / np.power(f, slope)
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, s=(_TILE, _TILE))
    return on_grid(noise / noise.std(), 2**16).astype(np.float32)


def noise(slope: float, a: np.ndarray, b: np.ndarray, cells: float) -> np.ndarray:
    """Looks noise up at (a, b), (n,) each in metres, with `cells` texture cells a metre."""
    ia = (a * cells).astype(np.int32) & (_TILE - 1)
    ib = (b * cells).astype(np.int32) & (_TILE - 1)
    return tile(slope).ravel().take(ia * _TILE + ib)


def wrapped(a: np.ndarray, period: float) -> np.ndarray:
    """Computes `a % period` for a positive period, faster than NumPy's `%`."""
    return a - np.floor(a * np.float32(1 / period)) * np.float32(period)


def hashed(a: np.ndarray, b: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """Hashes integers (a, b, seed) to a number, float32 (n,), 0..1."""
    mixed = _bits(a) * np.uint32(374761393) + _bits(b) * np.uint32(668265263)
    mixed += _bits(seed) * np.uint32(2246822519)
    mixed = (mixed ^ (mixed >> np.uint32(13))) * np.uint32(1274126177)
    return ((mixed ^ (mixed >> np.uint32(16))) & np.uint32(0xFFFF)).astype(np.float32) / 65535


def _bits(whole: np.ndarray) -> np.ndarray:
    # Processors differ in what a negative float is as an unsigned integer.
    return whole.astype(np.int32).view(np.uint32)


def facades(
    world: WorldSettings,
    walls: np.recarray,
    eye: tuple[float, float, float],
    *,
    index: np.ndarray,
    rays: np.ndarray,
    albedo: np.ndarray,
) -> WallShading:
    """Draws windows, doors, shops and masonry on walls.

    Args:
        world: domain; it states textures and the colour of the sky in the windows.
        walls: facades of the scene, `FACADE` (facades,).
        eye: position of the camera, metres.
        index: int (n,), facade that each pixel shows.
        rays: float32 (n, 3), rays of the pixels, of depth 1.
        albedo: float32 (n, 3), albedo of the plain wall.
    """
    wall = walls[index]
    to_plane = np.where(
        wall.along_street, (wall.plane - eye[0]) / rays[:, 0], (wall.plane - eye[2]) / rays[:, 2]
    )
    depth = np.clip(to_plane, 0.1, 400).astype(np.float32)
    y = eye[1] + depth * rays[:, 1]
    place = np.where(wall.along_street, depth * rays[:, 2], eye[0] + depth * rays[:, 0])
    s = place - wall.start
    near = np.clip(18 / depth, 0, 1)
    texture = world.texture
    grain = noise(1.0, s + wall.seed, y, 24) * (0.5 * texture.facade) * near
    grain += noise(1.6, s + wall.seed, y, 4) * (0.45 * texture.facade)
    brick = np.flatnonzero(wall.brick & (depth < 26))
    rows = y[brick] / 0.085
    joint = wrapped(rows, 1) < 0.16
    joint |= wrapped(s[brick] / 0.24 + 0.5 * wrapped(np.floor(rows), 2), 1) < 0.08
    joints = brick[joint]
    grain[joints] -= 0.28 * np.clip(10 / depth[joints], 0, 1)
    grain -= np.clip(0.8 - y, 0, 0.8) * 0.18
    colour = albedo * (1 + grain)[:, None].astype(np.float32)

    above = y - wall.ground_height
    level = np.floor(above / wall.floor_height)
    rise = above - level * wall.floor_height
    column = np.floor(s / wall.window_step)
    middle = np.abs(s - (column + 0.5) * wall.window_step)
    half = 0.5 * wall.window_step * wall.window_width
    sill, lintel = 0.28 * wall.floor_height, (0.28 + wall.window_height) * wall.floor_height
    upper = (
        (above > 0)
        & (y < wall.height - 0.5)
        & (level * wall.floor_height + lintel < wall.height - wall.ground_height - 0.2)
    )
    upper &= wall.window_width > 0
    door = (
        (above > 0)
        & (level == 0)
        & (wall.ground_height < 0.5)
        & (column == wall.door_column)
        & wall.along_street
        & (wall.window_width > 0)
    )
    window = upper & ~door & (middle < half) & (rise > sill) & (rise < lintel)
    frame = upper & ~door & (middle < half + 0.12) & (rise > sill - 0.16) & (rise < lintel + 0.12)
    shop = wall.shop & (above < 0)
    edge = np.abs(wrapped(s / (wall.window_step * 1.5), 1) - 0.5)
    pane = shop & (y > 0.5) & (y < 2.7) & (edge < 0.44)
    awning = shop & (y > 2.75) & (y < 3.4)
    leaf = door & (middle < 0.55) & (rise < 2.2)

    course = ((above > 0) & (rise < 0.14) & (level > 0)) | (
        (y > wall.height - 0.4) & (wall.window_width > 0)
    )
    for part, painted, factor in (
        (course | frame, wall.trim, 0.92),
        (shop & ~pane, wall.accent, 0.6),
        (awning, wall.accent, 1.0),
        (leaf, wall.accent, 0.5),
    ):
        where = np.flatnonzero(part)
        colour[where] = painted[where] * np.float32(factor)

    bars = (middle < 0.035) | (np.abs(rise - sill - (lintel - sill) * 0.62) < 0.03)
    glass = window & ~(bars & (depth < 45))
    glow = np.zeros(s.shape, np.float32)
    at = np.flatnonzero(glass)
    rise = (rise - sill)[at]
    dice = hashed(column[at], level[at] + 40, wall.seed[at])
    curtain = (dice > 0.62) & (middle[at] > 0.45 * half[at])
    shine = 0.05 + 0.16 * dice + 0.12 * rise / wall.floor_height[at] + np.where(curtain, 0.2, 0)
    shine *= np.where(rise > (lintel - sill)[at] - 0.12, 0.45, 1.0)
    horizon = np.array(linear(world.light.sky_horizon), np.float32)
    colour[at] = shine[:, None].astype(np.float32) * horizon + np.float32(0.012)
    lit, share = hashed(column[at], level[at] + 90, wall.seed[at] + 3), wall.lit_share[at]
    bright = np.where(curtain, 0.6, 1.0) * (0.35 + 0.9 * lit / np.maximum(share, 1e-3))
    glow[at] = np.where(lit < share, bright, 0)

    at = np.flatnonzero(pane)
    stock = 0.05 + 0.18 * hashed(np.floor(s[at] * 2.2), np.floor(y[at] * 3), wall.seed[at])
    shine = 0.13 + np.where(y[at] < 1.5, stock, 0)
    colour[at] = shine[:, None].astype(np.float32) * horizon
    glow[at] = np.minimum(wall.lit_share[at] * 3, 1) * (0.55 + stock * 2)
    return WallShading(colour, glow, depth)


def ground(
    world: WorldSettings, street: Street, *, x: np.ndarray, z: np.ndarray, depth: np.ndarray
) -> GroundShading:
    """Draws road, markings, kerbs, sidewalks and grass.

    Args:
        world: domain; it states colours and textures.
        street: ground plan.
        x: float32 (n,), metres to the right of the road's centre.
        z: float32 (n,), metres along the street.
        depth: float32 (n,), metres from the camera.
    """
    layout, texture, palette = world.layout, world.texture, world.palette
    across = np.abs(x) - street.road_half
    along = np.abs(z - street.junction) - street.junction_half
    corner = 2.5
    inward = np.square(np.maximum(corner - across, 0)) + np.square(np.maximum(corner - along, 0))
    rounded = corner - np.sqrt(inward)
    out = np.minimum(np.minimum(across, along), rounded)
    road = out < 0
    kerb = ~road & (out < 0.16)
    verge = (street.verge > 0.1) & (out > 0.16) & (out < 0.16 + street.verge)
    verge &= (along > 4) & (across < 0.2 + street.verge)
    walk = ~road & (out < street.line - street.road_half)
    grass = ~road & ~walk
    near = np.clip(9 / depth, 0, 1)
    fine, coarse = noise(0.4, x, z, 40), noise(1.5, x + 3, z * 0.35, 5)

    tone = 1 + fine * (0.35 * texture.asphalt) * near + coarse * (0.16 * texture.patches)
    lane = np.abs(x) * np.float32(2 / layout.lane_width)
    tracks = np.float32(0.05 * texture.patches) * cos_of_turns(lane)
    tone += np.where(np.abs(x) < street.lane_half, tracks, np.float32(-0.03))
    repair = hashed(np.floor(x / 1.7) + 64, np.floor(z / 5.3) + 8, np.full_like(x, 5.0)) < 0.09
    tone[repair] -= 0.22 * texture.patches
    cover = np.square(wrapped(x - 0.9, 7) - 3) + np.square(wrapped(z, 23) - 9)
    tone[cover < 0.115] *= 0.62
    tone[np.abs(x - 0.12) < 0.03] *= 0.85
    tone[road & (out > -0.35)] *= 0.86

    at = np.flatnonzero(~road)
    slab = np.float32(texture.paving)
    column, row = x[at] / slab, z[at] / slab
    joints = wrapped(column, 1) < 0.07
    joints |= wrapped(row + 0.5 * wrapped(np.floor(column), 2), 1) < 0.07
    stone = 0.95 + fine[at] * 0.05 * near[at] + coarse[at] * 0.05
    stone += 0.10 * hashed(np.floor(column) + 99, np.floor(row) + 99, column * 0)
    stone -= np.where(joints, 0.22 * near[at], 0)
    lawn = 1 + coarse[at] * 0.16
    lawn += noise(0.7, x[at], z[at], 18) * 0.18 * np.clip(14 / depth[at], 0.3, 1)
    edge = (1 + fine[at] * 0.04) * np.where(wrapped(z[at], 1.2) < 0.04, 0.8, 1.0)
    green = grass | verge
    tone[at] = np.where(green[at], lawn, np.where(kerb[at], edge, stone))

    mark = _markings(world, street, x, z) & road
    worn = noise(1.1, x, z, 14) > 2.6 - 2.4 * texture.wear
    mark &= ~(worn & (depth < 30))
    tone[mark] = 0.85 + 0.15 * tone[mark]
    material = np.full(x.shape, 1, np.uint8)
    for value, part in ((0, road), (2, kerb), (3, green), (4, mark)):
        material[part] = value
    colours = (palette.road, palette.sidewalk, palette.kerb, palette.verge, palette.marking)
    albedo = np.array([linear(c) for c in colours], np.float32)[material]
    albedo *= np.clip(tone, 0.1, 1.6)[:, None].astype(np.float32)
    names = ("road", "sidewalk", "sidewalk", "terrain", "lane_marking")
    ids = np.array([ID[name] for name in names], np.uint8)[material]
    return GroundShading(albedo, ids, road)


def _markings(world: WorldSettings, street: Street, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    layout = world.layout
    side = np.abs(x)
    clear = np.abs(z - street.junction) > street.junction_half + 3.4
    striped = (z > street.zebra) & (z < street.zebra + 3)
    clear &= ~((z > street.zebra - 1.6) & (z < street.zebra + 4))
    dashed = wrapped(z, 6) < 3
    mark = np.zeros(x.shape, bool)
    if layout.lanes > 1:
        if layout.lanes % 2 == 0:
            double = layout.lanes > 2
            mark |= (np.abs(side - 0.15) < 0.07) if double else (side < 0.075) & dashed
        for k in range(1, (layout.lanes + 1) // 2 + 1):
            at = layout.lane_width * (k - 0.5 * (layout.lanes % 2))
            if 0.1 < at < street.lane_half - 0.2:
                mark |= (np.abs(side - at) < 0.07) & dashed
    if layout.parking_width > 0:
        mark |= (np.abs(side - street.lane_half) < 0.06) & (wrapped(z, 2) < 1.1)
    else:
        mark |= np.abs(side - street.road_half + 0.35) < 0.06
    mark &= clear
    zebra = striped & (side < street.road_half - 0.25) & (wrapped(x + 0.25, 1) < 0.5)
    stop = street.zebra - 1.3 if street.zebra > 0 else street.junction - street.junction_half - 2.8
    line = (np.abs(z - stop) < 0.2) & (x > 0.15) & (x < street.lane_half)
    dx = wrapped(x, layout.lane_width) - layout.lane_width / 2
    dz = z - (stop - 9)
    arrow = (np.abs(dx) < 0.09) & (dz > 0) & (dz < 2.6)
    arrow |= (dz > 2.4) & (dz < 4.0) & (np.abs(dx) < (4.0 - dz) * 0.22)
    arrow &= (x > 0) & (x < street.lane_half) & (layout.lanes > 2)
    return mark | zebra | line | arrow
