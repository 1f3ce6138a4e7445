"""Drawn images and labels that a check tells apart."""

import numpy as np
from PIL import Image


def scene(seed, height=200, width=400):
    """An image of things at random places, and no other like it."""
    generator = np.random.default_rng(seed)
    image = np.full((height, width, 3), generator.integers(80, 180), np.uint8)
    for _ in range(60):
        y, x = generator.integers((0, 0), (height, width))
        h, w = generator.integers(10, 70, 2)
        image[y : y + h, x : x + w] = generator.integers(0, 256, 3)
    return image


def moved(image, shift=12, zoom=1.08):
    """What the camera sees a moment later: the same things, shifted and larger, with noise."""
    height, width = image.shape[:2]
    box = (shift, 5, shift + width / zoom, 5 + height / zoom)
    later = np.asarray(Image.fromarray(image).resize((width, height), box=box), np.int16)
    noise = np.random.default_rng(0).integers(-12, 13, later.shape)
    return (later + noise).clip(0, 255).astype(np.uint8)


def discs(seed, size=240):
    """A label of discs of eight classes, such as a person draws with a brush."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    label = np.zeros((size, size), np.uint8)
    for _ in range(40):
        cy, cx, radius = generator.integers((0, 0, 5), (size, size, 30))
        label[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = generator.integers(0, 20)
    return label


def scaled(label, method):
    return np.asarray(Image.fromarray(label).resize((170, 170), method))
