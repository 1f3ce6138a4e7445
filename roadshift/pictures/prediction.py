"""Draws predictions: overlays for people, labels and probabilities for programs."""

import numpy as np
from PIL import Image

from roadshift.datasets.encoding import load_encoding
from roadshift.errors import RoadshiftError
from roadshift.pictures.sheet import class_legend, coloured, strips
from roadshift.taxonomy import Taxonomy

LEGEND_SCALE = 1 / 900
"""Scale of the legend per pixel of the image's width; its share of every image is the same."""
MAX_LEGEND_SCALE = 1 / 100
"""Largest scale of the legend per pixel of the image's height, so that it is smaller than a
panorama."""


def overlay(
    image: np.ndarray, prediction: np.ndarray, taxonomy: Taxonomy, *, shares: bool = True
) -> Image.Image:
    """Lays the colours of the classes over an image, half and half, above a legend.

    Args:
        image: uint8 RGB (H, W, 3).
        prediction: class ids, uint8 (H, W).
        taxonomy: taxonomy of the classes.
        shares: whether the legend has each class's share of the pixels, which is the default.
            Without shares, all images of a size have the same legend.

    Returns:
        RGB, of the image's width; the legend's height is added to the image's.
    """
    height, width = prediction.shape
    scale = max(1.0, min(width * LEGEND_SCALE, height * MAX_LEGEND_SCALE))
    pixels = id_counts(prediction) if shares else None
    legend = class_legend(taxonomy, width, pixels=pixels, scale=scale, ignored=False)
    drawn = Image.new("RGB", (width, height + legend.height))
    for rows in strips(height, width):
        strip = coloured(prediction[rows], taxonomy, image[rows], top=rows.start)
        drawn.paste(Image.fromarray(strip), (0, rows.start))
    drawn.paste(legend, (0, height))
    return drawn


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
    palette = cityscapes_palette(taxonomy)
    height, width = prediction.shape
    drawn = Image.new("RGB", (width, height))
    for rows in strips(height, width):
        drawn.paste(Image.fromarray(palette[prediction[rows]]), (0, rows.start))
    return drawn


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


def id_counts(prediction: np.ndarray) -> np.ndarray:
    """Returns the number of pixels of each class id, uint8 (H, W), as int64 (256,)."""
    counts = np.zeros(256, np.int64)
    for rows in strips(*prediction.shape):
        # NumPy counts integers of 64 bits, into which it copies the pixels.
        counts += np.bincount(prediction[rows].ravel(), minlength=256)
    return counts


def grey_levels(probability: np.ndarray) -> np.ndarray:
    """Returns probabilities, float (H, W) in 0..1, as uint8 (H, W): 0 is 0, 1 is 255."""
    return np.rint(255 * probability.clip(0, 1)).astype(np.uint8)
