"""A network as an estimate uses it: probabilities on a grid, features, and traits of an image."""

import hashlib
from dataclasses import dataclass

import keras
import numpy as np

from roadshift.estimation.camera import traits
from roadshift.estimation.features import ImageFeatures
from roadshift.estimation.probability_grid import (
    GRID_PIXELS,
    Parts,
    ProbabilityGrid,
    probability_grid,
)
from roadshift.inference.tiles import MAX_PIXELS, TiledSegmenter
from roadshift.inference.trained_network import TrainedNetwork
from roadshift.taxonomy import Taxonomy


@dataclass(frozen=True)
class EstimatingNetwork:
    """A network that is asked for more than a label.

    Attributes:
        parts: function that segments an image, and yields the probabilities of all classes.
        features: function from an image to its features, float32 (channels,).
        taxonomy: taxonomy of the network's classes.
        digest: digest of its weights, by which the profile of its sources is known to be its own.
    """

    parts: Parts
    features: ImageFeatures
    taxonomy: Taxonomy
    digest: str

    @classmethod
    def of(cls, trained: TrainedNetwork, max_pixels: int = MAX_PIXELS) -> "EstimatingNetwork":
        """Compiles the functions.

        Args:
            trained: the network, its taxonomy and its inference settings.
            max_pixels: limit on the pixels that pass through the network at once.
        """
        segmenter = TiledSegmenter(trained.network, trained.inference, max_pixels)
        features = ImageFeatures(trained.network, trained.inference.max_height, max_pixels)
        digest = weights_digest(trained.network)
        return cls(segmenter.probability_parts, features, trained.taxonomy, digest)

    def grid(self, image: np.ndarray, limit: int = GRID_PIXELS) -> ProbabilityGrid:
        """Returns the probabilities on a grid of at most `limit` pixels."""
        return probability_grid(self.parts, image, classes=len(self.taxonomy.classes), limit=limit)

    def traits(self, image: np.ndarray, grid: ProbabilityGrid) -> dict[str, float]:
        """Measures an image; see `roadshift.estimation.camera.traits`."""
        return traits(image, grid.ids, self.taxonomy)


def weights_digest(network: keras.Model) -> str:
    """Returns the SHA-256 of a network's weights, without the state of dropout's random numbers."""
    digest = hashlib.sha256()
    for weight in network.weights:
        if "seed_generator" not in weight.path:
            digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.hexdigest()
