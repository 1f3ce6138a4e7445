"""The images of the sources that look most like new ones to a network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from roadshift.datasets.images import read_any_image
from roadshift.estimation.images import ImageEstimate
from roadshift.estimation.source_profile import Look, feature_distance


@dataclass(frozen=True)
class Neighbour:
    """The source image that is nearest to an image.

    Attributes:
        file: the source image's file.
        distance: distance of their features, in standard deviations of the sources.
    """

    file: Path
    distance: float


def nearest_sources(
    images: Sequence[ImageEstimate],
    sources: Sequence[Path],
    features: Callable[[np.ndarray], np.ndarray],
    look: Look,
    *,
    failure: Callable[[Path, Exception], object],
    done: Callable[[], object] = lambda: None,
) -> Mapping[str, Neighbour]:
    """Finds the nearest source image of each image. Memory holds one source image at a time.

    Args:
        images: the images.
        sources: files of source images.
        features: function from an image, uint8 RGB (H, W, 3), to its features, float32 (channels,).
        look: what the sources look like; it has the spreads of the features.
        failure: function that is told a file that cannot be read, and the error; it is left out.
        done: function that is called after each source image.

    Returns:
        The neighbours by the images' names; of equal distances the first file; empty without a
        source image that can be read.
    """
    spreads = np.array(look.feature_spreads)
    found: dict[str, Neighbour] = {}
    for file in sources:
        try:
            vector = features(read_any_image(file)).astype(np.float64)
        # Whatever a file of a user makes a library raise, it says nothing about the others.
        except Exception as error:
            failure(file, error)
        else:
            for image in images:
                distance = feature_distance(image.features, vector, spreads)
                if image.name not in found or distance < found[image.name].distance:
                    found[image.name] = Neighbour(file, distance)
        done()
    return found
