"""Images, labels and errors as data URIs: small files inside of a page."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from roadshift.pictures.palette import WRONG
from roadshift.pictures.sheet import scaled_size
from roadshift.taxonomy import IGNORE_ID, PartialLabel, Taxonomy, is_wrong

MAX_WIDTH = 640
"""Greatest width of an image, pixels."""
JPEG_QUALITY = 82

FLAT_COLOURS = 64
"""A drawing with more colours than these is a photograph, for which JPEG is smaller than PNG."""

_RIGHT, _WRONG, _IGNORED = range(3)
ERROR_COLOURS = ((0, 0, 0, 0), (*WRONG, 255), (0, 0, 0, 170))
"""RGBA of right, wrong and ignored pixels, to be laid over a grey image. Orange is distinct from
grey also for people who cannot distinguish red from green."""

_CODE = np.array([2**16, 2**8, 1], np.uint32)
"""Factors that join the channels of a colour into one number, in the order of `np.unique`."""


def fit_image(image: np.ndarray) -> np.ndarray:
    """Scales an image, uint8 RGB (H, W, 3), down to at most `MAX_WIDTH`."""
    return _fitted(image, Image.Resampling.BICUBIC)


def fit_ids(ids: np.ndarray) -> np.ndarray:
    """Scales class ids, uint8 (H, W), as `fit_image` does; the result has no new id."""
    return _fitted(ids, Image.Resampling.NEAREST)


def _fitted(array: np.ndarray, resampling: Image.Resampling) -> np.ndarray:
    if array.shape[1] <= MAX_WIDTH:
        return array
    size = scaled_size(array, MAX_WIDTH)
    return np.asarray(Image.fromarray(array).resize(size, resampling))


def image_uri(image: np.ndarray) -> str:
    """Returns an image, uint8 RGB (H, W, 3), as JPEG."""
    return _uri(Image.fromarray(image), "jpeg", quality=JPEG_QUALITY, optimize=True)


def classes_uri(ids: np.ndarray, taxonomy: Taxonomy) -> str:
    """Returns label ids, uint8 (H, W), as PNG in the taxonomy's colours; 255 is transparent."""
    colours = [(*entry.colour, 255) for entry in taxonomy.classes.values()]
    indices = np.arange(256, dtype=np.uint8)
    # The palette has only what occurs of partial labels: a short one takes fewer bits a pixel.
    for partial in taxonomy.partial_labels:
        if (ids == partial.id).any():
            indices[partial.id] = len(colours)
            colours.append((*taxonomy.partial_colours[partial.name], 255))
    indices[IGNORE_ID] = len(colours)
    return _palette_uri(indices[ids], [*colours, (0, 0, 0, 0)])


def errors_uri(
    label: np.ndarray, prediction: np.ndarray, partial_labels: Sequence[PartialLabel] = ()
) -> str:
    """Returns a PNG in `ERROR_COLOURS` that shows where a prediction is wrong.

    Args:
        label: uint8 (H, W), ids of classes and partial labels, 255 = ignore.
        prediction: uint8 (H, W), class ids.
        partial_labels: the partial labels that may occur; default none.
    """
    indices = np.where(is_wrong(label, prediction, partial_labels), _WRONG, _RIGHT)
    indices[label == IGNORE_ID] = _IGNORED
    return _palette_uri(indices.astype(np.uint8), ERROR_COLOURS)


def drawing_uri(pixels: np.ndarray, width: int) -> str:
    """Returns a drawing or a photograph as a file as small as its kind allows.

    Args:
        pixels: uint8 RGB (H, W, 3).
        width: greatest width in pixels; a wider one is scaled down.

    Returns:
        A PNG with a palette where there are at most `FLAT_COLOURS` colours, which are kept, else a
        JPEG.
    """
    colours = np.unique(pixels.reshape(-1, 3), axis=0)
    flat = len(colours) <= FLAT_COLOURS
    if pixels.shape[1] > width:
        resampling = Image.Resampling.NEAREST if flat else Image.Resampling.LANCZOS
        pixels = np.asarray(Image.fromarray(pixels).resize(scaled_size(pixels, width), resampling))
    if not flat:
        return image_uri(pixels)
    codes = colours.astype(np.uint32) @ _CODE
    indices = np.searchsorted(codes, pixels.astype(np.uint32) @ _CODE).astype(np.uint8)
    return _palette_uri(indices, [(*colour, 255) for colour in colours.tolist()])


def _palette_uri(indices: np.ndarray, colours: list | tuple) -> str:
    image = Image.fromarray(indices, "P")
    image.putpalette([channel for colour in colours for channel in colour[:3]])
    # With a short palette Pillow takes fewer bits a pixel.
    return _uri(image, "png", transparency=bytes(c[3] for c in colours), optimize=True)


def _uri(image: Image.Image, form: str, **options: object) -> str:
    sink = io.BytesIO()
    image.save(sink, form, **options)
    return file_uri(sink.getvalue(), form)


def file_uri(content: bytes, form: str) -> str:
    """Returns the content of an image's file, such as a PNG; `form` is 'png' or 'jpeg'."""
    return f"data:image/{form};base64,{base64.b64encode(content).decode('ascii')}"
