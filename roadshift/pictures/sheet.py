"""Contact sheets: pictures beside labels and predictions, with captions and a legend."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from roadshift.taxonomy import IGNORE_ID, Taxonomy

GAP = 6
CAPTION = 16
INK, PAPER = (30, 30, 30), (255, 255, 255)


@dataclass(frozen=True)
class Panel:
    """One cell of a sheet."""

    caption: str
    image: np.ndarray
    """uint8 RGB (height, width, 3)."""


def coloured(label: np.ndarray, taxonomy: Taxonomy, image: np.ndarray | None = None) -> np.ndarray:
    """Colours class ids; over a picture where one is given, half and half.

    Args:
        label: uint8 (H, W), 255 = ignore, which stays black, or the bare picture.
        taxonomy: whose colours to take.
        image: uint8 RGB (H, W, 3).

    Returns:
        uint8 RGB (H, W, 3).
    """
    colours = taxonomy.palette[label]
    if image is None:
        return colours
    mixed = ((colours.astype(np.uint16) + image) // 2).astype(np.uint8)
    return np.where((label == IGNORE_ID)[..., np.newaxis], image, mixed)


def contact_sheet(
    rows: Sequence[Sequence[Panel]], taxonomy: Taxonomy, panel_width: int
) -> Image.Image:
    """Lays panels out in rows, each scaled to one width, over a legend of the classes.

    Args:
        rows: all of the same length; the panels of a row of the same shape.
        taxonomy: for the legend.
        panel_width: pixels.
    """
    font = ImageFont.load_default(size=11)
    columns = max(len(row) for row in rows)
    width = columns * (panel_width + GAP) + GAP
    heights = [round(row[0].image.shape[0] * panel_width / row[0].image.shape[1]) for row in rows]
    legend = _legend(taxonomy, width, font)
    height = sum(h + CAPTION + GAP for h in heights) + GAP + legend.height
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    top = GAP
    for row, row_height in zip(rows, heights, strict=True):
        for column, panel in enumerate(row):
            left = GAP + column * (panel_width + GAP)
            draw.text((left, top), panel.caption, INK, font)
            picture = Image.fromarray(panel.image).resize((panel_width, row_height))
            sheet.paste(picture, (left, top + CAPTION))
        top += row_height + CAPTION + GAP
    sheet.paste(legend, (0, top))
    return sheet


def _legend(
    taxonomy: Taxonomy, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> Image.Image:
    entries = [(name, taxonomy.palette[k]) for k, name in enumerate(taxonomy.class_names)]
    entries.append(("ignored", taxonomy.palette[IGNORE_ID]))
    places, left, top = [], GAP, GAP
    for name, colour in entries:
        needed = CAPTION + GAP + round(font.getlength(name)) + 2 * GAP
        if left + needed > width and left > GAP:
            left, top = GAP, top + CAPTION + GAP
        places.append((left, top, name, tuple(colour.tolist())))
        left += needed
    legend = Image.new("RGB", (width, top + CAPTION + GAP), PAPER)
    draw = ImageDraw.Draw(legend)
    for x, y, name, colour in places:
        draw.rectangle((x, y, x + CAPTION, y + CAPTION - 4), colour, INK)
        draw.text((x + CAPTION + GAP, y), name, INK, font)
    return legend
