import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from roadshift.synthetic.classes import CLASSES, COLOURS
from roadshift.synthetic.render import render
from roadshift.synthetic.world import WorldSettings

NOON = WorldSettings()
OVERCAST = WorldSettings.model_validate(
    {
        "camera": {"height": 1.7, "pitch": 3.0, "field_of_view": 55.0},
        "layout": {"setback": 0.0, "verge_width": 0.0, "floors_min": 3, "floors_max": 6},
        "light": {
            "sun": 0.1, "ambient": 1.5, "ambient_colour": "#dfe5ea", "sky_top": "#b4bcc4",
            "sky_horizon": "#dde1e4", "saturation": 0.8,
        },
        "weather": {"clouds": 0.8, "haze": 0.005},
    }
)  # fmt: skip
DUSK = WorldSettings.model_validate(
    {
        "camera": {"pitch": 4.5, "bonnet": True},
        "layout": {"lanes": 4, "parking_width": 0.0, "traffic": 10.0},
        "light": {
            "sun": 0.1, "sun_elevation": 5.0, "ambient": 0.5, "sky_strength": 0.5, "lamps": 0.7,
            "lit_windows": 0.3, "sky_top": "#34559c", "sky_horizon": "#e6b3a6",
        },
        "weather": {"rain": 0.3, "wetness": 0.8},
    }
)  # fmt: skip


def changed(world, **sections):
    update = {
        name: getattr(world, name).model_copy(update=values) for name, values in sections.items()
    }
    return world.model_copy(update=update)


def digest(world, seed, index):
    image, label = render(world, seed, index)
    return hashlib.sha256(image.tobytes() + label.tobytes()).hexdigest()


def test_classes_have_distinct_names_and_colours():
    assert len(set(CLASSES)) == len(CLASSES) == 20
    assert len(set(COLOURS.values())) == len(CLASSES)
    assert COLOURS["road"] == (128, 64, 128)


@pytest.mark.parametrize(("width", "height"), [(256, 160), (65, 37)])
def test_shapes_and_types(width, height):
    world = DUSK.model_copy(update={"width": width, "height": height})
    image, label = render(world, 0, 0)
    assert image.shape == (height, width, 3)
    assert label.shape == (height, width)
    assert image.dtype == label.dtype == np.uint8


def test_the_same_bytes_in_another_process():
    code = (
        "import sys, hashlib; from roadshift.synthetic.render import render\n"
        "from roadshift.synthetic.world import WorldSettings\n"
        "world = WorldSettings.model_validate_json(sys.argv[1])\n"
        "render(world, 3, 4)\n"
        "image, label = render(world, 7, 5)\n"
        "print(hashlib.sha256(image.tobytes() + label.tobytes()).hexdigest())"
    )
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        run = subprocess.run(
            [sys.executable, "-c", code, DUSK.model_dump_json()],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert run.stdout.strip() == digest(DUSK, 7, 5)


def test_another_index_or_seed_is_another_image():
    assert len({digest(NOON, 0, 0), digest(NOON, 0, 1), digest(NOON, 1, 0)}) == 3


@pytest.fixture(scope="module")
def streets():
    worlds = {"noon": NOON, "overcast": OVERCAST, "dusk": DUSK}
    return {name: [render(world, 0, i) for i in range(24)] for name, world in worlds.items()}


@pytest.mark.slow
def test_every_class_occurs_and_no_other_id(streets):
    seen = np.zeros(256, np.int64)
    for samples in streets.values():
        for _, label in samples:
            seen += np.bincount(label.ravel(), minlength=256)
    assert (seen[: len(CLASSES)] > 0).all()
    assert seen[len(CLASSES) :].sum() == 0


def test_class_shares_are_those_of_a_street(streets):
    labels = np.stack([label for _, label in streets["noon"]])
    share = {name: float((labels == i).mean()) for i, name in enumerate(CLASSES)}
    assert 0.2 < share["road"] < 0.6
    assert 0.05 < share["building"] < 0.45
    assert 0.05 < share["sky"] < 0.45
    assert 0.01 < share["car"] < 0.25
    for small in ("person", "pole", "traffic_sign", "traffic_light", "bicycle", "motorcycle"):
        assert 0.0001 < share[small] < 0.05, small
    with_people = [np.isin(label, CLASSES.index("person")).any() for label in labels]
    assert np.mean(with_people) > 0.7


def test_worlds_differ_as_they_are_meant_to(streets):
    mean, saturation = {}, {}
    for name, samples in streets.items():
        images = np.stack([image for image, _ in samples]).astype(float)
        mean[name] = images.mean()
        saturation[name] = (images.max(axis=-1) - images.min(axis=-1)).mean()
    assert mean["dusk"] < 0.75 * mean["noon"]
    assert saturation["overcast"] < 0.75 * saturation["noon"]
    sky = CLASSES.index("sky")
    sky_share = {name: np.mean([label == sky for _, label in p]) for name, p in streets.items()}
    assert sky_share["dusk"] < sky_share["noon"]


def test_the_label_lies_on_the_image():
    flat = changed(
        NOON,
        light={"sky_top": "#4080c0", "sky_horizon": "#4080c0", "sun": 0.0, "ambient": 0.6},
        weather={"clouds": 0.0, "haze": 0.0},
        sensor={"noise": 0.0, "vignetting": 0.0},
    )
    for index in range(4):
        image, label = render(flat, 0, index)
        is_sky = label == CLASSES.index("sky")
        colours, counts = np.unique(image[is_sky], axis=0, return_counts=True)
        colour = colours[counts.argmax()]
        same = (image == colour).all(axis=-1)
        # only what is thinner than a pixel mixes with the sky, and nothing else has its blue
        inner = is_sky.copy()
        outer = ~is_sky
        for axis in (0, 1):
            for step in (-1, 1):
                inner &= np.roll(is_sky, step, axis)
                outer &= ~np.roll(is_sky, step, axis)
        assert same[inner].mean() > 0.99
        assert same[outer].mean() < 0.001


def test_light_weather_and_sensor_leave_the_label_as_it_is():
    night = changed(
        NOON,
        light={"sun": 0.0, "ambient": 0.2, "lamps": 0.8, "lit_windows": 0.4, "exposure": 0.7},
        weather={"rain": 0.5, "wetness": 0.9, "haze": 0.01},
        sensor={"noise": 8.0, "blur": 1.0},
    )
    for index in range(3):
        image, label = render(NOON, 0, index)
        dark, same = render(night, 0, index)
        assert (label == same).all()
        assert dark.mean() < 0.8 * image.mean()


def test_the_bonnet_is_unlabelled_and_at_the_bottom():
    _, without = render(changed(DUSK, camera={"bonnet": False}), 0, 0)
    _, with_bonnet = render(DUSK, 0, 0)
    assert (with_bonnet[-1] == CLASSES.index("unlabelled")).all()
    assert (with_bonnet[: 160 * 9 // 10] == without[: 160 * 9 // 10]).all()


@pytest.mark.parametrize("lanes", [1, 2, 3, 6])
def test_extreme_layouts_are_drawn(lanes):
    world = changed(
        NOON,
        layout={"lanes": lanes, "gap": 1.0, "trees": 0.0, "lamps": 0.0, "setback": 0.0},
        weather={"wetness": 1.0},
    )
    _, label = render(world, 0, 0)
    assert (label == CLASSES.index("road")).mean() > 0.1
