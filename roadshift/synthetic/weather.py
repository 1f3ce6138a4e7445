"""Light, weather and sensor: sun, sky, haze, lamps, glow, rain and the camera's response."""

import math
from functools import cache

import numpy as np
from PIL import Image, ImageFilter

from roadshift.synthetic.arithmetic import dot, exp, lengths, on_grid
from roadshift.synthetic.scene import Point, linear
from roadshift.synthetic.surfaces import noise
from roadshift.synthetic.world import WorldSettings

WARM = np.array(linear("#ffb968"), np.float32)
"""Linear light of lamps and lit windows, (3,)."""


def sun_direction(world: WorldSettings) -> Point:
    """Computes the unit vector towards the sun."""
    up, turn = math.radians(world.light.sun_elevation), math.radians(world.light.sun_azimuth)
    return (
        math.cos(up) * math.sin(turn),
        math.sin(up),
        math.cos(up) * math.cos(turn),
    )


def sunlight(world: WorldSettings) -> np.ndarray:
    """Computes the light of the sun on a face turned to it, linear, float32 (3,)."""
    return np.array(linear(world.light.sun_colour), np.float32) * world.light.sun


def skylight(world: WorldSettings) -> np.ndarray:
    """Computes the light of the sky on the ground, linear, float32 (3,)."""
    return np.array(linear(world.light.ambient_colour), np.float32) * world.light.ambient


def sky(world: WorldSettings, rays: np.ndarray, drift: float) -> np.ndarray:
    """Draws the sky.

    Args:
        world: domain; it states the sky's colours and clouds.
        rays: float32 (n, 3), directions in world axes.
        drift: shift of the cloud texture, which differs from image to image.

    Returns:
        float32 (n, 3), linear light.
    """
    light = world.light
    length = lengths(rays)
    rise = np.clip(rays[:, 1] / length, 0, 1)
    blend = (1 - exp(-rise * 4.5))[:, None]
    top, low = (np.array(linear(c), np.float32) for c in (light.sky_top, light.sky_horizon))
    colour = low + (top - low) * blend
    toward = np.clip(dot(rays, sun_direction(world)) / length, 0, 1)
    glare = np.array(linear(light.sun_colour), np.float32)
    near = np.square(toward)
    colour += (0.35 * near * near * near * min(light.sun, 1))[:, None] * glare
    cover = world.weather.clouds
    if cover > 0:
        reach = 1 / (rise + 0.12)
        u, v = rays[:, 0] / length * reach, rays[:, 2] / length * reach
        shape = noise(1.7, u + drift, v + drift * 0.37, 90) + 0.22 * noise(1.1, u + drift, v, 200)
        dense = np.clip((shape - 1.5 + 2.9 * cover) * 0.75, 0, 1)[:, None]
        white = 0.55 * low + 0.45 * max(light.sun, 0.3) * glare * 0.55
        shade = np.clip(1.05 - 0.16 * (shape[:, None] + 0.4), 0.6, 1.15)
        dense *= np.clip(rise * 9, 0, 1)[:, None]
        colour += (white * shade - colour) * dense * 0.85
    return (colour * light.sky_strength).astype(np.float32)


def haze_light(world: WorldSettings) -> np.ndarray:
    """Computes the light of dense haze: the clear sky's at the horizon, linear, float32 (3,)."""
    level = np.array([[1.0, 0.03, 0.0]], np.float32)
    clear = world.model_copy(update={"weather": world.weather.model_copy(update={"clouds": 0.0})})
    return sky(clear, level, 0.0)[0]


