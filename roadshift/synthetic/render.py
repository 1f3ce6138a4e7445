"""Draws one image of a world, with its label."""

import numpy as np
from PIL import Image, ImageFilter

from roadshift.synthetic import draw, surfaces, weather
from roadshift.synthetic.arithmetic import dot, exp, lengths
from roadshift.synthetic.camera import Camera
from roadshift.synthetic.classes import ID
from roadshift.synthetic.layout import Street, furnish, plan
from roadshift.synthetic.scene import Outline, Scene
from roadshift.synthetic.world import WorldSettings

_SCALE = 2
"""Pixels of the face buffer per pixel of the image, in each direction."""
_UNLABELLED = ID["unlabelled"]


def render(world: WorldSettings, seed: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws an image of a world.

    The same arguments give the same bytes in every process.

    Args:
        world: domain of the image.
        seed: seed of the data set, 0..2^63 - 1.
        index: index of the image in the data set, 0..2^63 - 1.

    Returns:
        The image, uint8 (height, width, 3), RGB, and its label, uint8 (height, width), native
        ids as in `CLASSES`.
    """
    rng = np.random.Generator(np.random.PCG64([seed, index]))
    street = plan(world, rng)
    settings = world.camera
    lane = 0.5 * world.layout.lane_width if world.layout.lanes > 1 else 0.0
    camera = Camera(
        world,
        x=lane + float(rng.normal(0, 0.25)),
        pitch=settings.pitch + settings.pitch_jitter * float(rng.normal()),
        yaw=settings.yaw_jitter * float(rng.normal()),
    )
    scene = Scene(camera.eye, weather.sun_direction(world))
    furnish(scene, world, street, rng)
    drift = float(rng.uniform(0, 5))
    view = _View(world, street, camera, scene, drift)
    linear, ids = view.main()
    image = _quarter(linear)
    if world.weather.wetness > 0:
        image = view.reflected(image)
    if world.weather.rain:
        image = weather.rain(world, image, rng)
    if world.light.lamps:
        image = weather.bloom(image, 0.5 * world.light.lamps)
    label = draw.voted(ids)
    if world.camera.bonnet:
        _bonnet(image, label, world)
    return weather.develop(world, image, rng), label


class _View:
    """Shades the faces, the ground and the sky that the face buffer shows."""

    def __init__(
        self, world: WorldSettings, street: Street, camera: Camera, scene: Scene, drift: float
    ):
        self.world, self.street, self.camera, self.scene = world, street, camera, scene
        self.drift = drift
        self.corners = scene.corners()
        faces = scene.face_table()
        self.classes = faces["id"].astype(np.uint8)
        self.albedo = faces["colour"]
        normals = faces["normal"]
        direct = np.maximum(dot(normals, scene.sun), 0)[:, None] * weather.sunlight(world)
        around = (0.72 + 0.28 * normals[:, 1:2]) * weather.skylight(world)
        bounce = 0.12 * weather.sunlight(world) * max(scene.sun[1], 0.1)
        self.light = direct + around + bounce
        self.glow = faces["glow"]
        self.rough = faces["rough"]
        self.facade = faces["facade"].astype(np.int32)
        self.walls = scene.facade_table()
        self.haze = weather.haze_light(world)

    def main(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the linear light (2h, 2w, 3) and the native ids (2h, 2w) of the image."""
        projection = draw.Projection(self.scene, self.camera, self.corners)
        rays = self.camera.rays(_SCALE)
        buffer = projection.faces(_SCALE, rays[..., 1])
        self.buffer = buffer
        flat, flat_rays = buffer.ravel(), rays.reshape(-1, 3)
        linear = self._faces(flat, flat_rays, projection.depths, self.camera.eye[1])
        ids = np.empty(flat.shape, np.uint8)
        ids[flat == draw.SKY] = ID["sky"]
        shown = flat >= draw.FACES
        ids[shown] = self.classes[flat[shown] - draw.FACES]
        below = np.flatnonzero(flat == draw.GROUND)
        linear[below], ids[below] = self._ground(below, flat_rays[below])
        return linear.reshape(*buffer.shape, 3), ids.reshape(buffer.shape)

    def _faces(
        self, flat: np.ndarray, rays: np.ndarray, depths: np.ndarray, eye_y: float
    ) -> np.ndarray:
        world = self.world
        flat_colour = self.albedo * self.light + self.glow
        fog = exp(-world.weather.haze * np.maximum(depths, 0))[:, None]
        flat_colour = (flat_colour * fog + self.haze * (1 - fog)).astype(np.float32)
        none = np.zeros((draw.FACES, 3), np.float32)
        linear = np.concatenate([none, flat_colour]).take(flat, axis=0)
        above = np.flatnonzero(flat == draw.SKY)
        linear[above] = weather.sky(world, rays[above], self.drift)
        leafy = np.flatnonzero(np.concatenate([none[:, 0], self.rough]).take(flat))
        if leafy.size:
            pixel, at = leafy, flat[leafy] - draw.FACES
            depth = depths[at].astype(np.float32)
            a, b = rays[pixel, 0] * depth, rays[pixel, 1] * depth
            leaves = surfaces.noise(0.9, a + at * 0.37, b, 14) * 0.75
            leaves += surfaces.noise(0.5, a + at * 0.37, b, 30) * 0.5 * np.clip(14 / depth, 0, 1)
            linear[pixel] *= np.clip(1 + leaves * self.rough[at] * 0.75, 0.25, 1.9)[:, None]
        windowed = np.concatenate([none[:, 0] > 0, self.facade >= 0])
        walls = np.flatnonzero(windowed.take(flat))
        if walls.size:
            pixel, at = walls, flat[walls] - draw.FACES
            colour, glow, depth = surfaces.facades(
                world,
                self.walls,
                (self.camera.eye[0], eye_y, self.camera.eye[2]),
                index=self.facade[at],
                rays=rays[pixel],
                albedo=self.albedo[at],
            )
            colour *= self.light[at]
            shining = np.flatnonzero(glow)
            colour[shining] += glow[shining, None] * (weather.WARM * np.float32(1.1))
            clear = exp(depth * np.float32(-world.weather.haze))[:, None]
            colour *= clear
            colour += self.haze * (1 - clear)
            linear[pixel] = colour
        return linear

    def _ground(self, below: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        world, camera = self.world, self.camera
        depth = np.minimum(-camera.eye[1] / rays[:, 1], 600).astype(np.float32)
        x, z = camera.eye[0] + depth * rays[:, 0], depth * rays[:, 2]
        albedo, ids, road = surfaces.ground(world, self.street, x=x, z=z, depth=depth)
        self.below, self.is_road = below, road
        shade = self._shade(self.scene.shadows, below, 0.5)
        partly = (shade > 0.3) & (shade < 0.8)
        dapple = np.clip(1 + surfaces.noise(1.3, x, z, 9) * np.float32(0.3), 0.75, 1.25)
        shade = np.where(partly, shade * dapple, shade)
        contacts = [(ring, 170) for ring in self.scene.contacts]
        clear = exp(depth * np.float32(-world.weather.haze))
        open_ = clear * (1 - self._shade(contacts, below, world.width / 200))
        wet = 1 - 0.45 * world.weather.wetness
        open_ *= np.where(road, np.float32(wet), np.float32(0.5 + 0.5 * wet))
        shares = [(1 - shade) * open_, (1 - np.float32(0.22) * shade) * open_]
        lights = [weather.sunlight(world) * self.scene.sun[1], weather.skylight(world)]
        if world.light.lamps:
            shares.append(weather.lamp_pools(self.scene.lamps, x, z) * open_)
            lights.append(weather.WARM * world.light.lamps)
        # Channel by channel: NumPy is slow on an inner axis of three.
        for channel in range(3):
            light = shares[0] * lights[0][channel]
            for share, colour in zip(shares[1:], lights[1:], strict=True):
                light += share * colour[channel]
            albedo[:, channel] *= light
        albedo += (1 - clear)[:, None] * self.haze
        return albedo, ids

    def _shade(
        self, outlines: list[tuple[Outline, int]], below: np.ndarray, soft: float
    ) -> np.ndarray:
        mask = draw.ground_mask(self.camera, outlines).filter(ImageFilter.GaussianBlur(soft))
        size = (self.world.width * _SCALE, self.world.height * _SCALE)
        wide = mask.resize(size, Image.Resampling.BILINEAR)
        return np.asarray(wide).ravel()[below] * np.float32(1 / 255)

    def reflected(self, image: np.ndarray) -> np.ndarray:
        """Adds reflections to the wet ground of an image, float32 (h, w, 3), linear light."""
        world, camera = self.world, self.camera
        projection = draw.Projection(self.scene, camera, self.corners * (1.0, -1.0, 1.0))
        rays = camera.rays(1)
        mirror = self._faces(
            projection.faces(1).ravel(),
            rays.reshape(-1, 3) * np.array([1, -1, 1], np.float32),
            projection.depths,
            -camera.eye[1],
        ).reshape(image.shape)
        np.minimum(mirror, 3.0, out=mirror)
        wet = np.zeros(self.buffer.size, np.float32)
        wet[self.below] = np.where(self.is_road, 1.0, 0.55)
        wet = _quarter(wet.reshape(-1, world.width * _SCALE))
        rows, columns = np.nonzero((wet > 0) & (rays[..., 1] < -1e-4))
        ray = rays[rows, columns]
        depth = np.minimum(-camera.eye[1] / ray[:, 1], 600)
        x, z = camera.eye[0] + depth * ray[:, 0], depth * ray[:, 2]
        ripple = surfaces.noise(1.0, x, z * 0.5, 16)
        column = np.clip(columns + ripple * 0.4, 0, world.width - 1).astype(np.int32)
        reach = max(world.height // 20, 2)
        total = np.cumsum(np.pad(mirror, ((reach, reach), (0, 0), (0, 0)), mode="edge"), axis=0)
        smeared = (total[2 * reach :] - total[: -2 * reach]) / (2 * reach)
        row = np.clip(rows + ripple * (world.height * 0.012), 0, world.height - 1)
        seen = smeared[row.astype(np.int32), column]
        grazing = 1 + ray[:, 1] / lengths(ray)
        puddle = np.clip(0.75 + 0.35 * surfaces.noise(1.6, x, z * 0.4, 5), 0.25, 1.2)
        strength = world.weather.wetness * puddle * (0.06 + 0.62 * np.square(np.square(grazing)))
        image[rows, columns] += seen * (wet[rows, columns] * strength)[:, None]
        return image


def _quarter(values: np.ndarray) -> np.ndarray:
    """Halves both sides of float32 (2h, 2w, ...): the mean of each block of 2 x 2 pixels."""
    halved = values[::2] + values[1::2]
    return (halved[:, ::2] + halved[:, 1::2]) * np.float32(0.25)


def _bonnet(image: np.ndarray, label: np.ndarray, world: WorldSettings) -> None:
    """Draws the own vehicle's bonnet into image and label; it is unlabelled."""
    height, width = label.shape
    u = np.linspace(-1, 1, width, dtype=np.float32)
    top = height * (0.945 + 0.05 * u * u)
    v = np.arange(height, dtype=np.float32)[:, None] + 0.5
    shown = v > top[None]
    label[shown] = _UNLABELLED
    gleam = (v - top[None]) / (height * 0.06)
    base = np.array([0.012, 0.013, 0.015], np.float32)
    sheen = weather.sky(world, np.array([[0, 0.5, 0.8]], np.float32), 0.0)[0]
    tone = base + np.clip(0.35 - 0.3 * gleam, 0.04, 1)[..., None] * sheen * 0.35
    image[shown] = tone[shown]
