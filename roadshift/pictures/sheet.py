"""Contact sheets: pictures beside labels and predictions, with captions and a legend."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from roadshift.taxonomy import IGNORE_ID, Taxonomy

GAP = 6
CAPTION = 16
SWATCH = (16, 12)
INK, PAPER = (30, 30, 30), (255, 255, 255)
HATCH, STEP, LINE = (170, 170, 170), 8, 2
"""Ignored pixels are black with diagonal lines: their colour, distance and width in pixels."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Panel:
    """One cell of a sheet."""

    caption: str
    image: np.ndarray
    """uint8 RGB (height, width, 3)."""


def coloured(label: np.ndarray, taxonomy: Taxonomy, image: np.ndarray | None = None) -> np.ndarray:
    """Colours class ids; over a picture where one is given, half and half.

    Args:
        label: uint8 (H, W), 255 = ignore, which is black with grey diagonal lines.
        taxonomy: whose colours to take.
        image: uint8 RGB (H, W, 3).

    Returns:
        uint8 RGB (H, W, 3).
    """
    colours = taxonomy.palette[label]
    rows, columns = np.indices(label.shape)
    colours[(label == IGNORE_ID) & ((rows + columns) % STEP < LINE)] = HATCH
    if image is None:
        return colours
    return ((colours.astype(np.uint16) + image) // 2).astype(np.uint8)


def scaled_size(image: np.ndarray, width: int) -> tuple[int, int]:
    """Width and height of a picture or label of shape (H, W, …) when scaled to a width."""
    return width, max(1, round(image.shape[0] * width / image.shape[1]))


def contact_sheet(
    rows: Sequence[Sequence[Panel]],
    taxonomy: Taxonomy,
    panel_width: int,
    title: str = "",
    pixels: np.ndarray | None = None,
) -> Image.Image:
    """Lays panels out in rows, each scaled to one width, over a legend of the classes.

    Args:
        rows: at least one, of one panel or more.
        taxonomy: for the legend.
        panel_width: pixels.
        title: a line above all; '' for none.
        pixels: integers (256,), how often each label id occurs; the legend then shows shares.
    """
    font = ImageFont.load_default(size=11)
    width = max(len(row) for row in rows) * (panel_width + GAP) + GAP
    heights = [max(scaled_size(p.image, panel_width)[1] for p in row) for row in rows]
    legend = _legend(taxonomy, width, font, pixels)
    head = CAPTION + GAP if title else 0
    height = head + sum(h + CAPTION + GAP for h in heights) + GAP + legend.height
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((GAP, GAP), _fitted(title, width - 2 * GAP, font), INK, font)
    top = head + GAP
    for row, row_height in zip(rows, heights, strict=True):
        for column, panel in enumerate(row):
            left = GAP + column * (panel_width + GAP)
            draw.text((left, top), _fitted(panel.caption, panel_width, font), INK, font)
            picture = Image.fromarray(panel.image).resize(scaled_size(panel.image, panel_width))
            sheet.paste(picture, (left, top + CAPTION))
        top += row_height + CAPTION + GAP
    sheet.paste(legend, (0, top))
    return sheet


def _fitted(text: str, width: int, font: Font) -> str:
    """The end of a text that is too long, since that is where ids differ."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"...{text}") > width:
        text = text[1:]
    return f"...{text}"


def _legend(taxonomy: Taxonomy, width: int, font: Font, pixels: np.ndarray | None) -> Image.Image:
    entries = [*enumerate(taxonomy.class_names), (IGNORE_ID, "ignored")]
    swatch_width, swatch_height = SWATCH
    places, left, top = [], GAP, GAP
    for label_id, name in entries:
        text = name if pixels is None else f"{name} {share_text(pixels, label_id)}"
        needed = swatch_width + GAP + round(font.getlength(text)) + 2 * GAP
        if left + needed > width and left > GAP:
            left, top = GAP, top + CAPTION + GAP
        places.append((left, top, label_id, text))
        left += needed
    legend = Image.new("RGB", (width, top + CAPTION + GAP), PAPER)
    draw = ImageDraw.Draw(legend)
    for x, y, label_id, text in places:
        swatch = np.full((swatch_height, swatch_width), label_id, np.uint8)
        legend.paste(Image.fromarray(coloured(swatch, taxonomy)), (x, y + 1))
        draw.rectangle((x, y, x + swatch_width, y + swatch_height + 1), outline=INK)
        draw.text((x + swatch_width + GAP, y), text, INK, font)
    return legend


def share_text(pixels: np.ndarray, label_id: int) -> str:
    """A label id's share of counted pixels (256,) in percent; a small one is not shown as none."""
    share = 100 * float(pixels[label_id] / max(1, pixels.sum()))
    if not share:
        return "0 %"
    return "< 0.1 %" if share < 0.1 else f"{share:.1f} %"
