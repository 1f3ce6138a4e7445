"""Reads a trained network with its taxonomy and its inference settings."""

from dataclasses import dataclass
from pathlib import Path

import keras

from roadshift.errors import RoadshiftError
from roadshift.networks.build import class_names_of, taxonomy_of
from roadshift.networks.files import load_network, read_inference_settings
from roadshift.networks.settings import InferenceSettings
from roadshift.taxonomy import Taxonomy, load_taxonomy


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with what its use needs.

    Attributes:
        network: maps images, float32 (N, H, W, 3) in 0..255, to logits (N, H, W, classes).
        taxonomy: taxonomy of the network's classes.
        inference: height limit and views for segmenting whole images.
    """

    network: keras.Model
    taxonomy: Taxonomy
    inference: InferenceSettings


def load_trained_network(path: Path, *, max_height: int | None = None) -> TrainedNetwork:
    """Reads a network, its taxonomy and its inference settings.

    Args:
        path: `.keras` file.
        max_height: height limit in pixels, 0 for none; it replaces the file's. None, the default,
            keeps the file's.

    Raises:
        RoadshiftError: the file is missing, damaged or not written by roadshift; its classes are
            not those of a known taxonomy; or it has no inference settings and `max_height` is None.
    """
    network = load_network(path)
    name, class_names = taxonomy_of(network), class_names_of(network)
    if not name:
        raise RoadshiftError(f"{path}: does not name its taxonomy; train the network again")
    try:
        taxonomy = load_taxonomy(name)
    except RoadshiftError as error:
        raise RoadshiftError(f"{path}: its taxonomy: {error}") from None
    if taxonomy.class_names != class_names:
        raise RoadshiftError(
            f"{path}: its classes are not those of the current taxonomy '{name}'; train it again"
        )
    inference = read_inference_settings(path)
    if inference is None and max_height is None:
        raise RoadshiftError(
            f"{path}: has no inference settings; give --max-height, the data.max_height of its "
            "training"
        )
    inference = inference or InferenceSettings()
    if max_height is not None:
        inference = inference.model_copy(update={"max_height": max_height})
    return TrainedNetwork(network, taxonomy, inference)
