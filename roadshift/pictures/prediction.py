"""What a network made of a picture, as pictures: an overlay for people, labels for programs."""

import numpy as np
from PIL import Image

from roadshift.datasets.card import load_encoding
from roadshift.errors import RoadshiftError
from roadshift.pictures.sheet import class_legend, coloured
from roadshift.taxonomy import Taxonomy

LEGEND_SCALE = 1 / 900
"""Of the legend, by the picture's width in pixels: about the same share of every picture."""


def overlay(
    image: np.ndarray, prediction: np.ndarray, taxonomy: Taxonomy, shares: bool = True
) -> np.ndarray:
    """Lays the colours of the classes over a picture, half and half, above a legend.

    Args:
        image: uint8 RGB (H, W, 3).
        prediction: uint8 (H, W), class ids.
        taxonomy: whose classes and colours.
        shares: whether the legend says each class's share of the pixels. Without, it is the same
            for all pictures of a size.

    Returns:
        uint8 RGB (H + the legend's height, W, 3).
    """
    pixels = np.bincount(prediction.ravel(), minlength=256) if shares else None
    width = image.shape[1]
    scale = max(1.0, width * LEGEND_SCALE)
    legend = class_legend(taxonomy, width, pixels, scale, ignored=False)
    return np.concatenate([coloured(prediction, taxonomy, image), np.asarray(legend)])


def label_image(prediction: np.ndarray, taxonomy: Taxonomy, cityscapes: bool) -> Image.Image:
    """A picture of labels: grey ids of the taxonomy, or the colours of Cityscapes.

    Raises:
        RoadshiftError: a class has no colour in Cityscapes.
    """
    if not cityscapes:
        return Image.fromarray(prediction)
    return Image.fromarray(cityscapes_palette(taxonomy)[prediction])


def cityscapes_palette(taxonomy: Taxonomy) -> np.ndarray:
    """The colour in Cityscapes of each class: uint8 (256, 3), black where no class is.

    A class that merges several of Cityscapes' has its own colour where that is one of theirs, else
    the first of theirs. Read back as Cityscapes' colours, labels are of the same classes again.

    Raises:
        RoadshiftError: a class has no colour in Cityscapes.
    """
    names_by_colour = {tuple(c): str(n) for *c, n in load_encoding("cityscapes_colours").values}
    palette = np.zeros((256, 3), np.uint8)
    for class_id, (name, entry) in enumerate(taxonomy.classes.items()):
        colours = [c for c, universal in names_by_colour.items() if universal in entry.members]
        if not colours:
            raise RoadshiftError(
                f"the class '{name}' of {taxonomy.name} has no colour in Cityscapes; take "
                "--labels taxonomy"
            )
        palette[class_id] = entry.colour if entry.colour in colours else colours[0]
    return palette


def probability_image(probability: np.ndarray) -> Image.Image:
    """A grey picture of probabilities, float (H, W) in 0..1: black is 0, white is 1."""
    return Image.fromarray(np.rint(255 * probability.clip(0, 1)).astype(np.uint8))
