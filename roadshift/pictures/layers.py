"""Pictures, labels and errors as data URIs: small files that a page holds in itself."""

import base64
import io

import numpy as np
from PIL import Image

from roadshift.pictures.sheet import scaled_size
from roadshift.taxonomy import IGNORE_ID, Taxonomy

MAX_WIDTH = 640
"""Pixels: wider pictures are scaled down to it, so that a page of thirty stays below 4 MB."""
JPEG_QUALITY = 82

RIGHT, WRONG, NOT_JUDGED = range(3)
ERROR_COLOURS = ((0, 0, 0, 0), (255, 96, 0, 255), (0, 0, 0, 170))
"""RGBA of right, wrong and not judged pixels, to be laid over a grey picture: orange stands out
from grey for those, too, who cannot tell red from green."""


def fit_picture(image: np.ndarray) -> np.ndarray:
    """Scales a picture, uint8 RGB (H, W, 3), down to at most `MAX_WIDTH`."""
    return _fitted(image, Image.Resampling.BICUBIC)


def fit_ids(ids: np.ndarray) -> np.ndarray:
    """Scales class ids, uint8 (H, W), as `fit_picture` does; no id comes out that was not there."""
    return _fitted(ids, Image.Resampling.NEAREST)


def _fitted(array: np.ndarray, resampling: Image.Resampling) -> np.ndarray:
    if array.shape[1] <= MAX_WIDTH:
        return array
    size = scaled_size(array, MAX_WIDTH)
    return np.asarray(Image.fromarray(array).resize(size, resampling))


def picture_uri(image: np.ndarray) -> str:
    """A picture, uint8 RGB (H, W, 3), as JPEG."""
    return _uri(Image.fromarray(image), "jpeg", quality=JPEG_QUALITY, optimize=True)


def classes_uri(ids: np.ndarray, taxonomy: Taxonomy) -> str:
    """Class ids, uint8 (H, W), as a PNG in the taxonomy's colours; 255 (ignore) is transparent."""
    classes = len(taxonomy.classes)
    places = np.where(ids == IGNORE_ID, classes, ids).astype(np.uint8)
    colours = [(*entry.colour, 255) for entry in taxonomy.classes.values()]
    return _palette_uri(places, [*colours, (0, 0, 0, 0)])


def errors_uri(label: np.ndarray, prediction: np.ndarray) -> str:
    """Where a prediction is wrong, as a PNG in `ERROR_COLOURS`.

    Args:
        label: uint8 (H, W), class ids, 255 = ignore.
        prediction: uint8 (H, W), class ids.
    """
    places = np.where(label == prediction, RIGHT, WRONG)
    places[label == IGNORE_ID] = NOT_JUDGED
    return _palette_uri(places.astype(np.uint8), ERROR_COLOURS)


def _palette_uri(places: np.ndarray, colours: list | tuple) -> str:
    picture = Image.fromarray(places, "P")
    picture.putpalette([channel for colour in colours for channel in colour[:3]])
    # A short palette makes Pillow take fewer bits a pixel.
    return _uri(picture, "png", transparency=bytes(c[3] for c in colours), optimize=True)


def _uri(picture: Image.Image, form: str, **options: object) -> str:
    sink = io.BytesIO()
    picture.save(sink, form, **options)
    return f"data:image/{form};base64,{base64.b64encode(sink.getvalue()).decode('ascii')}"