def lamp_pools(lamps: list[Point], x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Computes the light of street lamps and the own headlights on the ground.

    Args:
        lamps: positions of the street lamps, metres; the nearest 8 count.
        x: float32 (n,), metres to the right of the road's centre.
        z: float32 (n,), metres along the street.

    Returns:
        float32 (n,), strength of the light.
    """
    light = np.zeros(x.shape, np.float32)
    for lx, _, lz in sorted(lamps, key=lambda lamp: lamp[2])[:8]:
        square = np.square(x - lx) + np.square(z - lz)
        light += 1.5 / np.square(1 + square / 14)
    beam = exp(-np.square((x - 1.5) / (0.9 + 0.16 * z))) / (1 + np.square(z / 15))
    return light + beam * np.clip(z / 5, 0, 1) * 0.55


def bloom(image: np.ndarray, strength: float) -> np.ndarray:
    """Adds a glow around pixels brighter than white.

    Args:
        image: float32 (h, w, 3), linear light.
        strength: strength of the glow, 0..1.
    """
    height, width = image.shape[:2]
    bright = np.clip((image - 0.9) * 40, 0, 255).astype(np.uint8)
    small = Image.fromarray(bright).resize((width // 2, height // 2), Image.Resampling.BOX)
    soft = np.zeros_like(image)
    for radius, weight in ((width / 170, 0.6), (width / 36, 1.0)):
        halo = small.filter(ImageFilter.GaussianBlur(radius))
        soft += weight * np.asarray(halo.resize((width, height)), np.float32)
    return image + soft * (strength / 40)


def rain(world: WorldSettings, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Adds streaks of falling drops and a veil to an image, float32 (h, w, 3), linear light."""
    height, width = image.shape[:2]
    drops = (rng.random((height, width)) > 1 - 0.012 * world.weather.rain).astype(np.float32)
    length = max(height // 22, 3)
    total = np.cumsum(np.pad(drops, ((length, 0), (0, 0))), axis=0)
    streaks = np.clip(total[length:] - total[:-length], 0, 1)
    veil = np.array(linear(world.light.sky_horizon), np.float32) * world.light.sky_strength
    mix = (streaks * 0.10 + 0.03 * world.weather.rain)[..., None]
    return image + (veil - image) * mix


@cache
def _tone_curve() -> np.ndarray:
    """Returns the sRGB values of 4096 steps of linear light from 0 to 1, float64 (4096,)."""
    steps = np.linspace(0, 1, 4096)
    power = on_grid(np.power(steps, 1 / 2.4), 2**24)
    return np.where(steps <= 0.0031308, steps * 12.92, 1.055 * power - 0.055)


def develop(world: WorldSettings, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Develops linear light: exposure, vignetting, tone curve, saturation, blur and noise.

    Args:
        world: domain; it states light and sensor.
        image: float32 (h, w, 3), linear light.
        rng: generator of the noise.

    Returns:
        uint8 (h, w, 3), sRGB.
    """
    light, sensor = world.light, world.sensor
    height, width = image.shape[:2]
    value = image * (np.array(linear(light.tint), np.float32) * light.exposure)
    if sensor.vignetting:
        v = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        u = np.linspace(-1, 1, width, dtype=np.float32)[None]
        value *= (1 - sensor.vignetting * 0.5 * (u * u + v * v))[..., None]
    value = value * (1 + value / 6.0) / (1 + 0.75 * value)
    value = np.clip(value, 0, 1)
    curve = np.clip((_tone_curve() - 0.5) * light.contrast + 0.5, 0, 1).astype(np.float32)
    value = curve[(value * 4095).astype(np.int32)]
    grey = dot(value, (0.299, 0.587, 0.114))
    value = grey[..., None] + (value - grey[..., None]) * light.saturation
    value *= 255
    if sensor.blur:
        soft = Image.fromarray(np.clip(value, 0, 255).astype(np.uint8))
        value = np.asarray(soft.filter(ImageFilter.GaussianBlur(sensor.blur)), np.float32)
    if sensor.noise:
        grain = rng.standard_normal((height, width, 1), np.float32) * 0.8
        grain = grain + rng.standard_normal((height, width, 3), np.float32) * 0.6
        value = value + grain * sensor.noise
    return np.clip(value + 0.5, 0, 255).astype(np.uint8)
