"""Draws contact sheets: images beside labels and predictions, with captions and a legend."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from roadshift.taxonomy import IGNORE_ID, PartialLabel, Taxonomy

GAP = 6
CAPTION = 16
SWATCH = (16, 12)
INK, PAPER = (30, 30, 30), (255, 255, 255)
HATCH, STEP, LINE = (170, 170, 170), 8, 2
"""Colour, distance and width in pixels of the diagonal lines on ignored pixels, which are black."""
STRIPE = 4
"""Width in pixels of the diagonal stripes on partial labels, each in the colour of a class."""
STRIP = 2**20
"""Number of pixels that are drawn at once, so that memory does not grow with an image."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Panel:
    """A cell of a contact sheet.

    Attributes:
        caption: text above the image.
        image: uint8 RGB (H, W, 3).
    """

    caption: str
    image: np.ndarray


def coloured(
    label: np.ndarray, taxonomy: Taxonomy, image: np.ndarray | None = None, *, top: int = 0
) -> np.ndarray:
    """Colours class ids, or blends their colours half and half with an image.

    Args:
        label: label ids, uint8 (H, W); ignored pixels, 255, become black with grey diagonal lines,
            those of partial labels striped with the colours of their classes.
        taxonomy: taxonomy of the classes.
        image: uint8 RGB (H, W, 3) to blend with; default None for colours alone.
        top: row of the whole label that `label` begins at, where it is a strip; default 0.

    Returns:
        uint8 RGB (H, W, 3).
    """
    colours = taxonomy.palette[label]
    columns = np.arange(label.shape[1])
    classes, partial_labels = len(taxonomy.classes), taxonomy.partial_labels
    for rows in strips(*label.shape):
        strip, ids = colours[rows], label[rows]
        if (ids >= classes).any():
            diagonal = np.arange(top + rows.start, top + rows.stop)[:, np.newaxis] + columns
            strip[(ids == IGNORE_ID) & (diagonal % STEP < LINE)] = HATCH
            for partial in partial_labels:
                shown = ids == partial.id
                if shown.any():
                    members = np.array(partial.classes)
                    stripe = members[diagonal[shown] // STRIPE % len(members)]
                    strip[shown] = taxonomy.palette[stripe]
        if image is not None:
            strip[...] = np.add(strip, image[rows], dtype=np.uint16) // 2
    return colours


def strips(height: int, width: int) -> Iterator[slice]:
    """Yields the rows of an image in strips of about `STRIP` pixels, from top to bottom."""
    rows = max(1, STRIP // max(1, width))
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def scaled_size(image: np.ndarray, width: int) -> tuple[int, int]:
    """Returns the width and height of an image or label, (H, W, …), when scaled to a width."""
    return width, max(1, round(image.shape[0] * width / image.shape[1]))


def contact_sheet(
    rows: Sequence[Sequence[Panel]],
    taxonomy: Taxonomy,
    panel_width: int,
    *,
    title: str = "",
    pixels: np.ndarray | None = None,
    partial_labels: Sequence[PartialLabel] = (),
) -> Image.Image:
    """Draws rows of panels, scaled to one width, above a legend of the classes.

    Args:
        rows: panels of each row, at least one row with at least one panel.
        taxonomy: taxonomy of the legend.
        panel_width: width of a panel in pixels.
        title: text above the panels; default '' for none.
        pixels: number of pixels of each label id, (256,), for shares in the legend; default None
            for no shares.
        partial_labels: partial labels of the legend; default none.
    """
    font = ImageFont.load_default(size=11)
    width = max(len(row) for row in rows) * (panel_width + GAP) + GAP
    heights = [max(scaled_size(p.image, panel_width)[1] for p in row) for row in rows]
    legend = class_legend(taxonomy, width, pixels=pixels, partial_labels=partial_labels)
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
            scaled = Image.fromarray(panel.image).resize(scaled_size(panel.image, panel_width))
            sheet.paste(scaled, (left, top + CAPTION))
        top += row_height + CAPTION + GAP
    sheet.paste(legend, (0, top))
    return sheet


def _fitted(text: str, width: int, font: Font) -> str:
    """Shortens a text to its end if it is too long, since ids differ at their end."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"...{text}") > width:
        text = text[1:]
    return f"...{text}"


def class_legend(
    taxonomy: Taxonomy,
    width: int,
    *,
    pixels: np.ndarray | None = None,
    scale: float = 1,
    ignored: bool = True,
    partial_labels: Sequence[PartialLabel] = (),
) -> Image.Image:
    """Draws the colours of the classes with their names, in as many rows as they need.

    Args:
        taxonomy: taxonomy of the classes.
        width: width of the legend in pixels.
        pixels: number of pixels of each label id, (256,), for shares; default None for no shares.
        scale: factor on all sizes; at 1, the default, letters are 11 pixels high.
        ignored: whether there is an entry for ignored pixels, which is the default.
        partial_labels: partial labels that have entries; default none.
    """
    gap, caption = round(GAP * scale), round(CAPTION * scale)
    swatch_width, swatch_height = (round(side * scale) for side in SWATCH)
    font = ImageFont.load_default(size=11 * scale)
    entries = [
        *enumerate(taxonomy.class_names),
        *((partial.id, partial.name) for partial in partial_labels),
        *([(IGNORE_ID, "ignored")] if ignored else []),
    ]
    places, left, top = [], gap, gap
    for label_id, name in entries:
        text = name if pixels is None else f"{name} {share_text(pixels, label_id)}"
        needed = swatch_width + gap + round(font.getlength(text)) + 2 * gap
        if left + needed > width and left > gap:
            left, top = gap, top + caption + gap
        places.append((left, top, label_id, text))
        left += needed
    legend = Image.new("RGB", (width, top + caption + gap), PAPER)
    draw = ImageDraw.Draw(legend)
    for x, y, label_id, text in places:
        swatch = np.full((swatch_height, swatch_width), label_id, np.uint8)
        legend.paste(Image.fromarray(coloured(swatch, taxonomy)), (x, y + 1))
        draw.rectangle((x, y, x + swatch_width, y + swatch_height + 1), outline=INK)
        draw.text((x + swatch_width + gap, y), text, INK, font)
    return legend


def share_text(pixels: np.ndarray, label_id: int) -> str:
    """Returns a label id's share of counted pixels, (256,), in percent; only 0 reads "0 %"."""
    share = 100 * float(pixels[label_id] / max(1, pixels.sum()))
    if not share:
        return "0 %"
    return "< 0.1 %" if share < 0.1 else f"{share:.1f} %"
