"""Draws predictions: overlays for people, labels and probabilities for programs."""

import numpy as np
from PIL import Image

from roadshift.datasets.card import load_encoding
from roadshift.errors import RoadshiftError
from roadshift.pictures.sheet import class_legend, coloured
from roadshift.taxonomy import Taxonomy

LEGEND_SCALE = 1 / 900
"""Scale of the legend per pixel of the image's width; its share of every image is the same."""


def overlay(
    image: np.ndarray, prediction: np.ndarray, taxonomy: Taxonomy, *, shares: bool = True
) -> np.ndarray:
    """Lays the colours of the classes over an image, half and half, above a legend.

    Args:
        image: uint8 RGB (H, W, 3).
        prediction: class ids, uint8 (H, W).
        taxonomy: taxonomy of the classes.
        shares: whether the legend has each class's share of the pixels, which is the default.
            Without shares, all images of a size have the same legend.

    Returns:
        uint8 RGB (H + the legend's height, W, 3).
    """
    pixels = np.bincount(prediction.ravel(), minlength=256) if shares else None
    width = image.shape[1]
    scale = max(1.0, width * LEGEND_SCALE)
    legend = class_legend(taxonomy, width, pixels=pixels, scale=scale, ignored=False)
    return np.concatenate([coloured(prediction, taxonomy, image), np.asarray(legend)])


def label_image(prediction: np.ndarray, taxonomy: Taxonomy, cityscapes: bool) -> Image.Image:
    """Draws labels: grey ids of the taxonomy, or Cityscapes' colours.

    Args:
        prediction: class ids, uint8 (H, W).
        taxonomy: taxonomy of the classes.
        cityscapes: whether labels have Cityscapes' colours instead of ids.

    Raises:
        RoadshiftError: a class has no colour in Cityscapes.
    """
    if not cityscapes:
        return Image.fromarray(prediction)
    return Image.fromarray(cityscapes_palette(taxonomy)[prediction])


def cityscapes_palette(taxonomy: Taxonomy) -> np.ndarray:
    """Returns the Cityscapes colour of each class id, uint8 (256, 3); other ids are black.

    A class that merges several Cityscapes classes has its own colour if one of these has it, else
    the colour of the first. Labels that are read back as Cityscapes' colours have the same classes.

    Raises:
        RoadshiftError: a class has no colour in Cityscapes.
    """
    names_by_colour = {tuple(c): str(n) for *c, n in load_encoding("cityscapes_colours").values}
    palette = np.zeros((256, 3), np.uint8)
    for class_id, (name, entry) in enumerate(taxonomy.classes.items()):
        colours = [c for c, universal in names_by_colour.items() if universal in entry.members]
        if not colours:
            raise RoadshiftError(
                f"the class '{name}' of {taxonomy.name} has no colour in Cityscapes; give "
                "--labels taxonomy"
            )
        palette[class_id] = entry.colour if entry.colour in colours else colours[0]
    return palette


def probability_image(probability: np.ndarray) -> Image.Image:
    """Draws probabilities, float (H, W) in 0..1, as a grey image: black is 0, white is 1."""
    return Image.fromarray(np.rint(255 * probability.clip(0, 1)).astype(np.uint8))
